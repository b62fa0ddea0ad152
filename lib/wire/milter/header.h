/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MILTER_HEADER_H
#define WIRE_MILTER_HEADER_H
/* The fields of a message as content filters are shown them, and as their numbers of
   fields count. Like Sendmail and Postfix, and unlike readers of mail, a line that is no
   field ends the header: a filter must see as body whatever somebody may read. */
#include "wire/mime/header.h"

#include <stddef.h>

struct milter_fields {
	struct str rest; /* of the message: the next field, or the blank line */
	size_t n, len;   /* fields and bytes that were taken */
};

void milter_fields_init(struct milter_fields *f, struct str message);
/* false: the header has ended; *f stays where it is. */
bool milter_fields_next(struct milter_fields *f, struct mime_field *ret);
/* What is behind the header; has_blank: a blank line was between them. */
struct str milter_fields_body(const struct milter_fields *f, bool *ret_has_blank);

#endif
