#include "landing_pads.h"

#include "asyncrec/array.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

/* A function that has a call site table. */
struct frame {
	uint64_t address; /* of the function; virtual */
	uint64_t table;   /* of its language specific data; virtual */
};

struct landing_pads {
	struct frame *frames; /* owned; sorted by address */
	size_t count;
	size_t room;
	Elf_Data *tables;        /* of .gcc_except_table; owned by libelf; NULL: none */
	uint64_t tables_address; /* virtual */
};

/* Bytes that are read one after the other. */
struct reader {
	const uint8_t *at;
	const uint8_t *end;
	uint64_t address; /* virtual, of at */
	bool failed;      /* something was read behind the end, or is of an unknown form */
};

static uint64_t read_fixed(struct reader *reader, size_t size, bool is_signed)
{
	uint64_t value = 0;

	if ((size_t)(reader->end - reader->at) < size) {
		reader->failed = true;
		return 0;
	}
	memcpy(&value, reader->at, size); /* little endian, as x86-64 is */
	reader->at += size;
	reader->address += size;
	if (is_signed && size < 8 && value >> (size * 8 - 1))
		value |= ~0ULL << size * 8;
	return value;
}

static uint64_t read_leb128(struct reader *reader, bool is_signed)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)read_fixed(reader, 1, false);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && !reader->failed);
	if (is_signed && byte & 0x40 && shift < 64)
		value |= ~0ULL << shift;
	return value;
}

/* A value in one of the encodings DW_EH_PE_*. */
static uint64_t read_encoded(struct reader *reader, unsigned encoding)
{
	uint64_t base = (encoding & 0x70) == DW_EH_PE_pcrel ? reader->address : 0;
	uint64_t value;

	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		value = read_fixed(reader, 8, false);
		break;
	case DW_EH_PE_udata4:
	case DW_EH_PE_sdata4:
		value = read_fixed(reader, 4, encoding & DW_EH_PE_signed);
		break;
	case DW_EH_PE_udata2:
	case DW_EH_PE_sdata2:
		value = read_fixed(reader, 2, encoding & DW_EH_PE_signed);
		break;
	case DW_EH_PE_uleb128:
	case DW_EH_PE_sleb128:
		value = read_leb128(reader, encoding & DW_EH_PE_signed);
		break;
	default:
		reader->failed = true;
		return 0;
	}
	/* An indirect one would have to be read from memory. */
	if ((encoding & 0x70) > DW_EH_PE_pcrel || encoding & DW_EH_PE_indirect)
		reader->failed = true;
	return value ? base + value : 0;
}

/* How the entries of a common information entry are encoded. */
struct encodings {
	unsigned pointer;
	unsigned table; /* DW_EH_PE_omit: there is none */
};

static struct encodings encodings_of(const Dwarf_CIE *cie)
{
	struct encodings encodings = {DW_EH_PE_absptr, DW_EH_PE_omit};
	struct reader reader = {.at = cie->augmentation_data};
	const char *letter = cie->augmentation;

	if (*letter != 'z' || !reader.at)
		return encodings;
	reader.end = reader.at + cie->augmentation_data_size;
	while (*++letter) {
		unsigned encoding = *letter == 'S' || *letter == 'B'
					    ? 0
					    : (unsigned)read_fixed(&reader, 1, false);

		if (*letter == 'R') {
			encodings.pointer = encoding;
		} else if (*letter == 'L') {
			encodings.table = encoding;
		} else if (*letter == 'P') {
			/* Of the personality routine only the size matters. */
			read_encoded(&reader, encoding & 0x0f);
		}
	}
	return encodings;
}

static int add_frame(struct landing_pads *pads, const struct frame *frame)
{
	struct frame *grown =
		array_room(pads->frames, pads->count, &pads->room, sizeof(*grown));

	if (!grown)
		return -1;
	pads->frames = grown;
	pads->frames[pads->count++] = *frame;
	return 0;
}

static int read_frame(struct landing_pads *pads, const Dwarf_FDE *fde,
		      const struct encodings *encodings, const Elf_Data *data,
		      uint64_t section_address)
{
	struct reader reader = {
		.at = fde->start,
		.end = fde->end,
		.address =
			section_address + (uint64_t)(fde->start - (const uint8_t *)data->d_buf),
	};
	struct frame frame;

	frame.address = read_encoded(&reader, encodings->pointer);
	read_encoded(&reader, encodings->pointer & 0x0f);
	read_leb128(&reader, false);
	frame.table = read_encoded(&reader, encodings->table);
	return reader.failed || !frame.table ? 0 : add_frame(pads, &frame);
}

static int compare_frames(const void *left, const void *right)
{
	const struct frame *a = left;
	const struct frame *b = right;

	return a->address < b->address ? -1 : a->address > b->address;
}

/* Read all of .eh_frame. The frames of one common entry mostly follow each other. */
static int read_frames(struct landing_pads *pads, const char *ident, Elf_Data *data,
		       uint64_t section_address)
{
	struct encodings encodings = {0};
	Dwarf_Off of = UINT64_MAX;
	Dwarf_Off next = 0;
	Dwarf_CFI_Entry entry;

	for (Dwarf_Off offset = 0;; offset = next) {
		Dwarf_CFI_Entry common;
		Dwarf_Off ignored;

		int status = dwarf_next_cfi((const unsigned char *)ident, data, true, offset,
					    &next, &entry);

		/* What cannot be read is passed over, as long as its size can. */
		if (status > 0 || (status < 0 && next <= offset))
			break;
		if (status < 0 || dwarf_cfi_cie_p(&entry))
			continue;
		if (entry.fde.CIE_pointer != of) {
			of = entry.fde.CIE_pointer;
			if (dwarf_next_cfi((const unsigned char *)ident, data, true, of,
					   &ignored, &common) ||
			    !dwarf_cfi_cie_p(&common)) {
				of = UINT64_MAX;
				continue;
			}
			encodings = encodings_of(&common.cie);
		}
		if (encodings.table != DW_EH_PE_omit &&
		    read_frame(pads, &entry.fde, &encodings, data, section_address))
			return -1;
	}
	if (pads->count)
		qsort(pads->frames, pads->count, sizeof(*pads->frames), compare_frames);
	return 0;
}

struct landing_pads *landing_pads_open(Elf *elf)
{
	struct landing_pads *pads = calloc(1, sizeof(*pads));
	const char *ident = elf_getident(elf, NULL);
	Elf_Scn *section = NULL;
	size_t names;
	int status = 0;

	if (!pads || !ident || elf_getshdrstrndx(elf, &names))
		return pads;
	while (!status && (section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		const char *name;

		if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS)
			continue;
		name = elf_strptr(elf, names, header.sh_name);
		if (name && strcmp(name, ".gcc_except_table") == 0) {
			pads->tables = elf_rawdata(section, NULL);
			pads->tables_address = header.sh_addr;
		} else if (name && strcmp(name, ".eh_frame") == 0) {
			Elf_Data *data = elf_rawdata(section, NULL);

			if (data)
				status = read_frames(pads, ident, data, header.sh_addr);
		}
	}
	if (!status)
		return pads;
	landing_pads_close(pads);
	return NULL;
}

void landing_pads_close(struct landing_pads *pads)
{
	if (!pads)
		return;
	free(pads->frames);
	free(pads);
}

/* The header of a table; leaves the reader at the call sites and ending with them. */
static unsigned read_header(struct reader *reader, uint64_t *base)
{
	unsigned encoding = (unsigned)read_fixed(reader, 1, false);
	uint64_t length;

	if (encoding != DW_EH_PE_omit)
		*base = read_encoded(reader, encoding);
	encoding = (unsigned)read_fixed(reader, 1, false);
	if (encoding != DW_EH_PE_omit)
		read_leb128(reader, false);
	encoding = (unsigned)read_fixed(reader, 1, false);
	length = read_leb128(reader, false);
	if (length > (uint64_t)(reader->end - reader->at))
		reader->failed = true;
	else
		reader->end = reader->at + length;
	return encoding;
}

static int read_call_sites(struct reader *reader, uint64_t function,
			   struct flow_call_site **sites, size_t *count)
{
	uint64_t base = function;
	unsigned encoding = read_header(reader, &base);
	size_t room = 0;

	while (!reader->failed && reader->at < reader->end) {
		uint64_t start = read_encoded(reader, encoding);
		uint64_t length = read_encoded(reader, encoding);
		uint64_t pad = read_encoded(reader, encoding);
		struct flow_call_site *grown;

		read_leb128(reader, false);
		grown = array_room(*sites, *count, &room, sizeof(*grown));
		if (!grown)
			return -1;
		*sites = grown;
		(*sites)[(*count)++] = (struct flow_call_site){
			.start = base + start,
			.end = base + start + length,
			.pad = pad ? base + pad : 0,
		};
	}
	return reader->failed ? -1 : 0;
}

int landing_pads_find(const struct landing_pads *pads, uint64_t address,
		      struct flow_call_site **sites, size_t *count)
{
	struct frame key = {.address = address};
	const struct frame *frame = NULL;
	struct reader reader;
	uint64_t offset;

	*sites = NULL;
	*count = 0;
	if (pads->count)
		frame = bsearch(&key, pads->frames, pads->count, sizeof(key), compare_frames);
	if (!frame)
		return 0;
	offset = frame->table - pads->tables_address;
	if (!pads->tables || frame->table < pads->tables_address ||
	    offset >= pads->tables->d_size)
		return -1;
	reader = (struct reader){
		.at = (const uint8_t *)pads->tables->d_buf + offset,
		.end = (const uint8_t *)pads->tables->d_buf + pads->tables->d_size,
		.address = frame->table,
	};
	if (read_call_sites(&reader, address, sites, count) == 0)
		return 0;
	free(*sites);
	*sites = NULL;
	*count = 0;
	return -1;
}
