/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_CONTENT_H
#define WIRE_MIME_CONTENT_H
/*
 * Content-Type, Content-Disposition, Content-Transfer-Encoding (RFC 2045, 5.1 and 6.1;
 * RFC 2183), read as they come. Values in pieces (RFC 2231) are joined.
 */
#include "base/arena.h"
#include "base/str.h"

#define MIME_PARAMS_MAX 64 /* real ones have up to a dozen (RFC 2231 pieces) */

struct mime_param {
	struct str name, value;
};

struct mime_content {
	struct str type, subtype; /* as spelt; a disposition has no subtype */
	struct mime_param params[MIME_PARAMS_MAX];
	size_t n_params;
};

/* false: nothing that could be a type (then RFC 2045, 5.2 gives text/plain). */
bool mime_content_type(
	struct str value, struct arena *arena, struct mime_content *ret_content);
bool mime_disposition(
	struct str value, struct arena *arena, struct mime_content *ret_content);
/* The value of that parameter; ptr NULL: it has none. */
struct str mime_param(const struct mime_content *content, struct str name);
/* The same in clear when it is written "name*" (RFC 2231, 4); charset and language are
   left out. */
struct str mime_param_text(
	const struct mime_content *content, struct str name, struct arena *arena);
/* The one word of the last Content-Transfer-Encoding; "7bit" when there is none, or more
   than one word ("8 bit"): that is no mechanism (RFC 2045, 6.1). */
struct str mime_transfer_encoding(struct str header);
bool mime_is_type(
	const struct mime_content *content, struct str type, struct str subtype);

#endif
