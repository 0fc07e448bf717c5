/*
 * The floor for finding poll sites: one pass of libdw over every DIE of a file,
 * asking for its tag only. Prints the number of DIEs.
 */
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdio.h>

static unsigned long walk(Dwarf_Die *parent)
{
	unsigned long count = 0;
	Dwarf_Die die;

	if (dwarf_child(parent, &die))
		return 0;
	do {
		count += dwarf_tag(&die) != 0;
		count += walk(&die);
	} while (dwarf_siblingof(&die, &die) == 0);
	return count;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	Dwarf *dwarf = fd >= 0 ? dwarf_begin(fd, DWARF_C_READ) : NULL;
	Dwarf_CU *unit = NULL;
	unsigned long count = 0;
	Dwarf_Die die;

	if (!dwarf) {
		fprintf(stderr, "usage: walk_dies FILE\n");
		return 1;
	}
	while (dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &die, NULL) == 0)
		count += walk(&die);
	printf("%lu\n", count);
	return 0;
}
