/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry-dashboard: a page for a browser on this host. */
#include "dashboard/dashboard.h"
#include "dashboard/web.h"

#include <stdio.h>
#include <string.h>

static const struct program program = {
	.name = "dashboard",
	.usage =
		"usage: mailferry-dashboard [-c FILE]\n"
		"\n"
		"Serves a page that shows what `mailferry status`, `accounts`, `transfers`, "
		"`flows`,\n"
		"`counters` and `report` say, where `dashboard { listen }` says. Runs in the\n"
		"foreground until SIGTERM; normally `mailferry up` starts it.\n"
		"\n"
		"  -c FILE     configuration (default " PROGRAM_CONFIG ")\n"
		"  -h, --help  this help\n",
	.has_worker = true, /* only it itself says so: dashboard.h */
};

int main(int argc, char **argv)
{
	struct program_start start;
	int r = program_begin(&program, argc, argv, &start);

	if (r >= 0)
		return r;
	if (start.worker && strcmp(start.worker, DASHBOARD_ANSWERER) == 0) {
		r = dashboard_answer(&start);
	} else if (!*start.settings.dashboard.listen) {
		(void)fputs("mailferry-dashboard: `dashboard { listen }` is not set; "
			    "listen = \"127.0.0.1:8625\" is usual\n",
			stderr);
		r = PROGRAM_MISUSED;
	} else {
		r = start.worker ? web_run(&start.settings) : dashboard_run(&start);
	}
	settings_fini(&start.settings);
	return r;
}
