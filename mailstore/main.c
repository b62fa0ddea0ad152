/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry-mailstore: serves the mailboxes that live here. The master starts itself anew
   for each account that is being used. */
#include "base/log.h"
#include "mailstore/account.h"
#include "mailstore/master.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CONFIG "/etc/mailferry/mailferry.conf"
#define EXIT_USAGE 2

static const char usage[] =
	"usage: mailferry-mailstore [-c FILE]\n"
	"\n"
	"Serves the accounts that live here; the interceptor hands their sessions over.\n"
	"Runs in the foreground until SIGTERM; normally `mailferry up` starts it.\n"
	"\n"
	"  -c FILE  configuration (default " DEFAULT_CONFIG ")\n"
	"  -h       this help\n";

#ifdef __SANITIZE_ADDRESS__
/* LeakSanitizer reads /proc, which is out of an account process's sight. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return access("/proc/self", F_OK) != 0;
}
#endif

static int run(const char *config, const struct settings *settings, int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN); /* sendfile has no MSG_NOSIGNAL */
	if (argc == 0)
		return master_run(config, settings);
	/* started by the master, descriptor 3 is its end of a socket pair */
	if (argc == 2 && strcmp(argv[0], ACCOUNT_ARGUMENT) == 0)
		return account_run(settings, argv[1]);
	(void)fputs(usage, stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *config = DEFAULT_CONFIG;
	struct settings settings;
	struct error err;
	int option, r;

	while ((option = getopt(argc, argv, "+c:h")) != -1) {
		if (option == 'h') {
			(void)fputs(usage, stdout);
			return EXIT_SUCCESS;
		}
		if (option != 'c') {
			(void)fputs(usage, stderr);
			return EXIT_USAGE;
		}
		config = optarg;
	}
	log_init("mailstore", log_level_from_environment());
	r = settings_load(config, &settings, &err);
	if (r < 0) {
		(void)fprintf(stderr, "mailferry-mailstore: %s\n", err.text);
		return r == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
	}
	r = run(config, &settings, argc - optind, argv + optind);
	settings_fini(&settings);
	return r;
}
