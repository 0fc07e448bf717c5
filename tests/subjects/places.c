/* Functions for probe points: some that can have one and some that cannot.
 * places N calls each of them N times, and the copies of twin 2 N and 3 N times. */
#include <stdlib.h>

void twin_elsewhere(void);
void landing_pad(void);
void locked(long *);
void vector(void);
void odd_bytes(void);

__asm__(".text\n"
	".macro begin name\n"
	".globl \\name\n"
	".type \\name, @function\n"
	"\\name:\n"
	".endm\n"
	".macro end name\n"
	".size \\name, . - \\name\n"
	".endm\n"

	"begin landing_pad\n"
	"endbr64\n"
	"nop\n"
	"ret\n"
	"end landing_pad\n"
	".skip 16, 0xcc\n" /* no function's */

	"begin locked\n"
	"nop\n"
	"lock incq (%rdi)\n"
	"ret\n"
	"end locked\n"

	"begin vector\n"
	"nop\n"
	"vpxor %xmm0, %xmm0, %xmm0\n"
	"ret\n"
	"end vector\n"

	"begin odd_bytes\n"
	"jmp 1f\n"
	".byte 0x06\n" /* no instruction of 64-bit code */
	"1: ret\n"
	"end odd_bytes\n");

/* Another one of this name, as static functions may be, is in places_twin.c. */
static __attribute__((noinline)) void twin(void)
{
	__asm__ volatile("");
}

int main(int argc, char **argv)
{
	long sum = 0;

	for (int i = argc > 1 ? atoi(argv[1]) : 0; i > 0; i--) {
		landing_pad();
		locked(&sum);
		odd_bytes();
		twin();
		twin();
		twin_elsewhere();
		/* Not every processor has it. */
		if (sum < 0)
			vector();
	}
	return 0;
}
