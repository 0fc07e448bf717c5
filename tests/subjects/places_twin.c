/* See places.c. */
void twin_elsewhere(void);

static __attribute__((noinline)) void twin(void)
{
	__asm__ volatile("");
}

void twin_elsewhere(void)
{
	twin();
	twin();
	twin();
}
