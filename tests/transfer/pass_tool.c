/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Passes over an account of a real IMAP server, one for each line of stdin, into the
 * folder that is named. Each answers with one line: how many differences it found, of how
 * many folders it asked only what had changed, and how many there are.
 *
 *   pass_tool ADDRESS PORT USER PASSWORD FOLDER
 *
 * "pass": in the session that is open; "anew": in another one, and so by whole listings.
 */
#include "transfer/copy/sync.h"
#include "transfer/read/imap_source.h"
#include "transfer/write/store_destination.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const struct error *err)
{
	(void)fprintf(stderr, "%s\n", err->text);
	return 1;
}

static int open_source(char **argv, struct source *ret, struct error *err)
{
	struct sockaddr_storage to = { 0 };
	struct sockaddr_in *four = (struct sockaddr_in *)&to;
	struct imap_source_options o = { .addresses = &to,
		.n_addresses = 1,
		.login = str_from(argv[3]),
		.password = str_from(argv[4]),
		.connections = 1 };

	four->sin_family = AF_INET;
	four->sin_port = htons((uint16_t)atoi(argv[2]));
	if (inet_pton(AF_INET, argv[1], &four->sin_addr) != 1)
		return error_set(err, -1, "%s is no address", argv[1]);
	return imap_source_new(&o, ret, err);
}

static void report(const struct sync *s)
{
	unsigned by_changes = 0, listed = 0;

	for (size_t i = 0; i < s->folders.count; i++) {
		listed += s->folders.at[i].is_listed;
		by_changes += s->folders.at[i].since > 0;
	}
	(void)printf("%llu %u %u %s\n", (unsigned long long)s->differences, by_changes,
		listed, s->first);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	struct destination to;
	struct source source;
	struct error err = { 0 };
	struct sync sync;
	char line[16];
	int r;

	if (argc != 6)
		return 2;
	if (open_source(argv, &source, &err) < 0 ||
		store_destination_open(argv[5], str_from(argv[3]), 0, &to, &err) < 0)
		return fail(&err);
	sync_init(&sync, &source, &to, NULL, NULL);
	r = source.ops->connect(source.self, &err);
	while (r == 0 && fgets(line, sizeof(line), stdin)) {
		if (strcmp(line, "anew\n") == 0) {
			source.ops->close(source.self);
			r = source.ops->connect(source.self, &err);
		}
		if (r == 0)
			r = sync_pass(&sync, &err);
		if (r == 0)
			report(&sync);
	}
	sync_fini(&sync);
	source.ops->free(source.self);
	to.ops->free(to.self);
	return r < 0 ? fail(&err) : 0;
}
