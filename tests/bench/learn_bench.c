/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * First logins, in a registry alone: N of them, in transactions of G (0: each by itself).
 * What they cost is their processor time, or the instructions of one more:
 *
 *     learn_bench REGISTRY N G
 *     valgrind --tool=callgrind learn_bench REGISTRY N G        for two N
 */
#include "base/buf.h"
#include "registry/passwords.h"
#include "registry/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NEW_ACCOUNTS_MAX 1000000 /* the limit is asked for, and not reached */

static bool holds(void *context, const struct password *p, struct str password)
{
	(void)context;
	(void)p;
	(void)password;
	return false;
}

static bool asks(void *context)
{
	(void)context;
	return false;
}

/* As long as a sealed box. */
static int seal(void *context, struct str account, struct str password, struct buf *out)
{
	(void)context;
	return buf_printf(out,
		"%.*s has %.*s, and forty-eight bytes of a box that is closed",
		STR_ARG(account), STR_ARG(password));
}

static int log_in(struct registry *r, unsigned n, struct error *err)
{
	static const struct password_keeper keeper = {
		.holds = holds, .asks = asks, .seal = seal
	};
	char name[64], client[32];
	struct account_route route;
	bool due;

	/* names come in no order */
	(void)snprintf(name, sizeof(name), "user%u%s", n * 2654435761U,
		n % 2 ? "@example.com" : "");
	(void)snprintf(client, sizeof(client), "192.0.%u.%u", n / 256 % 256, n % 256);
	return registry_learn(r,
		&(struct proven_login){ .name = str_from(name),
			.password = STR_LIT("secret"),
			.why = STR_LIT(""),
			.service = STR_LIT("imap"),
			.client = str_from(client) },
		&keeper, &route, &due, err);
}

static int log_all_in(struct registry *r, unsigned n, unsigned group, struct error *err)
{
	int code = 0;

	for (unsigned i = 0; i < n && code == 0; i++) {
		if (group && i % group == 0)
			code = registry_begin_group(r, err);
		if (code == 0)
			code = log_in(r, i, err);
		if (code == 0 && group && (i % group == group - 1 || i == n - 1))
			code = registry_end_group(r, err);
	}
	return code;
}

int main(int argc, char **argv)
{
	static char domain[] = "example.com";
	char *domains[] = { domain };
	unsigned n = argc == 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	struct registry *r = NULL;
	struct error err;
	int code;

	if (!n) {
		(void)fprintf(stderr, "usage: learn_bench REGISTRY N G\n");
		return 2;
	}
	code = registry_make(argv[1], &r, &err);
	if (code == 0)
		code = registry_set_domains(r, domains, 1);
	if (code == 0) {
		registry_limit_new_accounts(r, NEW_ACCOUNTS_MAX);
		registry_leave_checkpoints(r);
		code = log_all_in(r, n, (unsigned)strtoul(argv[3], NULL, 10), &err);
	}
	if (code < 0)
		(void)fprintf(stderr, "%s\n", err.text);
	else
		printf("%.1f us of processor time a first login\n",
			(double)clock() * 1e6 / CLOCKS_PER_SEC / n);
	registry_close(r);
	return code < 0;
}
