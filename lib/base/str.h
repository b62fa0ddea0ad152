/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_STR_H
#define BASE_STR_H
/*
 * Bytes that somebody else owns.
 *
 * What comes off the wire is never a C string: it may hold NULs and it ends where its
 * length says. A view dies with the buffer below it; what must live longer is copied
 * (arena_str(), buf_append()).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	const char *ptr;
	size_t len;
};

/* A view of a string literal; usable in static initialisers. */
#define STR(literal)                                                                     \
	{                                                                                \
		("" literal), sizeof(literal) - 1                                        \
	}
#define STR_LIT(literal) ((struct str)STR(literal))
/* For "%.*s". */
#define STR_ARG(s) (int)(s).len, (s).ptr

struct str str_from(const char *c_string); /* NULL gives the empty view */
struct str str_of(const void *ptr, size_t len);

bool str_eq(struct str a, struct str b);
bool str_ieq(struct str a, struct str b); /* ASCII case ignored (RFC 3501, 9 (1)) */
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix);
int str_cmp(struct str a, struct str b); /* byte order, shorter first */

/* The part from offset on; empty when the offset is past the end. */
struct str str_skip(struct str s, size_t offset);
struct str str_take(struct str s, size_t len);
struct str str_trim(struct str s); /* space, tab, CR, LF at both ends */

/* Index of the first c, or s.len. */
size_t str_index(struct str s, char c);

/* Cuts *s at the first c: returns what was before, *s is what comes after (empty when
   there was no c). */
struct str str_split(struct str *s, char c);

/* One of the words, which single blanks separate, ASCII case ignored. */
bool str_has_word(struct str words, struct str word);
/* Stands anywhere in it, ASCII case ignored; an empty part does. */
bool str_ihas(struct str s, struct str part);

/* Decimal digits only, no sign, no space; false on anything else or on overflow. */
bool str_to_u64(struct str s, uint64_t *ret_value);
bool str_to_u32(struct str s, uint32_t *ret_value);

/* A NUL-terminated copy from malloc, or NULL without memory or when s holds a NUL. */
char *str_dup_c(struct str s);

#endif
