/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_INTERCEPTOR_SCRIPT_PARTS_H
#define TEST_INTERCEPTOR_SCRIPT_PARTS_H
/* What the files of script.h share. */
#include "interceptor/offer.h"
#include "lib/registry/registry_fixture.h"
#include "script.h"

struct script {
	struct host host; /* first */
	struct settings settings;
	struct test *registry;
	const struct service_handler *handlers;
	const struct script_setup *setup;

	/* of one run */
	const struct script_row *row;
	struct script_way way;
	const char *line;
	struct session *session;
	struct stream *client, *source; /* NULL: closed */
	struct buf client_heard, source_heard;
	struct offer *offers[SERVICE_COUNT];
	char wild[64];
	uint64_t now;
	void (*verified)(struct session *s, enum verdict verdict, struct str ticket);
	bool is_crowded, is_retired, is_slow, connect_fails, hand_off_fails, knows;
	bool connects_slowly, recently_relayed;
	int live, learned, settled, connections, waiting;
	char learned_password[64], handed[256];
};

#define FAIL(s, ...)                                                                     \
	do {                                                                             \
		print_error("%s (%s, split %zu), line \"%s\": ", (s)->row->name,         \
			odd_name((s)->way.oddity), (s)->way.split, (s)->line);           \
		fail_msg(__VA_ARGS__);                                                   \
	} while (0)

/* script_host.c */
extern const struct host_ops script_host_ops;
void script_load_offer(struct script *s, enum service_id service);
/* An account's next event, and all of them back to where they begin. */
void script_account(struct script *s, const char *name, enum account_event event);
void script_accounts_begin(struct script *s);

#endif
