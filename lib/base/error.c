/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Half a command looks like a whole one: len, of what did not all fit into text. */
static void mark_cut(char text[static ERROR_TEXT_MAX], int len)
{
	static const char mark[] = "...";
	size_t at = ERROR_TEXT_MAX - sizeof(mark);

	if (len < ERROR_TEXT_MAX)
		return;
	while (at && ((unsigned char)text[at] & 0xc0) == 0x80) /* inside a character */
		at--;
	memcpy(text + at, mark, sizeof(mark));
}

/* By way of a copy: what is printed may be the old text. */
static void set_text(struct error *e, const char *format, va_list args)
{
	char text[ERROR_TEXT_MAX];

	mark_cut(text, vsnprintf(text, sizeof(text), format, args));
	memcpy(e->text, text, strlen(text) + 1);
}

static void append(struct error *e, const char *text)
{
	size_t len = strlen(e->text);
	int more = snprintf(e->text + len, sizeof(e->text) - len, ": %s", text);

	mark_cut(e->text, (int)len + more);
}

int error_set(struct error *e, int code, const char *format, ...)
{
	va_list args;

	if (!e)
		return code;
	e->code = code;
	va_start(args, format);
	set_text(e, format, args);
	va_end(args);
	return code;
}

int error_errno(struct error *e, int code, const char *format, ...)
{
	va_list args;

	if (!e)
		return code;
	e->code = code;
	va_start(args, format);
	set_text(e, format, args);
	va_end(args);
	append(e, strerror(-code));
	return code;
}

int error_context(struct error *e, const char *format, ...)
{
	char old[ERROR_TEXT_MAX];
	va_list args;

	if (!e)
		return 0;
	memcpy(old, e->text, sizeof(old));
	va_start(args, format);
	set_text(e, format, args);
	va_end(args);
	append(e, old);
	return e->code;
}
