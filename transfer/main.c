/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry-transfer: the scheduler, or with --account the process that moves one. */
#include "settings/program.h"
#include "transfer/account/account.h"
#include "transfer/account/account_again.h"
#include "transfer/account/account_login.h"
#include "transfer/account/account_return.h"
#include "transfer/account/account_sweep.h"
#include "transfer/maildir/starter.h"
#include "transfer/maildir/writer.h"
#include "transfer/scheduler.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct program program = {
	.name = "transfer",
	// clang-format off
	.usage = "usage: mailferry-transfer [-c FILE] [--account NAME [--return|--foretell|--sweep|--again|--log-in SERVICE]]\n"
		 "\n"
		 "Copies accounts from the old server and switches them over, several at a time.\n"
		 "Runs in the foreground until SIGTERM; normally `mailferry up` starts it.\n"
		 "\n"
		 "  -c FILE         configuration (default " PROGRAM_CONFIG ")\n"
		 "  --account NAME  move this one account and end\n"
		 "  --return        take it back to the old server instead\n"
		 "  --foretell      look what that would carry there, and change nothing\n"
		 "  --sweep         look once for mail that still comes to its old mailbox\n"
		 "  --again         transfer anew what is lost of it here\n"
		 "  --log-in SERVICE  log in there once, by descriptor 6, and end\n"
		 "  -h, --help      this help\n",
	// clang-format on
	.has_account = true,
	.has_return = true,
	.has_task = true,
};

/* Processes of the scheduler's, for Maildirs. */
static int run_task(const struct program_start *start)
{
	if (strcmp(start->task, MAILDIR_STARTER_TASK) == 0)
		return maildir_starter_run(&start->settings);
	if (strcmp(start->task, MAILDIR_WRITER_TASK) == 0 && start->account)
		return maildir_writer_run(&start->settings, start->account);
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
	if (start.task)
		r = run_task(&start);
	else if (start.returns)
		r = (int)account_return(&start.settings, start.account);
	else if (start.foretells)
		r = (int)account_foretell(&start.settings, start.account);
	else if (start.sweeps)
		r = (int)account_sweep(&start.settings, start.account);
	else if (start.again)
		r = (int)account_again(&start.settings, start.account);
	else if (start.logs_in)
		r = (int)account_login(&start.settings, start.account, start.logs_in);
	else if (start.account)
		r = (int)account_run(&start.settings, start.account);
	else
		r = scheduler_run(&start.settings, &start.lock);
	settings_fini(&start.settings);
	return r;
}
