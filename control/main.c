/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry: the command that people and scripts use. */
#include "control/commands.h"
#include "control/running/kept.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>

static enum exit_code run(struct request *q)
{
	struct control *c = &q->control;
	enum exit_code code;

	int loaded = settings_load(c->config, &c->settings, &c->err);

	if (loaded < 0) {
		(void)control_fail(c);
		return loaded == -EACCES ? EXIT_FAILED : EXIT_USAGE;
	}
	program_log_as(&c->settings);
	code = q->command->run(c);
	settings_fini(&c->settings);
	if (fflush(stdout) != 0 && code == EXIT_DONE)
		code = EXIT_FAILED; /* a script must not take half an answer for all */
	return code;
}

int main(int argc, char **argv)
{
	struct request q;
	struct error err;

	log_init("mailferry", log_level_from_environment(LOG_LEVEL_INFO));
	if (command_line_read(argc, argv, &q, &err) < 0) {
		(void)fprintf(stderr, "mailferry: %s\n", err.text);
		return EXIT_USAGE;
	}
	if (q.version) {
		(void)puts("mailferry " MAILFERRY_VERSION);
		return EXIT_DONE;
	}
	if (q.help) {
		help_print(q.command, stdout);
		return EXIT_DONE;
	}
	/* before all that can fail */
	if (q.command->run == cmd_up)
		q.control.kept = kept_take();
	return (int)run(&q);
}
