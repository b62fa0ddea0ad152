/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/quota.h"
#include "settings/values_parts.h"

static const void *const_field(const struct option *o, const void *base)
{
	return (const char *)base + o->offset;
}

static void print_quoted(const char *text, FILE *to)
{
	(void)fputc('"', to);
	for (; *text; text++) {
		/* libconfuse puts the environment in for ${NAME} */
		if (*text == '"' || *text == '\\' || *text == '$')
			(void)fputc('\\', to);
		(void)fputc(*text, to);
	}
	(void)fputc('"', to);
}

void value_print_switch(const struct option *o, const void *base, FILE *to)
{
	(void)fputs(*(const bool *)const_field(o, base) ? "true" : "false", to);
}

void value_print_number(const struct option *o, const void *base, FILE *to)
{
	(void)fprintf(to, "%u", *(const uint32_t *)const_field(o, base));
}

void value_print_port(const struct option *o, const void *base, FILE *to)
{
	(void)fprintf(to, "%u", *(const uint16_t *)const_field(o, base));
}

void value_print_quota(const struct option *o, const void *base, FILE *to)
{
	char text[QUOTA_TEXT_MAX];

	quota_text(const_field(o, base), text);
	print_quoted(text, to);
}

void value_print_percents(const struct option *o, const void *base, FILE *to)
{
	char text[PERCENTS_TEXT_MAX];

	percents_text(const_field(o, base), text);
	print_quoted(text, to);
}

void value_print_bits(const struct option *o, const void *base, FILE *to)
{
	(void)fprintf(to, "0x%08x", *(const uint32_t *)const_field(o, base));
}

void value_print_choice(const struct option *o, const void *base, FILE *to)
{
	print_quoted(o->choices[*(const int *)const_field(o, base)], to);
}

void value_print_uids(const struct option *o, const void *base, FILE *to)
{
	const struct uid_range *range = const_field(o, base);

	(void)fprintf(to, "\"%u-%u\"", range->first, range->last);
}

void value_print_text(const struct option *o, const void *base, FILE *to)
{
	print_quoted(*(char *const *)const_field(o, base), to);
}

void value_print_paths(const struct option *o, const void *base, FILE *to)
{
	const struct settings_files *files = const_field(o, base);

	(void)fputc('{', to);
	for (size_t i = 0; i < files->n; i++) {
		(void)fputs(i ? ", " : "", to);
		print_quoted(files->paths[i], to);
	}
	(void)fputc('}', to);
}

void value_print_addresses(const struct option *o, const void *base, FILE *to)
{
	const struct settings *s = base;
	const struct sockaddr_storage *all = const_field(o, base);

	(void)fputc('{', to);
	for (size_t i = 0; i < s->n_sources; i++) {
		char text[ADDRESS_TEXT_MAX];

		address_text(&all[i], text);
		(void)fprintf(to, "%s\"%s\"", i ? ", " : "", text);
	}
	(void)fputc('}', to);
}

void value_print_domains(const struct option *o, const void *base, FILE *to)
{
	const struct settings *s = base;
	char *const *all = const_field(o, base);

	(void)fputc('{', to);
	for (size_t i = 0; i < s->n_domains; i++) {
		(void)fputs(i ? ", " : "", to);
		print_quoted(all[i], to);
	}
	(void)fputc('}', to);
}
