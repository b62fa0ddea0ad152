/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/findings.h"

#include <errno.h>
#include <stdarg.h>

static const char *const level_names[] = { "ok", "note", "problem" };
_Static_assert(sizeof(level_names) / sizeof(level_names[0]) == FINDING_LEVEL_COUNT,
	"a name for each");

int findings_init(struct findings *f)
{
	*f = (struct findings){ .all = json_array() };
	return f->all ? 0 : -ENOMEM;
}

void findings_fini(struct findings *f)
{
	json_decref(f->all);
	f->all = NULL;
}

void finding(struct findings *f, enum finding_level level, const char *area,
	const char *name, const char *format, ...)
{
	json_t *text;
	va_list args;

	va_start(args, format);
	text = output_sentence(format, args);
	va_end(args);
	if (level == FINDING_PROBLEM)
		f->problems++;
	(void)json_array_append_new(
		f->all, json_pack("{s:s, s:s, s:s, s:o}", "area", area, "name", name,
				"level", level_names[level], "text", text));
}

static const char *field(const json_t *finding, const char *name)
{
	return json_string_value(json_object_get(finding, name));
}

void findings_print(const struct findings *f, FILE *to)
{
	for (size_t i = 0; i < json_array_size(f->all); i++) {
		const json_t *one = json_array_get(f->all, i);

		(void)fprintf(to, "%-8s %-7s %-22s ", field(one, "level"),
			field(one, "area"), field(one, "name"));
		output_clean(str_from(field(one, "text")), to);
		(void)fputc('\n', to);
	}
}
