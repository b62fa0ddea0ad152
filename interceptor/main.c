/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry-interceptor: takes the connections that the rules divert. */
#include "interceptor/master/master.h"
#include "interceptor/smart_host/relay.h"
#include "interceptor/smart_host/reports_runner.h"
#include "settings/program.h"

#include <string.h>

static const struct program program = {
	.name = "interceptor",
	.usage =
		"usage: mailferry-interceptor [-c FILE]\n"
		"\n"
		"Accepts the connections that mailferry's rules divert, learns which account they\n"
		"are for, and passes them to the old server or to the new mailbox. Runs in the\n"
		"foreground until SIGTERM; normally `mailferry up` starts it.\n"
		"\n"
		"  -c FILE     configuration (default " PROGRAM_CONFIG ")\n"
		"  -h, --help  this help\n",
	.has_worker = true, /* only it itself says so: worker.h */
	.has_task = true,
	.has_takeover = true,
};

static int run_task(const struct settings *settings, const char *task)
{
	if (strcmp(task, REPORTS_TASK) == 0)
		return reports_run(settings);
	return strcmp(task, SMART_HOST_RELAY_TASK) == 0 ? smart_host_relay_run(settings)
	                                                : PROGRAM_MISUSED;
}

int main(int argc, char **argv)
{
	struct program_start start;
	int r = program_begin(&program, argc, argv, &start);

	if (r >= 0)
		return r;
	if (start.task)
		r = run_task(&start.settings, start.task);
	else
		r = start.worker ? worker_run(&start.settings, start.worker)
		                 : master_run(&start);
	settings_fini(&start.settings);
	return r;
}
