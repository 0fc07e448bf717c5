#include "type_name.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct impl_block {
	char *path;        /* `app::{impl#0}`; owned */
	char *name;        /* `app::Pool` or `<app::Pool as app::Store>`; owned */
	UT_hash_handle hh; /* keyed by path */
};

struct type_names {
	struct impl_block *impls; /* owned */
};

struct type_names *type_names_new(void)
{
	return calloc(1, sizeof(struct type_names));
}

void type_names_free(struct type_names *names)
{
	struct impl_block *impl;
	struct impl_block *next;

	if (!names)
		return;
	HASH_ITER(hh, names->impls, impl, next)
	{
		HASH_DEL(names->impls, impl);
		free(impl->path);
		free(impl->name);
		free(impl);
	}
	free(names);
}

/* Number of `::` separated components of path, brackets counting as one. */
static unsigned count_components(const char *path)
{
	unsigned count = 1;
	int depth = 0;

	for (const char *c = path; *c; c++) {
		if (*c == '<' || *c == '(' || *c == '[')
			depth++;
		else if ((*c == '>' && (c == path || c[-1] != '-')) || *c == ')' || *c == ']')
			depth--;
		else if (depth == 0 && c[0] == ':' && c[1] == ':') {
			count++;
			c++;
		}
	}
	return count;
}

/* Cut the last `count` components off path, in place. False if it has too few. */
static bool cut_components(char *path, unsigned count)
{
	unsigned keep = count_components(path);
	unsigned seen = 1;
	int depth = 0;

	if (keep <= count)
		return false;
	keep -= count;
	for (char *c = path; *c; c++) {
		if (*c == '<' || *c == '(' || *c == '[')
			depth++;
		else if ((*c == '>' && (c == path || c[-1] != '-')) || *c == ')' || *c == ']')
			depth--;
		else if (depth == 0 && c[0] == ':' && c[1] == ':') {
			if (seen++ == keep) {
				*c = '\0';
				return true;
			}
			c++;
		}
	}
	return false;
}

/*
 * `<app::Gen<u8>>`, as v0 mangling has an impl of a type's own methods, is
 * written `app::Gen`; so is `app::Gen<T>` of legacy mangling. The arguments are
 * those of one instance only, and the coroutine's own name lists its own.
 */
static void tidy_impl_name(char *name)
{
	size_t length = strlen(name);
	char *arguments;

	if (strstr(name, " as "))
		return;
	if (length > 2 && name[0] == '<' && name[length - 1] == '>') {
		name[length - 1] = '\0';
		memmove(name, name + 1, length - 1);
	}
	arguments = strchr(name, '<');
	if (arguments && arguments != name)
		*arguments = '\0';
}

void type_names_learn_impl(struct type_names *names, const char *path, const char *inner,
			   const char *linkage_name)
{
	struct impl_block *impl;
	char *name;

	HASH_FIND_STR(names->impls, path, impl);
	if (impl)
		return;
	name = rust_demangle(linkage_name, 0);
	if (!name)
		return;
	if (!cut_components(name, count_components(inner))) {
		free(name);
		return;
	}
	tidy_impl_name(name);
	impl = calloc(1, sizeof(*impl));
	if (!impl) {
		free(name);
		return;
	}
	impl->name = name;
	impl->path = strdup(path);
	if (!impl->path) {
		free(name);
		free(impl);
		return;
	}
	HASH_ADD_KEYPTR(hh, names->impls, impl->path, strlen(impl->path), impl);
}

void type_names_take(struct type_names *names, struct type_names *other)
{
	struct impl_block *impl;
	struct impl_block *next;

	HASH_ITER(hh, other->impls, impl, next)
	{
		struct impl_block *known;

		HASH_FIND_STR(names->impls, impl->path, known);
		if (known)
			continue;
		HASH_DEL(other->impls, impl);
		HASH_ADD_KEYPTR(hh, names->impls, impl->path, strlen(impl->path), impl);
	}
}

/* Text being written. */
struct output {
	char *text;    /* malloc'd */
	size_t length; /* bytes written */
	size_t room;   /* bytes allocated */
	bool failed;   /* memory ran out */
};

static void put(struct output *output, const char *text, size_t length)
{
	if (output->length + length + 1 > output->room) {
		size_t room = (output->length + length + 1) * 2;
		char *grown = realloc(output->text, room);

		if (!grown) {
			output->failed = true;
			return;
		}
		output->text = grown;
		output->room = room;
	}
	memcpy(output->text + output->length, text, length);
	output->length += length;
	output->text[output->length] = '\0';
}

/* Start of the path that ends output: after the last bracket, comma or blank. */
static size_t path_start(const struct output *output)
{
	size_t start = output->length;
	int depth = 0;

	while (start > 0) {
		char c = output->text[start - 1];

		if (c == '>')
			depth++;
		else if ((c == '<' && depth-- == 0) || (depth == 0 && strchr(" ,(&*[=", c)))
			break;
		start--;
	}
	return start;
}

/*
 * Copy the compiler's word in braces at text (`{impl#0}`) to output as the
 * author would have it. Returns the number of bytes read.
 */
static size_t put_compiler_word(const struct type_names *names, struct output *output,
				const char *text)
{
	size_t length = strcspn(text, "}");
	const char *environment;

	if (text[length] == '}')
		length++;
	if (strncmp(text, "{async_fn_env#", 14) == 0 || strncmp(text, "{async_fn#", 10) == 0) {
		/* The coroutine of an async fn goes by the fn's own path. */
		if (output->length >= 2 &&
		    strcmp(output->text + output->length - 2, "::") == 0) {
			output->length -= 2;
			output->text[output->length] = '\0';
		}
		return length;
	}
	if (strncmp(text, "{impl#", 6) == 0 && output->length) {
		size_t start = path_start(output);
		const struct impl_block *impl;
		char *path = malloc(output->length - start + length + 1);

		if (!path) {
			output->failed = true;
			return length;
		}
		memcpy(path, output->text + start, output->length - start);
		memcpy(path + output->length - start, text, length);
		path[output->length - start + length] = '\0';
		HASH_FIND_STR(names->impls, path, impl);
		free(path);
		if (impl) {
			output->length = start;
			put(output, impl->name, strlen(impl->name));
		} else {
			put(output, "{impl}", 6);
		}
		return length;
	}
	environment = memmem(text, length, "_env#", 5);
	if (environment) {
		put(output, text, (size_t)(environment - text));
		put(output, environment + 4, length - (size_t)(environment + 4 - text));
	} else {
		put(output, text, length);
	}
	return length;
}

/* Length of the text up to the bracket that closes the one just before it. */
static size_t bracket_length(const char *text)
{
	int depth = 1;
	size_t length = 0;

	for (; text[length]; length++) {
		if (text[length] == '<')
			depth++;
		else if (text[length] == '>' && (length == 0 || text[length - 1] != '-') &&
			 --depth == 0)
			break;
	}
	return length;
}

static void put_author(const struct type_names *names, struct output *output, const char *raw,
		       size_t length)
{
	static const char wrapper[] = "core::future::from_generator::GenFuture<";

	for (size_t i = 0; i < length;) {
		if (raw[i] == '{') {
			i += put_compiler_word(names, output, raw + i);
		} else if (strncmp(raw + i, wrapper, sizeof(wrapper) - 1) == 0) {
			size_t inner;

			i += sizeof(wrapper) - 1;
			inner = bracket_length(raw + i);
			put_author(names, output, raw + i, inner);
			i += inner + 1;
		} else {
			put(output, raw + i, 1);
			i++;
		}
	}
}

char *type_names_author(const struct type_names *names, const char *raw)
{
	struct output output = {0};

	put(&output, "", 0);
	if (!output.failed)
		put_author(names, &output, raw, strlen(raw));
	if (output.failed) {
		free(output.text);
		return NULL;
	}
	return output.text;
}
