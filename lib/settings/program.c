/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/program.h"

#include "base/log.h"
#include "base/sandbox.h"
#include "settings/state_lock.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

enum wish { WISH_RUN, WISH_HELP, WISH_UNCLEAR };

static enum wish read_arguments(
	const struct program *p, int argc, char **argv, struct program_start *ret)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "account", required_argument, NULL, 'a' },
		{ "return", no_argument, NULL, 'r' },
		{ "sweep", no_argument, NULL, 's' },
		{ "worker", required_argument, NULL, 'w' },
		{ "task", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		if (option == 'h')
			return WISH_HELP;
		else if (option == 'c')
			ret->config = optarg;
		else if (option == 'a' && p->has_account)
			ret->account = optarg;
		else if (option == 'r' && p->has_return)
			ret->returns = true;
		else if (option == 's' && p->has_return)
			ret->sweeps = true;
		else if (option == 'w' && p->has_worker)
			ret->worker = optarg;
		else if (option == 't' && p->has_task)
			ret->task = optarg;
		else
			return WISH_UNCLEAR;
	}
	if ((ret->returns || ret->sweeps) && !ret->account)
		return WISH_UNCLEAR;
	return optind < argc || (ret->returns && ret->sweeps) ? WISH_UNCLEAR : WISH_RUN;
}

/* Without a state_dir there is nothing to share; what needs one says so. */
static int lock_state(
	const struct program *p, const struct settings *s, struct error *err)
{
	enum state_lock which;
	int r = state_lock_of(p->name, &which);

	if (r == 0)
		r = state_lock_take(s, which, err);
	return r == -ENOENT ? 0 : r;
}

int program_begin(
	const struct program *p, int argc, char **argv, struct program_start *ret)
{
	struct error err;
	enum wish wish;
	char name[64];
	int r;

	*ret = (struct program_start){ .config = PROGRAM_CONFIG };
	wish = read_arguments(p, argc, argv, ret);
	if (wish != WISH_RUN) {
		(void)fputs(p->usage, wish == WISH_HELP ? stdout : stderr);
		return wish == WISH_HELP ? EXIT_SUCCESS : PROGRAM_MISUSED;
	}
	/* one that was started as /proc/self/exe would be called "exe" */
	(void)snprintf(name, sizeof(name), "mailferry-%s", p->name);
	(void)prctl(PR_SET_NAME, name, 0, 0, 0);
	log_init(p->name, log_level_from_environment(LOG_LEVEL_INFO));
	sandbox_tell_refused_calls();
	r = settings_load(ret->config, &ret->settings, &err);
	if (r == 0)
		settings_apply_log(&ret->settings);
	/* whatever the daemon itself has started is under its lock */
	if (r == 0 && (ret->account || ret->worker || ret->task))
		return -1;
	if (r == 0) {
		r = lock_state(p, &ret->settings, &err);
		if (r == 0)
			return -1;
		settings_fini(&ret->settings);
	}
	(void)fprintf(stderr, "mailferry-%s: %s\n", p->name, err.text);
	return r == -EINVAL ? PROGRAM_MISUSED : EXIT_FAILURE;
}
