/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Settings as a configuration file: with their values, or as the reference of all keys.
 */
#include "settings/options.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

enum style { STYLE_PLAIN, STYLE_COMMENTED };

static void print_choices(const struct option *o, FILE *to)
{
	for (int i = 0; o->choices && o->choices[i]; i++)
		(void)fprintf(to, "%s\"%s\"", i ? " or " : "; ", o->choices[i]);
}

static void print_comment(const struct option *o, const char *indent, FILE *to)
{
	(void)fprintf(to, "%s# %s", indent, o->help);
	print_choices(o, to);
	if (o->kind == OPTION_NUMBER || o->kind == OPTION_PORT)
		(void)fprintf(to, "; %u to %u", o->least, o->most);
	if (o->default_text)
		(void)fprintf(
			to, "; default: %s", *o->default_text ? o->default_text : "\"\"");
	(void)fputc('\n', to);
}

static void print_row(
	const struct option *o, const void *base, const char *indent, FILE *to)
{
	(void)fprintf(to, "%s%s = ", indent, o->name);
	option_print_value(o, base, to);
	(void)fputc('\n', to);
}

static void print_section(struct option_section section, const void *base,
	const char *indent, enum style style, FILE *to)
{
	for (size_t i = 0; i < section.count; i++) {
		if (style == STYLE_COMMENTED)
			print_comment(&section.rows[i], indent, to);
		print_row(&section.rows[i], base, indent, to);
	}
}

/* Not written, which is another thing than its default. */
static bool is_unset(const struct settings *s, const struct option *o)
{
	if (o->offset == offsetof(struct settings, source_leg))
		return !s->source_leg_explicit;
	return o->offset == offsetof(struct settings, fail) && !s->fail_explicit;
}

static void print_root(const struct settings *s, enum style style, FILE *to)
{
	for (size_t i = 0; i < root_options.count; i++) {
		const struct option *o = &root_options.rows[i];
		bool unset = is_unset(s, o);

		if (style == STYLE_COMMENTED)
			print_comment(o, "", to);
		print_row(o, s, unset ? "# not set: " : "", to);
	}
}

static void print_all(const struct settings *s, enum style style, FILE *to)
{
	print_root(s, style, to);
	(void)fputs("services {\n", to);
	for (int id = 0; id < SERVICE_COUNT; id++) {
		(void)fprintf(to, "\t%s {\n", service_rows[id].name);
		/* what the rows mean is said once */
		print_section(service_options, &s->services[id], "\t\t",
			id ? STYLE_PLAIN : style, to);
		(void)fputs("\t}\n", to);
	}
	(void)fputs("}\nlimits {\n", to);
	print_section(limit_options, &s->limits, "\t", style, to);
	(void)fputs("}\ntls {\n", to);
	print_section(tls_options, &s->tls, "\t", style, to);
	(void)fputs("}\ndashboard {\n", to);
	print_section(dashboard_options, &s->dashboard, "\t", style, to);
	(void)fputs("}\n", to);
}

void settings_print(const struct settings *s, FILE *to)
{
	print_all(s, STYLE_PLAIN, to);
}

int settings_descriptor(const struct settings *s)
{
	CLEANUP(fd_closep) int kept = memfd_create("mailferry-settings", MFD_CLOEXEC);
	CLEANUP(fd_closep)
	int written = kept < 0 ? -1 : fcntl(kept, F_DUPFD_CLOEXEC, 0);
	FILE *file = written < 0 ? NULL : fdopen(written, "w");

	if (!file)
		return -errno;
	(void)fd_steal(&written);
	settings_print(s, file);
	return fclose(file) != 0 ? -errno : fd_steal(&kept);
}

void settings_print_reference(const struct settings *s, FILE *to)
{
	print_all(s, STYLE_COMMENTED, to);
}
