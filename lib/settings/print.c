/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Settings as a configuration file: with their values, or as the reference of all keys.
 */
#include "settings/options.h"

static void print_row(
	const struct option *o, const void *base, const char *indent, FILE *to)
{
	(void)fprintf(to, "%s%s = ", indent, o->name);
	option_print_value(o, base, to);
	(void)fputc('\n', to);
}

void settings_print(const struct settings *s, FILE *to)
{
	for (size_t i = 0; i < root_options.count; i++) {
		const struct option *o = &root_options.rows[i];
		bool unset =
			o->offset == offsetof(struct settings, fail) && !s->fail_explicit;

		print_row(o, s, unset ? "# not set: " : "", to);
	}
	(void)fputs("services {\n", to);
	for (int id = 0; id < SERVICE_COUNT; id++) {
		(void)fprintf(to, "\t%s {\n", service_rows[id].name);
		for (size_t i = 0; i < service_options.count; i++)
			print_row(&service_options.rows[i], &s->services[id], "\t\t", to);
		(void)fputs("\t}\n", to);
	}
	(void)fputs("}\nlimits {\n", to);
	for (size_t i = 0; i < limit_options.count; i++)
		print_row(&limit_options.rows[i], &s->limits, "\t", to);
	(void)fputs("}\n", to);
}

static void print_choices(const struct option *o, FILE *to)
{
	for (int i = 0; o->choices && o->choices[i]; i++)
		(void)fprintf(to, "%s\"%s\"", i ? " or " : "; ", o->choices[i]);
}

static void print_reference_row(const struct option *o, const char *indent, FILE *to)
{
	(void)fprintf(to, "%s# %s", indent, o->help);
	print_choices(o, to);
	if (o->kind == OPTION_NUMBER || o->kind == OPTION_PORT)
		(void)fprintf(to, "; %u to %u", o->least, o->most);
	if (o->default_text)
		(void)fprintf(
			to, "; default: %s", *o->default_text ? o->default_text : "\"\"");
	(void)fprintf(to, "\n%s%s\n", indent, o->name);
}

void settings_print_reference(FILE *to)
{
	for (size_t i = 0; i < root_options.count; i++)
		print_reference_row(&root_options.rows[i], "", to);
	(void)fputs("services {\n", to);
	for (int id = 0; id < SERVICE_COUNT; id++)
		(void)fprintf(to, "\t# %s: port %u, %s\n", service_rows[id].name,
			service_rows[id].port,
			service_rows[id].enabled ? "enabled" : "not enabled");
	(void)fputs("\timap {\n", to);
	for (size_t i = 0; i < service_options.count; i++)
		print_reference_row(&service_options.rows[i], "\t\t", to);
	(void)fputs("\t}\n}\nlimits {\n", to);
	for (size_t i = 0; i < limit_options.count; i++)
		print_reference_row(&limit_options.rows[i], "\t", to);
	(void)fputs("}\n", to);
}
