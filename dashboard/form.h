/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_FORM_H
#define DASHBOARD_FORM_H
/* What a form sends, in a URL or as a body: application/x-www-form-urlencoded (WHATWG
   URL, 5.1). */
#include "base/str.h"

#define FORM_FIELDS_MAX 8 /* the largest of ours has four */

struct form {
	struct {
		struct str name, value;
	} fields[FORM_FIELDS_MAX];
	size_t n;
};

/* Decodes in place: the form points into bytes. False: a '%' without two digits, or more
   fields than that. */
bool form_read(char *bytes, size_t len, struct form *ret);
/* Empty when there is none; the first of several. */
struct str form_value(const struct form *f, const char *name);

#endif
