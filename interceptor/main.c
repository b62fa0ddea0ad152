/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry-interceptor: takes the connections that the rules divert. */
#include "base/log.h"
#include "interceptor/master.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_CONFIG "/etc/mailferry/mailferry.conf"
#define EXIT_USAGE 2

static const char usage[] = "usage: mailferry-interceptor [-c FILE]\n"
			    "\n"
			    "Accepts the connections that mailferry's rules divert, "
			    "learns whose they are, and\n"
			    "passes them to the old server or to the new mailbox. Runs "
			    "in the foreground until\n"
			    "SIGTERM; normally `mailferry up` starts it.\n"
			    "\n"
			    "  -c FILE  configuration (default " DEFAULT_CONFIG ")\n"
			    "  -h       this help\n";

int main(int argc, char **argv)
{
	const char *config = DEFAULT_CONFIG;
	struct settings settings;
	struct error err;
	int option, r;

	while ((option = getopt(argc, argv, "c:h")) != -1) {
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
	if (optind < argc) {
		(void)fputs(usage, stderr);
		return EXIT_USAGE;
	}
	log_init("interceptor", log_level_from_environment());
	r = settings_load(config, &settings, &err);
	if (r < 0) {
		(void)fprintf(stderr, "mailferry-interceptor: %s\n", err.text);
		return r == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
	}
	r = master_run(&settings);
	settings_fini(&settings);
	return r;
}
