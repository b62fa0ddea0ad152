/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CMAKE_TABLES_H
#define CMAKE_TABLES_H
/* What the programs of the build that write tables of charsets share. */
#include <iconv.h>

/* Why there is no table of that charset, and the end. */
_Noreturn void tables_die(const char *charset, const char *why);
/* From it to `wide` ("UTF-32") in this machine's order of bytes. Dies without it. */
iconv_t tables_open(const char *charset, const char *wide);

#endif
