/* library_opener FILE: opens a shared library and calls its library_run. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
	void (*run)(void);

	if (!library) {
		fprintf(stderr, "library_opener: %s\n", argc == 2 ? dlerror() : "no FILE");
		return 1;
	}
	*(void **)&run = dlsym(library, "library_run");
	if (!run) {
		fprintf(stderr, "library_opener: %s\n", dlerror());
		return 1;
	}
	run();
	return 0;
}
