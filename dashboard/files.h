/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_FILES_H
#define DASHBOARD_FILES_H
/* The files in page/, compiled in (CMakeLists.txt). */
#include "base/str.h"

struct file {
	const char *name; /* "style.css" */
	const char *type; /* "text/css; charset=utf-8" */
	struct str bytes;
};

/* NULL: there is none of that name. */
const struct file *file_by_name(struct str name);

#endif
