/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Puts a registry (and a mailbox) into a state that a command is then tested in:
 *
 *   registry_tool CONFIG capture LOGIN PASSWORD
 *   registry_tool CONFIG uncapturable LOGIN WHY
 *   registry_tool CONFIG event LOGIN EVENT [DETAIL]
 *   registry_tool CONFIG progress LOGIN TOTAL COPIED
 *   registry_tool CONFIG result LOGIN CERTIFICATE
 *   registry_tool CONFIG arrive LOGIN      idle to local, with a mailbox of two messages
 *   registry_tool CONFIG home LOGIN ADDRESS        where it moves to
 *   registry_tool CONFIG reside LOGIN [TEXT]       its folder says where it lives
 *   registry_tool CONFIG deliver LOGIN     one message more in that mailbox
 *   registry_tool CONFIG live LOGIN        what its user does, in INBOX and a new mailbox
 *   registry_tool CONFIG prove LOGIN       the source took its password from a transfer
 *   registry_tool CONFIG login LOGIN PASSWORD      whether one of its verifiers takes
 *   registry_tool CONFIG recipient ADDRESS CLIENT DAYS COUNT    that many days ago
 *   registry_tool CONFIG delivered LOGIN ADDRESS    came into its old mailbox
 */
#include "base/clock.h"
#include "base/process.h"
#include "mailstore/store/store.h"
#include "registry/alias.h"
#include "registry/delivered.h"
#include "registry/passwords.h"
#include "registry/recipients.h"
#include "registry/registry.h"
#include "registry/retire.h"
#include "registry/unseen.h"
#include "settings/settings.h"
#include "vault/vault.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tool {
	struct settings settings;
	struct vault vault;
	struct registry *registry; /* the vault's */
	struct arena arena;
	struct error err;
	const char *login, *arguments[3];
};

static int die(const struct error *err)
{
	(void)fprintf(stderr, "registry_tool: %s\n", err->text);
	return 1;
}

static int64_t id_of(struct tool *t)
{
	struct account a;

	if (registry_find(t->registry, str_from(t->login), &t->arena, &a, &t->err) < 0)
		exit(die(&t->err));
	return a.id;
}

static int step(struct tool *t, enum account_event event, const char *detail)
{
	return registry_transition(
		t->registry, id_of(t), event, STR_LIT("test"), str_from(detail), &t->err);
}

/* As a worker closes it. */
static int close_box(
	void *context, struct str account, struct str password, struct buf *out)
{
	const struct tool *t = context;
	struct box_closer closer;

	box_closer_init(&closer, t->vault.keys.box_public);
	return box_close(&closer, account, password, out);
}

static bool holds(void *context, const struct password *p, struct str password)
{
	struct tool *t = context;
	struct str clear;
	bool proven;

	return seal_open(&t->vault.keys, p->account_name, p->sealed, &t->arena, &clear,
		       &proven) == 0 &&
	       str_eq(clear, password);
}

static bool asks_nobody(void *context)
{
	(void)context;
	return false;
}

/* A proven login; the account stays idle, for `event` and `reach` to move it. */
static int log_in(struct tool *t, struct proven_login login)
{
	const struct password_keeper keeper = {
		.holds = holds, .asks = asks_nobody, .seal = close_box, .context = t
	};
	struct account_route route;
	bool due;
	int code;

	login.name = str_from(t->login);
	login.service = STR_LIT("imap");
	code = registry_learn(t->registry, &login, &keeper, &route, &due, &t->err);
	return code == 0 && due ? step(t, EVENT_CANCEL, "idle for the test") : code;
}

static int capture(struct tool *t)
{
	return log_in(t, (struct proven_login){ .password = str_from(t->arguments[0]) });
}

static int uncapturable(struct tool *t)
{
	return log_in(t, (struct proven_login){ .why = str_from(t->arguments[0]) });
}

static int event(struct tool *t)
{
	for (int e = 0; e < EVENT_COUNT; e++)
		if (strcmp(account_event_name((enum account_event)e), t->arguments[0]) ==
			0)
			return step(t, (enum account_event)e, t->arguments[1]);
	return error_set(&t->err, -1, "no event %s", t->arguments[0]);
}

static int progress(struct tool *t)
{
	struct progress p = { .folders = 1,
		.messages_total = strtoull(t->arguments[0], NULL, 10),
		.messages_copied = strtoull(t->arguments[1], NULL, 10) };

	return registry_set_progress(t->registry, id_of(t), &p, &t->err);
}

static int result(struct tool *t)
{
	const struct account_result proven = {
		.uids_kept = 1, .uidls_kept = -1, .certificate = str_from(t->arguments[0])
	};

	return registry_set_result(t->registry, id_of(t), &proven, &t->err);
}

static int add_message(struct store *s, int64_t mailbox, struct error *err)
{
	static const char text[] = "Subject: test\r\n\r\nHello\r\n";
	struct body_place body = store_body_inline(str_from(text));
	struct store_message m = { .size = sizeof(text) - 1 };

	return store_add(s, mailbox, &m, &body, NULL, err);
}

static int fill(struct store *s, struct error *err)
{
	struct mailbox inbox = {
		.name = STR("INBOX"), .separator = '/', .uidvalidity = 7, .uidnext = 1
	};
	int64_t id;
	int code = store_create_mailbox(s, &inbox, &id, err);

	for (int i = 0; code == 0 && i < 2; i++)
		code = add_message(s, id, err);
	return code;
}

static int note_switch(struct store *s, struct error *err)
{
	char number[32];

	(void)snprintf(number, sizeof(number), "%" PRIu64, store_modseq(s));
	return store_set_checkpoint(s, STR_LIT(SWITCH_MODSEQ), str_from(number), err);
}

/* Its owner has logged in here. */
static int serve(struct store *s, struct str owner, struct error *err)
{
	return store_set_identity(s,
		&(struct store_identity){
			.owner = owner, .service = STORE_SERVED, .served_at = 1 },
		err);
}

static int with_store(struct tool *t, int (*first)(struct store *s, struct error *err),
	int (*second)(struct store *s, struct error *err))
{
	char folder[PATH_MAX];
	struct store *s;
	int code = settings_mail_path(
		&t->settings, str_from(t->login), folder, sizeof(folder));

	if (code == 0)
		code = store_open(folder, true, &s, &t->err);
	if (code < 0)
		return code;
	for (int i = 0; code == 0 && i < 2; i++) {
		int (*act)(struct store *, struct error *) = i ? second : first;

		if (act && (code = store_begin(s, &t->err)) == 0)
			code = act(s, &t->err);
		if (act && code == 0)
			code = serve(s, str_from(t->login), &t->err);
		if (act && code == 0)
			code = store_commit(s, &t->err);
	}
	store_close(s);
	return code;
}

static int prove(struct tool *t)
{
	struct loan loans[LOANS_MAX];
	size_t n = 0;
	int code = keep_lend(&t->vault, id_of(t), &t->arena, loans, &n, &t->err);

	if (code == 0 && !n)
		return -ENODATA;
	if (code == 0 &&
		(code = verifier_make(loans[0].password, &loans[0].verifier)) < 0)
		error_set(&t->err, code, "no verifier");
	if (code == 0)
		code = keep_proven(&t->vault, &loans[0], &t->err);
	for (size_t i = 0; i < n; i++)
		buf_fini(&loans[i].verifier);
	return code;
}

static int arrive(struct tool *t)
{
	static const enum account_event events[] = { EVENT_DUE, EVENT_COPY,
		EVENT_CATCH_UP, EVENT_SWITCH, EVENT_ARRIVE };
	int code = with_store(t, fill, note_switch);

	for (size_t i = 0; code == 0 && i < sizeof(events) / sizeof(events[0]); i++)
		code = step(t, events[i], "");
	return code < 0 ? code : prove(t);
}

static int home(struct tool *t)
{
	return registry_set_home(
		t->registry, id_of(t), str_from(t->arguments[0]), &t->err);
}

static int set_residence(struct tool *t, struct store *s, struct str residence)
{
	struct store_identity is;
	int code = store_identity(s, &t->arena, &is, &t->err);

	is.residence = residence;
	if (code == 0)
		code = store_begin(s, &t->err);
	if (code == 0)
		code = store_set_identity(s, &is, &t->err);
	return code < 0 ? code : store_commit(s, &t->err);
}

/* Its folder says where it lives; with an argument, what that says. */
static int reside(struct tool *t)
{
	struct str residence = str_from(t->arguments[0]);
	char folder[PATH_MAX];
	struct store *s = NULL;
	int code = settings_mail_path(
		&t->settings, str_from(t->login), folder, sizeof(folder));

	if (code == 0 && !residence.len)
		code = keep_residence(
			&t->vault, id_of(t), &t->arena, &residence, &t->err);
	if (code == 0)
		code = store_open(folder, false, &s, &t->err);
	if (code == 0)
		code = set_residence(t, s, residence);
	store_close(s);
	return code;
}

static int deliver_one(struct store *s, struct error *err)
{
	struct arena arena;
	struct mailbox inbox;
	int code;

	arena_init(&arena);
	code = store_find_mailbox(s, STR_LIT("INBOX"), &arena, &inbox, err);
	if (code == 0)
		code = add_message(s, inbox.id, err);
	arena_fini(&arena);
	return code;
}

static int deliver(struct tool *t)
{
	return with_store(t, deliver_one, NULL);
}

static int add_new_mailbox(struct store *s, struct error *err)
{
	const struct mailbox new = { .name = STR("New"), .separator = '/' };
	int64_t id;
	int code = store_create_mailbox(s, &new, &id, err);

	if (code == 0)
		code = store_subscribe(s, new.name, true, err);
	return code < 0 ? code : add_message(s, id, err);
}

/* Two messages that are the same, flags, one that goes; and a mailbox with one. */
static int live_in(struct store *s, struct error *err)
{
	int64_t inbox;
	int code = store_find_inbox(s, &inbox, err);

	for (int i = 0; code == 0 && i < 2; i++)
		code = add_message(s, inbox, err);
	if (code == 0)
		code = store_set_flags(
			s, inbox, 4, FLAG_SEEN, STR_LIT("Mine"), NULL, err);
	if (code == 0)
		code = store_expunge(s, inbox, 6, err);
	return code < 0 ? code : add_new_mailbox(s, err);
}

static int live(struct tool *t)
{
	char folder[PATH_MAX];
	struct store *s = NULL;
	int code = settings_mail_path(
		&t->settings, str_from(t->login), folder, sizeof(folder));

	if (code == 0)
		code = store_open(folder, false, &s, &t->err);
	if (code == 0)
		code = store_begin(s, &t->err);
	if (code == 0)
		code = live_in(s, &t->err);
	if (code == 0)
		code = store_commit(s, &t->err);
	store_close(s);
	return code;
}

static int login(struct tool *t)
{
	struct question q = { .account = id_of(t),
		.password = str_from(t->arguments[0]) };
	struct judgement j;

	judge(&t->vault, &q, &t->arena, &j);
	if (j.needs_scrypt && verifier_check_any(j.verifiers, q.password) == 0)
		j.verdict = VERDICT_RIGHT;
	return j.verdict == VERDICT_RIGHT ? 0
	                                  : error_set(&t->err, -1, "a wrong password");
}

static int recipient(struct tool *t)
{
	struct str rest = str_from(t->login), local = str_split(&rest, '@');
	uint64_t at = clock_wall_ms() - strtoull(t->arguments[1], NULL, 10) * DAY_MS;
	struct recipients_seen seen = { .local = local,
		.domain = rest,
		.client = str_from(t->arguments[0]),
		.first_at = at,
		.last_at = at,
		.accepted = strtoull(t->arguments[2], NULL, 10),
		.refused = 1 };

	return registry_count_recipients(t->registry, &seen, 1, &t->err);
}

static int delivered(struct tool *t)
{
	const struct str address = str_from(t->arguments[0]);

	return registry_note_delivered(t->registry, id_of(t), &address, 1, &t->err);
}

static int unseen(struct tool *t)
{
	const struct unseen u = { .client = STR("192.0.2.7"),
		.service = STR("imaps"),
		.why = STR("no key for mail.example.com"),
		.first_at = clock_wall_ms(),
		.last_at = clock_wall_ms(),
		.count = 1,
		.open = str_eq(str_from(t->arguments[0]), STR_LIT("open")) };

	return registry_write_unseen(t->registry, 0, &u, 1, &t->err);
}

static const struct verb {
	const char *name;
	int (*run)(struct tool *t);
} verbs[] = {
	{ "capture", capture },
	{ "uncapturable", uncapturable },
	{ "event", event },
	{ "progress", progress },
	{ "result", result },
	{ "arrive", arrive },
	{ "deliver", deliver },
	{ "live", live },
	{ "home", home },
	{ "reside", reside },
	{ "prove", prove },
	{ "login", login },
	{ "recipient", recipient },
	{ "delivered", delivered },
	{ "unseen", unseen },
};

static int open_registry(struct tool *t)
{
	int code = process_make_directory(t->settings.state_dir, 0711, &t->err);

	if (code == 0)
		code = vault_open(&t->settings, true, &t->vault, &t->err);
	t->registry = t->vault.registry;
	return code;
}

int main(int argc, char **argv)
{
	struct tool t = { .login = argc > 3 ? argv[3] : "",
		.arguments = { argc > 4 ? argv[4] : "", argc > 5 ? argv[5] : "",
			argc > 6 ? argv[6] : "" } };
	int code = -1;

	if (argc < 4 || settings_load(argv[1], &t.settings, &t.err) < 0 ||
		open_registry(&t) < 0)
		return die(&t.err);
	arena_init(&t.arena);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, argv[2]) == 0)
			code = verbs[i].run(&t);
	arena_fini(&t.arena);
	vault_close(&t.vault);
	settings_fini(&t.settings);
	return code < 0 ? die(&t.err) : 0;
}
