/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writes what is installed beside the programs from the tables that they are built from:
 * manual pages, the configuration of a new installation, completion for bash. Run by the
 * build alone:
 *
 *   manual TEMPLATE       a page in mdoc; its lines @COMMANDS@, @OPTIONS@, @SERVICES@,
 *                         @LIMITS@ and @TLS@ are filled in
 *   manual --config FILE  FILE, and behind it every other option with its default, as a
 *                         comment
 *   manual --completion
 *   manual --metrics      the handbook's list of metrics
 */
#include "control/commands.h"
#include "control/watch/metrics.h"

#include "settings/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 1024
#define WRAP 72 /* columns of a line of text */

/* ── mdoc ──────────────────────────────────────────────────────────────────────────── */

/* One word; a backslash, and a point or quote that begins a line, would be requests. */
static size_t put_word(const char *word, size_t len, bool begins)
{
	size_t width = 0;

	if (begins && (*word == '.' || *word == '\''))
		(void)fputs("\\&", stdout);
	for (size_t i = 0; i < len; i++, width++)
		if (word[i] == '\\')
			(void)fputs("\\e", stdout);
		else
			(void)putchar(word[i]);
	return width;
}

static bool ends_sentence(const char *word, size_t len)
{
	return len > 1 && word[len - 1] == '.';
}

/* A new sentence begins a new line, and no line is long (mandoc's lint asks for both). */
static void put_text(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (column && column + 1 + len > WRAP) {
			(void)putchar('\n');
			column = 0;
		} else if (column) {
			(void)putchar(' ');
			column++;
		}
		column += put_word(text, len, column == 0);
		if (ends_sentence(text, len)) {
			(void)putchar('\n');
			column = 0;
		}
		text += len;
		text += strspn(text, " ");
	}
	if (column)
		(void)putchar('\n');
}

static void put_option(const struct command_option *o)
{
	(void)printf(".It Fl Fl %s%s%s\n", o->name + 2, o->value ? " Ar " : "",
		o->value ? o->value : "");
	put_text(o->help);
}

static void put_command(const struct command *command)
{
	const struct command_option *o;

	(void)printf(".Ss %s\n.Bd -literal -offset indent\n", command->name);
	help_print_synopsis(command, stdout);
	(void)puts(".Ed\n.Pp");
	put_text(command->help);
	if (!command->options)
		return;
	(void)puts(".Bl -tag -width Ds");
	for (size_t i = 0; (o = command_option_at(i)) != NULL; i++)
		if (o->bit & command->options)
			put_option(o);
	(void)puts(".El");
}

static void put_commands(void)
{
	const struct command *command;

	for (size_t i = 0; (command = command_at(i)) != NULL; i++)
		put_command(command);
}

static void put_range(const struct option *o)
{
	bool has_default = o->default_text && *o->default_text;

	if (o->choices || has_default || o->kind == OPTION_NUMBER)
		(void)puts(".Pp");
	for (int i = 0; o->choices && o->choices[i]; i++)
		(void)printf("%s\n.Cm %s\n", i ? "or" : "One of", o->choices[i]);
	if (o->kind == OPTION_NUMBER)
		(void)printf("From %u to %u.\n", o->least, o->most);
	if (has_default)
		(void)printf("Default:\n.Ql %s .\n", o->default_text);
}

static void put_section(struct option_section section)
{
	(void)puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < section.count; i++) {
		(void)printf(".It Cm %s\n", section.rows[i].name);
		put_text(section.rows[i].help);
		put_range(&section.rows[i]);
	}
	(void)puts(".El");
}

static void put_options(void)
{
	put_section(root_options);
}

static void put_services(void)
{
	put_section(service_options);
}

static void put_limits(void)
{
	put_section(limit_options);
}

static void put_tls(void)
{
	put_section(tls_options);
}

static void put_dashboard(void)
{
	put_section(dashboard_options);
}

static const struct {
	const char *line;
	void (*put)(void);
} fillings[] = {
	{ "@COMMANDS@\n", put_commands },
	{ "@OPTIONS@\n", put_options },
	{ "@SERVICES@\n", put_services },
	{ "@LIMITS@\n", put_limits },
	{ "@TLS@\n", put_tls },
	{ "@DASHBOARD@\n", put_dashboard },
};

static void put_line(const char *line)
{
	for (size_t i = 0; i < sizeof(fillings) / sizeof(fillings[0]); i++)
		if (strcmp(line, fillings[i].line) == 0) {
			fillings[i].put();
			return;
		}
	(void)fputs(line, stdout);
}

static int each_line(const char *path, void (*take)(const char *line))
{
	char line[LINE_MAX_LEN];
	FILE *f = fopen(path, "re");

	if (!f) {
		perror(path);
		return -1;
	}
	while (fgets(line, sizeof(line), f))
		take(line);
	(void)fclose(f);
	return 0;
}

/* ── the configuration of a new installation ───────────────────────────────────────── */

static void copy_line(const char *line)
{
	(void)fputs(line, stdout);
}

static bool is_filled_in(const char *line)
{
	return strncmp(line, "source ", 7) == 0 || strncmp(line, "domains ", 8) == 0 ||
	       strncmp(line, "strategy ", 9) == 0;
}

static int put_config(const char *example)
{
	struct settings s;
	struct error err;
	char *text = NULL, *rest;
	size_t len;
	FILE *memory;

	if (each_line(example, copy_line) < 0)
		return -1;
	if (settings_load(example, &s, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	memory = open_memstream(&text, &len);
	if (!memory)
		return -1;
	settings_print_reference(&s, memory);
	(void)fclose(memory);
	settings_fini(&s);
	rest = text;
	for (char *line; (line = strsep(&rest, "\n")) != NULL && *line;)
		if (*line == '#')
			(void)puts(line);
		else if (!is_filled_in(line))
			(void)printf("#%s\n", line);
	free(text);
	return 0;
}

/* ── bash ──────────────────────────────────────────────────────────────────────────── */

static void put_words(const char *arguments)
{
	for (const char *p = arguments; *p; p++)
		if (*p == '|' || *p == ' ')
			(void)putchar(' ');
		else if (*p >= 'a' && *p <= 'z')
			(void)putchar(*p);
}

static void put_completion_of(const struct command *command)
{
	const struct command_option *o;

	(void)printf("\t%s) words=\"", command->name);
	put_words(command->arguments);
	for (size_t i = 0; (o = command_option_at(i)) != NULL; i++)
		if (o->bit & command->options)
			(void)printf(" %s", o->name);
	(void)puts(" -c --help\" ;;");
}

static void put_completion(void)
{
	const struct command *command;

	(void)puts("# bash completion for mailferry\n"
		   "_mailferry() {\n"
		   "\tlocal current=${COMP_WORDS[COMP_CWORD]} command= words= i\n"
		   "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		   "\t\tcase ${COMP_WORDS[i]} in\n"
		   "\t\t-c) ((i++)) ;;\n"
		   "\t\t-*) ;;\n"
		   "\t\t*) command=${COMP_WORDS[i]}; break ;;\n"
		   "\t\tesac\n"
		   "\tdone\n"
		   "\tcase $command in");
	(void)fputs("\t'') words=\"", stdout);
	for (size_t i = 0; (command = command_at(i)) != NULL; i++)
		(void)printf("%s ", command->name);
	(void)puts("-c --help --version\" ;;");
	for (size_t i = 0; (command = command_at(i)) != NULL; i++)
		put_completion_of(command);
	(void)puts("\tesac\n"
		   "\tif [ \"${COMP_WORDS[COMP_CWORD - 1]}\" = -c ]; then\n"
		   "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
		   "\telse\n"
		   "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
		   "\"$current\")\n"
		   "\tfi\n"
		   "}\n"
		   "complete -F _mailferry mailferry");
}

/* ── metrics ───────────────────────────────────────────────────────────────────────── */

static void put_metrics(void)
{
	(void)puts("| metric | type | labels | what it says |\n|---|---|---|---|");
	for (int i = 0; i < METRIC_COUNT; i++)
		(void)printf("| `%s%s` | %s | %s | %s |\n", metrics[i].name,
			metrics[i].type == METRIC_COUNTER ? "_total" : "",
			metric_type_name(metrics[i].type), metrics[i].labels,
			metrics[i].help);
}

int main(int argc, char **argv)
{
	int code = 0;

	if (argc == 2 && strcmp(argv[1], "--completion") == 0) {
		put_completion();
	} else if (argc == 2 && strcmp(argv[1], "--metrics") == 0) {
		put_metrics();
	} else if (argc == 3 && strcmp(argv[1], "--config") == 0) {
		code = put_config(argv[2]);
	} else if (argc == 2) {
		code = each_line(argv[1], put_line);
	} else {
		(void)fputs(
			"usage: manual TEMPLATE | --config FILE | --completion | --metrics\n",
			stderr);
		return EXIT_USAGE;
	}
	return code < 0 || fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}
