/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/program.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define GIVEN_FD 3 /* the first that a child of ours has (event/child.h) */

enum wish { WISH_RUN, WISH_HELP, WISH_UNCLEAR };

static enum wish read_arguments(
	const struct program *p, int argc, char **argv, struct program_start *ret)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "account", required_argument, NULL, 'a' },
		{ "return", no_argument, NULL, 'r' },
		{ "foretell", no_argument, NULL, 'f' },
		{ "sweep", no_argument, NULL, 's' },
		{ "again", no_argument, NULL, 'g' },
		{ "log-in", required_argument, NULL, 'l' },
		{ "worker", required_argument, NULL, 'w' },
		{ "task", required_argument, NULL, 't' },
		{ "take-over", no_argument, NULL, 'o' },
		{ "handed", no_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	int option, tasks;

	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		if (option == 'h')
			return WISH_HELP;
		else if (option == 'c')
			ret->config = optarg;
		else if (option == 'a' && p->has_account)
			ret->account = optarg;
		else if (option == 'r' && p->has_return)
			ret->returns = true;
		else if (option == 'f' && p->has_return)
			ret->foretells = true;
		else if (option == 's' && p->has_return)
			ret->sweeps = true;
		else if (option == 'g' && p->has_return)
			ret->again = true;
		else if (option == 'l' && p->has_return)
			ret->logs_in = optarg;
		else if (option == 'w' && p->has_worker)
			ret->worker = optarg;
		else if (option == 't' && p->has_task)
			ret->task = optarg;
		else if (option == 'o' && p->has_takeover)
			ret->takes_over = true;
		else if (option == 'd' && p->has_takeover)
			ret->is_handed = true;
		else
			return WISH_UNCLEAR;
	}
	tasks = ret->returns + ret->foretells + ret->sweeps + ret->again +
	        (ret->logs_in != NULL);
	return optind < argc || tasks > 1 || (tasks && !ret->account) ||
	                       (ret->takes_over && ret->is_handed)
	               ? WISH_UNCLEAR
	               : WISH_RUN;
}

/* Without a state_dir there is nothing to share; what needs one says so. */
static int lock_state(
	const struct program *p, struct program_start *start, struct error *err)
{
	enum state_lock which;
	int r = state_lock_of(p->name, &which);

	if (r == 0)
		r = state_lock_open(&start->settings, &start->lock, err);
	if (r == 0 && !start->takes_over &&
		(r = state_lock_set(&start->lock, which, err)) < 0)
		state_lock_close(&start->lock);
	return r == -ENOENT ? 0 : r;
}

/* One that somebody starts by hand may have none. */
static int find_given(void)
{
	return fcntl(GIVEN_FD, F_SETFD, FD_CLOEXEC) < 0 ? -1 : GIVEN_FD;
}

void program_has_taken_over(struct program_start *start)
{
	if (start->ready >= 0)
		(void)!write(start->ready, "1", 1);
	fd_closep(&start->ready);
}

void program_log_as(const struct settings *s)
{
	log_set_level(log_level_from_environment(s->log_level));
	if (!log_set_target(s->log_target))
		log_warning(
			NULL, "log", "target=journal error=\"it is not there: stderr\"");
}

int program_begin(
	const struct program *p, int argc, char **argv, struct program_start *ret)
{
	struct error err;
	enum wish wish;
	char name[64];
	int r;

	*ret = (struct program_start){ .config = PROGRAM_CONFIG,
		.ready = -1,
		.handed = -1,
		.lock = { .fds = { -1, -1 } } };
	wish = read_arguments(p, argc, argv, ret);
	if (wish != WISH_RUN) {
		(void)fputs(p->usage, wish == WISH_HELP ? stdout : stderr);
		return wish == WISH_HELP ? EXIT_SUCCESS : PROGRAM_MISUSED;
	}
	if (ret->takes_over)
		ret->ready = find_given();
	if (ret->is_handed)
		ret->handed = find_given();
	/* one that was started as /proc/self/exe would be called "exe" */
	(void)snprintf(name, sizeof(name), "mailferry-%s", p->name);
	(void)prctl(PR_SET_NAME, name, 0, 0, 0);
	log_init(p->name, log_level_from_environment(LOG_LEVEL_INFO));
	sandbox_tell_refused_calls();
	r = settings_load(ret->config, &ret->settings, &err);
	if (r == 0)
		program_log_as(&ret->settings);
	/* whatever the daemon itself has started is under its lock */
	if (r == 0 && (ret->account || ret->worker || ret->task))
		return -1;
	if (r == 0) {
		r = lock_state(p, ret, &err);
		if (r == 0)
			return -1;
		settings_fini(&ret->settings);
	}
	(void)fprintf(stderr, "mailferry-%s: %s\n", p->name, err.text);
	return r == -EINVAL ? PROGRAM_MISUSED : EXIT_FAILURE;
}
