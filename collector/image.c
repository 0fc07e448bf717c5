#include "image.h"

#include "insn.h"
#include "asyncrec/message.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int check_header(const struct image *image)
{
	const char *path = image->path;
	GElf_Ehdr header;

	if (elf_kind(image->elf) != ELF_K_ELF || !gelf_getehdr(image->elf, &header)) {
		message_error("%s: not an ELF file; name a compiled program, or the program a "
			      "script runs with --exe",
			      path);
		return -1;
	}
	if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != insn_elf_machine) {
		message_error(
			"%s: built for another architecture; only 64-bit x86-64 programs can "
			"be traced here",
			path);
		return -1;
	}
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
		message_error("%s: not a program or shared library; name a linked file", path);
		return -1;
	}
	return 0;
}

static void read_build_id(struct image *image, Dwfl_Module *module)
{
	const unsigned char *bits;
	GElf_Addr address;
	int length = dwfl_module_build_id(module, &bits, &address);

	for (int i = 0; i < length && 2 * i + 2 < (int)sizeof(image->build_id); i++)
		sprintf(image->build_id + 2 * (size_t)i, "%02x", bits[i]);
}

/* rustc puts what others need to compile against a library into it, as `.rustc`. */
static bool has_rust_metadata(Elf *elf)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		const char *name = gelf_getshdr(section, &header)
					   ? elf_strptr(elf, names, header.sh_name)
					   : NULL;

		if (name && strcmp(name, ".rustc") == 0)
			return true;
	}
	return false;
}

static bool has_symbols(Elf *elf)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;

		if (gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB)
			return true;
	}
	return false;
}

static void find_segments(struct image *image)
{
	const size_t room = sizeof(image->segments) / sizeof(image->segments[0]);
	size_t count;

	if (elf_getphdrnum(image->elf, &count))
		return;
	for (size_t i = 0; i < count && image->segment_count < room; i++) {
		GElf_Phdr header;

		if (gelf_getphdr(image->elf, (int)i, &header) && header.p_type == PT_LOAD)
			image->segments[image->segment_count++] = (struct image_segment){
				.start = header.p_vaddr,
				.end = header.p_vaddr + header.p_memsz,
				.filled = header.p_vaddr + header.p_filesz,
				.offset = header.p_offset,
				.is_code = header.p_flags & PF_X,
			};
	}
}

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2 /* gABI; elfutils 0.188 does not name it */
#endif

/* Is a section compressed in a way that this libelf may not know? */
static bool has_zstd(Elf *elf)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section))) {
		GElf_Chdr header;

		if (gelf_getchdr(section, &header) && header.ch_type == ELFCOMPRESS_ZSTD)
			return true;
	}
	return false;
}

static void explain_no_dwarf(const struct image *image)
{
	if (has_zstd(image->elf))
		message_error(
			"%s: its debug information is compressed with zstd, which this libdw "
			"cannot read; `objcopy --decompress-debug-sections` helps",
			image->path);
	else
		message_error(
			"%s: no debug information and no symbols; build it with `-g` (cargo: "
			"`debug = 2`, `strip = false`) or install its separate debug file",
			image->path);
}

int image_open(struct image *image, const char *path, const char *name)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.section_address = dwfl_offline_section_address,
	};
	Dwfl_Module *module;
	char *raw;

	*image = (struct image){.fd = -1, .path = strdup(name ? name : path)};
	if (!image->path) {
		message_error("%s: cannot open: out of memory", path);
		return -1;
	}
	elf_version(EV_CURRENT);
	image->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (image->fd < 0) {
		message_error("%s: cannot open: %s", image->path, strerror(errno));
		return -1;
	}
	image->elf = elf_begin(image->fd, ELF_C_READ_MMAP, NULL);
	if (!image->elf) {
		message_error("%s: cannot read: %s", image->path, elf_errmsg(-1));
		return -1;
	}
	if (check_header(image))
		return -1;
	raw = elf_rawfile(image->elf, &image->size);
	if (!raw) {
		message_error("%s: cannot read: %s", image->path, elf_errmsg(-1));
		return -1;
	}
	image->data = (const uint8_t *)raw;
	image->dwfl = dwfl_begin(&callbacks);
	if (!image->dwfl) {
		message_error("%s: cannot read: %s", image->path, dwfl_errmsg(-1));
		return -1;
	}
	module = dwfl_report_offline(image->dwfl, image->path, path, -1);
	dwfl_report_end(image->dwfl, NULL, NULL);
	if (!module) {
		message_error("%s: cannot read: %s", image->path, dwfl_errmsg(-1));
		return -1;
	}
	read_build_id(image, module);
	find_segments(image);
	image->is_rust_library = has_rust_metadata(image->elf);
	image->module = module;
	return 0;
}

int image_open_debug(struct image *image)
{
	Dwarf_Addr bias;

	if (!image->dwarf)
		image->dwarf = dwfl_module_getdwarf(image->module, &bias);
	if (!image->dwarf && (has_zstd(image->elf) || !has_symbols(image->elf))) {
		explain_no_dwarf(image);
		return -1;
	}
	return 0;
}

const char *image_debug_file(const struct image *image)
{
	const char *main_file = NULL;
	const char *debug_file = NULL;

	dwfl_module_info(image->module, NULL, NULL, NULL, NULL, NULL, &main_file, &debug_file);
	return debug_file && (!main_file || strcmp(main_file, debug_file) != 0) ? debug_file
										: NULL;
}

void image_close(struct image *image)
{
	if (image->dwfl)
		dwfl_end(image->dwfl);
	if (image->elf)
		elf_end(image->elf);
	if (image->fd >= 0)
		close(image->fd);
	free(image->path);
	*image = (struct image){.fd = -1};
}

static const struct image_segment *segment_of(const struct image *image, uint64_t address)
{
	for (size_t i = 0; i < image->segment_count; i++)
		if (address >= image->segments[i].start && address < image->segments[i].end)
			return &image->segments[i];
	return NULL;
}

const uint8_t *image_bytes(const struct image *image, uint64_t address, size_t *size)
{
	const struct image_segment *segment = segment_of(image, address);
	uint64_t offset;

	if (!segment || address >= segment->filled)
		return NULL;
	offset = segment->offset + (address - segment->start);
	if (offset >= image->size)
		return NULL;
	*size = segment->filled - address;
	if (*size > image->size - offset)
		*size = image->size - offset;
	return image->data + offset;
}

bool image_file_offset(const struct image *image, uint64_t address, uint64_t *offset)
{
	const struct image_segment *segment = segment_of(image, address);
	size_t size;

	if (!segment || !segment->is_code || !image_bytes(image, address, &size))
		return false;
	*offset = segment->offset + (address - segment->start);
	return true;
}

bool image_has_data(const struct image *image, uint64_t address)
{
	const struct image_segment *segment = segment_of(image, address);

	return segment && !segment->is_code;
}

/* The relocations of one section. */
static int each_of_section(const struct image *image, Elf_Scn *section, const GElf_Shdr *header,
			   image_relocation_seen *seen, void *context)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t count = data ? data->d_size / header->sh_entsize : 0;
	Elf_Scn *linked = elf_getscn(image->elf, header->sh_link);
	Elf_Data *symbols = NULL;
	GElf_Shdr linked_header;
	int status = 0;

	if (linked && gelf_getshdr(linked, &linked_header) &&
	    linked_header.sh_type == SHT_DYNSYM)
		symbols = elf_getdata(linked, NULL);
	for (size_t i = 0; i < count && !status; i++) {
		GElf_Rela relocation;
		GElf_Sym symbol;
		bool has_symbol;

		if (!gelf_getrela(data, (int)i, &relocation))
			continue;
		has_symbol = symbols && GELF_R_SYM(relocation.r_info) &&
			     gelf_getsym(symbols, (int)GELF_R_SYM(relocation.r_info), &symbol);
		status = seen(context, &relocation, has_symbol ? &symbol : NULL,
			      has_symbol ? elf_strptr(image->elf, linked_header.sh_link,
						      symbol.st_name)
					 : NULL);
	}
	return status;
}

int image_each_relocation(const struct image *image, image_relocation_seen *seen, void *context)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	int status = 0;

	while (!status && (section = elf_nextscn(image->elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_RELA &&
		    header.sh_entsize)
			status = each_of_section(image, section, &header, seen, context);
	return status;
}

bool image_has_code_of(const struct image *image, Dwarf_Die *die, Dwarf_Addr *entry)
{
	Dwarf_Addr base;
	Dwarf_Addr end;
	uint64_t offset;

	if (dwarf_lowpc(die, entry) && dwarf_ranges(die, 0, &base, entry, &end) <= 0)
		return false;
	return *entry && image_file_offset(image, *entry, &offset);
}

bool image_code_offset(const struct image *image, uint64_t address, uint64_t size,
		       uint64_t *offset)
{
	return image_file_offset(image, address, offset) && size <= image->size - *offset;
}

bool image_find_code(const struct image *image, Dwarf_Die *die, struct image_code *code)
{
	Dwarf_Addr entry;
	Dwarf_Addr end;

	if (!image_has_code_of(image, die, &entry) || dwarf_highpc(die, &end) || end <= entry ||
	    !image_code_offset(image, entry, end - entry, &code->offset))
		return false;
	code->address = entry;
	code->end = end;
	return true;
}

int image_each_segment(const struct image *image, bool code, image_segment_seen *seen,
		       void *context)
{
	int status = 0;

	for (size_t i = 0; i < image->segment_count && !status; i++) {
		const struct image_segment *segment = &image->segments[i];
		size_t size = 0;
		const uint8_t *bytes = segment->is_code == code
					       ? image_bytes(image, segment->start, &size)
					       : NULL;

		if (bytes)
			status = seen(context, segment->start, bytes, size);
	}
	return status;
}

/* Who is shown words. */
struct word_viewer {
	image_word_seen *seen;
	void *context;
};

/* An image_segment_seen. */
static int show_words(void *context, uint64_t address, const uint8_t *bytes, size_t size)
{
	const struct word_viewer *viewer = context;
	int status = 0;

	for (size_t at = -address % sizeof(uint64_t); at + sizeof(uint64_t) <= size && !status;
	     at += sizeof(uint64_t)) {
		uint64_t value;

		memcpy(&value, bytes + at, sizeof(value));
		status = viewer->seen(viewer->context, address + at, value);
	}
	return status;
}

int image_each_word(const struct image *image, image_word_seen *seen, void *context)
{
	struct word_viewer viewer = {seen, context};

	return image_each_segment(image, false, show_words, &viewer);
}
