/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_INTERCEPTOR_SESSION_SCRIPT_PARTS_H
#define TEST_INTERCEPTOR_SESSION_SCRIPT_PARTS_H
/* What the files of script.h share. */
#include "interceptor/protocols/offer.h"
#include "interceptor/session/script.h"
#include "interceptor/shared/source_answers.h"
#include "lib/registry/registry_fixture.h"
#include "messages/message.h"

struct script {
	struct host host; /* first */
	struct settings settings;
	struct test *registry;
	const struct service_handler *handlers;
	const struct script_setup *setup;
	struct script_tls *tls; /* NULL: no row has needed it yet */

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
	int stale;    /* how often the offer was said to be */
	int followed; /* logins here that were told to the transfer */
	bool is_crowded, is_filled, is_many, is_retired, is_slow, connect_fails,
		hand_off_fails, knows;
	bool connects_slowly, recently_relayed, is_registry_busy;
	bool keys_are_here, keys_are_late;
	char asked_name[64]; /* by the client of TLS, last; "-": none */
	unsigned unseen;     /* connections that were passed so */
	int noted; /* crossings: a session handed over counts 1, one ended 100 */
	int live, learned, settled, connections, waiting, places, failed, right;
	char learned_password[64], handed[256], box[64];
	/* script_mail.c */
	bool mailstore_is_away;
	bool room_is_told; /* by a line, else there is room */
	int counted, relayed, mail_waiting;
	struct source_answers *answers; /* shared/source_answers.h */
	char room_id[64];               /* asked, and not answered yet; "": none */
	char told[512], mail_text[512], mail_ids[4][64];
};

#define FAIL(s, ...)                                                                     \
	do {                                                                             \
		print_error("%s (%s, split %zu), line \"%s\": ", (s)->row->name,         \
			odd_name((s)->way.oddity), (s)->way.split, (s)->line);           \
		fail_msg(__VA_ARGS__);                                                   \
	} while (0)

/* script.c: somebody's words, cut as the way says; and what is to be called then. */
void script_say(struct script *s, struct stream *to, struct str bytes);
void script_call(struct script *s);
/* script_tls.c */
int script_tls_context(struct script *s, const char *name, SSL_CTX **ret);
void script_tls_handshake(struct script *s);
void script_tls_says_end(struct script *s);
void script_tls_is_told_end(struct script *s);
/* A line of TLS (script.h); false: it is none. */
bool script_tls_words(struct script *s, char kind, const char *name, struct str text);
void script_tls_end(struct script *s); /* of a run */
void script_tls_free(struct script *s);
/* script_host.c */
extern const struct host_ops script_host_ops;
/* A new account, of which the setup says where it moves to. */
void script_capture(struct script *s, const char *name);
void script_load_offer(struct script *s, enum service_id service);
enum service_id script_offer_of(enum service_id service); /* whose a session sees */
/* Of its session in buffers, also in what of them is free. */
int script_secrets(const struct script *s);
/* script_mail.c: the mailstore, and what is counted of mail. */
int script_reach_mailstore(struct host *h);
int script_tell_mailstore(struct host *h, const struct message *m, int fd);
void script_count_recipient(
	struct host *h, const struct smtp_address *to, struct str client, bool accepted);
bool script_source_agreed(struct host *h, struct str question);
void script_note_source_agreed(struct host *h, struct str question);
void script_forget_source_agreed(struct host *h, struct str question);
void script_note_relayed(struct host *h, struct str local, struct str domain);
/* There is room, where it was asked for some; false: it was not. */
bool script_room_answers(struct script *s);
/* Its answer to all that it was told last. */
void script_mailstore_answers(struct script *s, enum message_type type, const char *text);
/* To one of it: the others wait. */
void script_mailstore_answers_first(
	struct script *s, enum message_type type, const char *text);
void script_mailstore_ends(struct script *s);
/* The account of the row switches, in each manner. */
void script_quiesce(struct script *s);
void script_quiesce_by_force(struct script *s);
void script_quiesce_live(struct script *s);
void script_ask_for_live(struct script *s);
void script_quiesce_soon(struct script *s);
void script_route_changed(struct script *s);
void script_second_passes(struct script *s);
void script_hold_passes(struct script *s);
void script_switches_end(struct script *s);
/* An account's next event, and all of them back to where they begin. */
void script_account(struct script *s, const char *name, enum account_event event);
void script_accounts_begin(struct script *s);

#endif
