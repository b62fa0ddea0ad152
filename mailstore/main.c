/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry-mailstore: serves the mailboxes that live here. The master starts itself anew
   for each account that is being used. */
#include "mailstore/account.h"
#include "mailstore/master.h"
#include "settings/program.h"

#include <signal.h>

static const struct program program = {
	.name = "mailstore",
	.usage =
		"usage: mailferry-mailstore [-c FILE]\n"
		"\n"
		"Serves the accounts that live here; the interceptor hands their sessions over.\n"
		"Runs in the foreground until SIGTERM; normally `mailferry up` starts it.\n"
		"\n"
		"  -c FILE     configuration (default " PROGRAM_CONFIG ")\n"
		"  -h, --help  this help\n",
	.has_account =
		true, /* descriptor 3 is then the master's socket, 4 the settings */
	.has_takeover = true,
};

int main(int argc, char **argv)
{
	struct program_start start;
	int r = program_begin(&program, argc, argv, &start);

	if (r >= 0)
		return r;
	(void)signal(SIGPIPE, SIG_IGN); /* sendfile has no MSG_NOSIGNAL */
	r = start.account ? account_run(&start.settings, start.account)
	                  : master_run(&start);
	settings_fini(&start.settings);
	return r;
}
