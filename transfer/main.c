/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry-transfer: the scheduler, or with --account the process that moves one. */
#include "base/log.h"
#include "transfer/account.h"
#include "transfer/scheduler.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_CONFIG "/etc/mailferry/mailferry.conf"
#define EXIT_USAGE 2

static const char usage[] =
	"usage: mailferry-transfer [-c FILE] [--account NAME]\n"
	"\n"
	"Copies accounts from the old server and switches them over, several at a time.\n"
	"Runs in the foreground until SIGTERM; normally `mailferry up` starts it.\n"
	"\n"
	"  -c FILE         configuration (default " DEFAULT_CONFIG ")\n"
	"  --account NAME  move this one account and end\n"
	"  -h              this help\n";

struct arguments {
	const char *config, *account;
	bool help;
};

static int read_arguments(int argc, char **argv, struct arguments *ret)
{
	static const struct option long_options[] = {
		{ "account", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*ret = (struct arguments){ .config = DEFAULT_CONFIG };
	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		if (option == 'c')
			ret->config = optarg;
		else if (option == 'a')
			ret->account = optarg;
		else if (option == 'h')
			ret->help = true;
		else
			return -EINVAL;
	}
	return optind < argc ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	struct settings settings;
	struct error err;
	int r = read_arguments(argc, argv, &arguments);

	if (r < 0 || arguments.help) {
		(void)fputs(usage, r < 0 ? stderr : stdout);
		return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;
	}
	log_init("transfer", log_level_from_environment());
	r = settings_load(arguments.config, &settings, &err);
	if (r < 0) {
		(void)fprintf(stderr, "mailferry-transfer: %s\n", err.text);
		return r == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
	}
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return EXIT_FAILURE;
	r = arguments.account ? (int)account_run(&settings, arguments.account)
	                      : scheduler_run(&settings, arguments.config);
	settings_fini(&settings);
	return r;
}
