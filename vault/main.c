/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry-vault: the one process that can open a password. */
#include "settings/program.h"
#include "vault/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_SOCKET 3 /* the command's end, with --task once */

static const struct program program = {
	.name = "vault",
	.usage =
		"usage: mailferry-vault [-c FILE] [--task check|make|once]\n"
		"\n"
		"Keeps the key that passwords are sealed with, says whether one is "
		"right, "
		"and lends\n"
		"an account's to the process that moves it. Runs in the foreground until "
		"SIGTERM;\n"
		"normally `mailferry up` starts it.\n"
		"\n"
		"  -c FILE      configuration (default " PROGRAM_CONFIG ")\n"
		"  --task check  look whether keys, certificates and registry fit, and end\n"
		"  --task make   the same; makes both when there are none\n"
		"  --task once   answer the command that is at descriptor 3, and end\n"
		"  -h, --help   this help\n",
	.has_task = true,
};

static int say(const struct error *err)
{
	(void)fprintf(stderr, "%s\n", err->text);
	return EXIT_FAILURE;
}

static int check(const struct settings *settings)
{
	struct vault_tls tls;
	struct error err = { 0 };
	int r = vault_check(settings, &err);

	if (r == 0) {
		r = vault_tls_open(settings, &tls, &err);
		vault_tls_close(&tls);
	}
	return r < 0 ? say(&err) : EXIT_SUCCESS;
}

static int make(const struct settings *settings)
{
	struct vault vault;
	struct error err = { 0 };

	if (vault_open(settings, true, &vault, &err) < 0)
		return say(&err);
	vault_close(&vault);
	return EXIT_SUCCESS;
}

static int once(const struct settings *settings)
{
	return server_run_once(settings, COMMAND_SOCKET);
}

static const struct task {
	const char *name;
	int (*run)(const struct settings *settings);
} tasks[] = {
	{ "check", check },
	{ "make", make },
	{ "once", once },
};

static int run(const struct program_start *start)
{
	if (!start->task)
		return server_run(&start->settings);
	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++)
		if (strcmp(tasks[i].name, start->task) == 0)
			return tasks[i].run(&start->settings);
	(void)fputs(program.usage, stderr);
	return PROGRAM_MISUSED;
}

int main(int argc, char **argv)
{
	struct program_start start;
	int r = program_begin(&program, argc, argv, &start);

	if (r >= 0)
		return r;
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return EXIT_FAILURE;
	r = run(&start);
	settings_fini(&start.settings);
	return r;
}
