/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* By way of a copy: what is printed may be the old text. */
static void set_text(struct error *e, const char *format, va_list args)
{
	char text[ERROR_TEXT_MAX];

	(void)vsnprintf(text, sizeof(text), format, args);
	memcpy(e->text, text, strlen(text) + 1);
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
	size_t len;

	if (!e)
		return code;
	e->code = code;
	va_start(args, format);
	set_text(e, format, args);
	va_end(args);
	len = strlen(e->text);
	(void)snprintf(e->text + len, sizeof(e->text) - len, ": %s", strerror(-code));
	return code;
}

int error_context(struct error *e, const char *format, ...)
{
	char old[ERROR_TEXT_MAX];
	va_list args;
	size_t len;

	if (!e)
		return 0;
	memcpy(old, e->text, sizeof(old));
	va_start(args, format);
	(void)vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	len = strlen(e->text);
	(void)snprintf(e->text + len, sizeof(e->text) - len, ": %s", old);
	return e->code;
}
