/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/session/script.h"

#include "interceptor/session/script_parts.h"

#define CALLS_MAX 3000 /* of one line: a session that spins fails here */

/* ---- the loop ---- */

void script_call(struct script *s)
{
	int calls = 0;
	bool called;

	do {
		called = s->client && odd_call(s->client);
		called |= s->source && odd_call(s->source);
		called |= script_room_answers(s);
		if (calls++ > CALLS_MAX)
			FAIL(s, "it spins");
	} while (called);
}

void script_say(struct script *s, struct stream *to, struct str bytes)
{
	size_t split = s->way.split;

	if (split && split < bytes.len) {
		odd_say_bytes(to, str_take(bytes, split));
		script_call(s);
		bytes = str_skip(bytes, split);
	}
	if (to == s->client || to == s->source)
		odd_say_bytes(to, bytes);
}

/* ---- what happens ---- */

static void do_tick(struct script *s)
{
	session_tick(s->session);
}

static void do_timeout(struct script *s)
{
	if (!s->session->deadline)
		FAIL(s, "there is no deadline");
	s->now = s->session->deadline;
	session_timeout(s->session);
}

static void do_connected(struct script *s)
{
	odd_connect(s->source);
}

static void do_refused(struct script *s)
{
	odd_break(s->source, -ECONNREFUSED);
}

static void do_source_ends(struct script *s)
{
	odd_end(s->source);
}

static void do_source_breaks(struct script *s)
{
	odd_break(s->source, -ECONNRESET);
}

static void do_client_ends(struct script *s)
{
	odd_end(s->client);
}

static void do_client_breaks(struct script *s)
{
	odd_break(s->client, -ECONNRESET);
}

static void do_client_blocks(struct script *s)
{
	odd_block(s->client, true);
}

/* What piles up meanwhile is of no interest. */
static void do_client_reads(struct script *s)
{
	odd_block(s->client, false);
	script_call(s);
	buf_clear(&s->client_heard);
}

static void do_more_than_fits(struct script *s)
{
	char much[1000] = { 0 };

	session_enter(s->session);
	for (int i = 0; i < 1000; i++)
		session_say(s->session, str_of(much, sizeof(much)));
	session_leave(s->session);
}

static void answer(struct script *s, enum verdict verdict)
{
	void (*verified)(struct session *, enum verdict, struct str) = s->verified;

	if (!verified)
		FAIL(s, "nothing is being verified");
	s->verified = NULL;
	verified(s->session, verdict, STR_LIT("tkt"));
}

static void do_right(struct script *s)
{
	answer(s, VERDICT_RIGHT);
}

static void do_wrong(struct script *s)
{
	answer(s, VERDICT_WRONG);
}

static void do_no_password(struct script *s)
{
	answer(s, VERDICT_NO_PASSWORD);
}

static void do_unknown(struct script *s)
{
	answer(s, VERDICT_UNKNOWN);
}

static void do_arrives(struct script *s)
{
	script_account(s, s->row->account, EVENT_ARRIVE);
}

static void do_moves(struct script *s)
{
	script_account(s, s->row->account, EVENT_DUE);
	script_account(s, s->row->account, EVENT_COPY);
}

static void do_switches(struct script *s)
{
	script_account(s, s->row->account, EVENT_CATCH_UP);
	script_account(s, s->row->account, EVENT_SWITCH);
}

static void do_switches_back(struct script *s)
{
	script_account(s, s->row->account, EVENT_SWITCH_BACK);
}

static void do_leaves(struct script *s)
{
	script_account(s, s->row->account, EVENT_LEAVE);
}

static void do_staged(struct script *s)
{
	script_mailstore_answers(s, MESSAGE_STAGED, "");
}

static void do_delivered(struct script *s)
{
	script_mailstore_answers(s, MESSAGE_DELIVERED, "");
}

static void do_mail_refused(struct script *s)
{
	script_mailstore_answers(s, MESSAGE_DELIVERY_FAILED, "452 4.2.2 Mailbox full");
}

static void do_first_refused(struct script *s)
{
	script_mailstore_answers_first(
		s, MESSAGE_DELIVERY_FAILED, "452 4.2.2 Mailbox full");
}

static void do_first_staged(struct script *s)
{
	script_mailstore_answers_first(s, MESSAGE_STAGED, "");
}

static const struct event {
	const char *name;
	void (*happens)(struct script *s);
} events[] = {
	{ "tick", do_tick },
	{ "timeout", do_timeout },
	{ "time passes", script_second_passes },
	{ "connected", do_connected },
	{ "refused", do_refused },
	{ "source ends", do_source_ends },
	{ "source breaks", do_source_breaks },
	{ "client ends", do_client_ends },
	{ "client breaks", do_client_breaks },
	{ "client blocks", do_client_blocks },
	{ "client reads", do_client_reads },
	{ "more than fits", do_more_than_fits },
	{ "handshake", script_tls_handshake },
	{ "client says its end", script_tls_says_end },
	{ "client is told the end", script_tls_is_told_end },
	{ "quiesce", script_quiesce },
	{ "quiesce by force", script_quiesce_by_force },
	{ "quiesce live", script_quiesce_live },
	{ "ask for live", script_ask_for_live },
	{ "quiesce soon", script_quiesce_soon },
	{ "route changed", script_route_changed },
	{ "hold passes", script_hold_passes },
	{ "verdict right", do_right },
	{ "verdict wrong", do_wrong },
	{ "verdict no password", do_no_password },
	{ "verdict unknown", do_unknown },
	{ "mail staged", do_staged },
	{ "mail delivered", do_delivered },
	{ "mail refused", do_mail_refused },
	{ "first refused", do_first_refused },
	{ "first staged", do_first_staged },
	{ "mailstore ends", script_mailstore_ends },
	{ "account arrives", do_arrives },
	{ "account moves", do_moves },
	{ "account switches", do_switches },
	{ "account switches back", do_switches_back },
	{ "account leaves", do_leaves },
};

/* Set before the client connects, or in between: "let retired", "let not retired". */
static const struct flag {
	const char *name;
	size_t offset;
} flags[] = {
	{ "crowded", offsetof(struct script, is_crowded) },
	{ "there be many", offsetof(struct script, is_many) },
	{ "memory be full", offsetof(struct script, is_filled) },
	{ "retired", offsetof(struct script, is_retired) },
	{ "slow account", offsetof(struct script, is_slow) },
	{ "keys be here", offsetof(struct script, keys_are_here) },
	{ "keys be late", offsetof(struct script, keys_are_late) },
	{ "connect fail", offsetof(struct script, connect_fails) },
	{ "connect take time", offsetof(struct script, connects_slowly) },
	{ "hand-off fail", offsetof(struct script, hand_off_fails) },
	{ "password be known", offsetof(struct script, knows) },
	{ "room be told", offsetof(struct script, room_is_told) },
	{ "mailstore be away", offsetof(struct script, mailstore_is_away) },
	{ "registry be busy", offsetof(struct script, is_registry_busy) },
	{ "mail be on its way", offsetof(struct script, recently_relayed) },
};

static bool set_flag(struct script *s, const char *what)
{
	bool value = strncmp(what, "not ", 4) != 0;

	if (!value)
		what += 4;
	for (size_t i = 0; i < ROWS(flags); i++) {
		if (strcmp(flags[i].name, what) != 0)
			continue;
		*(bool *)((char *)s + flags[i].offset) = value;
		return true;
	}
	return false;
}

/* ---- what must be so ---- */

static int value_of(const struct script *s, const char *name)
{
	const struct {
		const char *name;
		int value;
	} values[] = {
		{ "live", s->live },
		{ "noted", s->noted },
		{ "learned", s->learned },
		{ "settled", s->settled },
		{ "connections", s->connections },
		{ "waiting", s->waiting },
		{ "places", s->places },
		{ "failed", s->failed },
		{ "right", s->right },
		{ "source", s->source != NULL },
		{ "client", s->client != NULL },
		{ "verifying", s->verified != NULL },
		{ "counted", s->counted },
		{ "unseen", (int)s->unseen },
		{ "relayed", s->relayed },
		{ "slow", s->is_slow },
		{ "stale", s->stale },
		{ "followed", s->followed },
		{ "secrets", script_secrets(s) },
		{ "destination", s->session->connects_to == SERVER_DESTINATION },
		{ "overdue", s->session->deadline && s->session->deadline <= s->now },
		{ "patience", (int)((s->session->deadline - s->now) / 1000) },
	};

	for (size_t i = 0; i < ROWS(values); i++)
		if (strcmp(values[i].name, name) == 0)
			return values[i].value;
	fail_msg("%s: no such value", name);
	return -1;
}

static void check_text(struct script *s, const char *is, const char *wanted)
{
	if (strcmp(is, wanted) != 0)
		FAIL(s, "it is \"%s\"", is);
}

static bool check(struct script *s, const char *line)
{
	static const char state[] = "state ", asked[] = "asked ",
			  learned[] = "learned \"", handed[] = "handed ",
			  told[] = "told ", mail[] = "mail is ";
	char name[32];
	int value;

	if (strncmp(line, state, strlen(state)) == 0)
		check_text(s, session_state_name(s->session), line + strlen(state));
	else if (strncmp(line, asked, strlen(asked)) == 0)
		check_text(s, s->asked_name, line + strlen(asked));
	else if (strncmp(line, learned, strlen(learned)) == 0)
		check_text(s, s->learned_password, line + strlen(learned));
	else if (strncmp(line, handed, strlen(handed)) == 0)
		check_text(s, s->handed, line + strlen(handed));
	else if (strncmp(line, told, strlen(told)) == 0)
		check_text(s, s->told, line + strlen(told));
	else if (strncmp(line, mail, strlen(mail)) == 0)
		check_text(s, s->mail_text, line + strlen(mail));
	else if (sscanf(line, "%31s %d", name, &value) == 2 && value_of(s, name) != value)
		FAIL(s, "it is %d", value_of(s, name));
	else
		return sscanf(line, "%31s %d", name, &value) == 2;
	return true;
}

/* ---- words ---- */

/* The line with its CRLF; `$` is replaced. */
static struct str text_of(struct script *s, const char *line, char space[static 512])
{
	const char *dollar = strchr(line, '$');

	if (dollar)
		(void)snprintf(space, 512, "%.*s%s%s\r\n", (int)(dollar - line), line,
			s->wild, dollar + 1);
	else
		(void)snprintf(space, 512, "%s\r\n", line);
	return str_from(space);
}

static void hears(struct script *s, struct buf *heard, const char *wanted)
{
	struct str got = buf_view(heard), word;
	size_t end = str_index(got, '\n');
	char space[512];
	struct str line;

	if (end == got.len)
		FAIL(s, "heard \"%.*s\"", STR_ARG(got));
	got = str_take(got, end + 1);
	if (wanted[0] == '%') {
		word = str_take(got, str_index(got, ' '));
		(void)snprintf(s->wild, sizeof(s->wild), "%.*s", STR_ARG(word));
		got = str_skip(got, word.len);
		wanted++;
	}
	line = text_of(s, wanted, space);
	if (!str_eq(got, line))
		FAIL(s, "heard \"%.*s\"", STR_ARG(str_trim(got)));
	buf_consume(heard, end + 1);
}

static void words(struct script *s, const char *line)
{
	char space[512];
	struct str text = text_of(s, line + 2, space);

	if (script_tls_words(s, line[0], line + 2, text))
		return;
	switch (line[0]) {
	case 'C':
	case 'S':
		if (!(line[0] == 'C' ? s->client : s->source))
			FAIL(s, "it is closed");
		script_say(s, line[0] == 'C' ? s->client : s->source, text);
		break;
	case 'c':
		hears(s, &s->client_heard, line + 2);
		break;
	default:
		hears(s, &s->source_heard, line + 2);
		break;
	}
}

static void play(struct script *s, const char *line)
{
	s->line = line;
	if (line[1] == ' ') {
		words(s, line);
	} else if (strncmp(line, "let ", 4) == 0) {
		if (!set_flag(s, line + 4))
			FAIL(s, "no such flag");
	} else if (!check(s, line)) {
		size_t i = 0;

		while (i < ROWS(events) && strcmp(events[i].name, line) != 0)
			i++;
		if (i == ROWS(events))
			FAIL(s, "what is that?");
		events[i].happens(s);
	}
	script_call(s);
}

/* ---- a run ---- */

static void client_connects(struct script *s)
{
	struct arrival arrival = { .service = s->row->service };

	arrival.peer.v4.sin_family = arrival.destination.v4.sin_family = AF_INET;
	odd_attach(odd_memory_new(s->way.oddity), &s->client, &s->client_heard);
	session_accept(&s->host, &s->handlers[s->row->service], &arrival, s->client);
	s->session = LIST_FIRST(&s->host.sessions);
	if (!s->session)
		s->session = LIST_FIRST(&s->host.gone);
	script_call(s);
}

static void show(struct script *s, enum service_id service, const char *capability)
{
	struct learnt learnt = { .greeting = str_from(s->setup->greeting),
		.capability = str_from(capability),
		.id = STR("NIL") };
	bool changed;

	assert_int_equal(offer_store(s->registry->r, service, OFFER_OURS, &learnt,
				 &changed, &s->registry->err),
		0);
}

/* No run learns from another one. */
static void offers_begin(struct script *s)
{
	show(s, SERVICE_IMAP,
		"IMAP4rev1 SASL-IR STARTTLS AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5 AUTH=GSSAPI");
	show(s, SERVICE_IMAPS, "IMAP4rev1");
	show(s, SERVICE_POP3, "USER\r\nRESP-CODES\r\nSTLS\r\nSASL PLAIN CRAM-MD5\r\n");
	show(s, SERVICE_SMTP, "250-mail.example.com\r\n250 SIZE\r\n");
	script_load_offer(s, script_offer_of(s->row->service));
}

static void begin(struct script *s, const struct script_row *row, struct script_way way)
{
	struct host host = s->host;
	struct settings settings = s->settings;
	struct test *registry = s->registry;
	const struct service_handler *handlers = s->handlers;
	const struct script_setup *setup = s->setup;
	struct script_tls *tls = s->tls;

	memset(s, 0, sizeof(*s));
	s->host = host;
	s->settings = settings;
	s->registry = registry;
	s->handlers = handlers;
	s->setup = setup;
	s->tls = tls;
	s->host.settings = &s->settings;
	s->row = row;
	s->way = way;
	s->now = 1000000;
	s->answers = calloc(1, sizeof(*s->answers));
	assert_non_null(s->answers);
	s->settled = -1;
	s->line = "the client connects";
	buf_init(&s->client_heard, 0);
	buf_init(&s->source_heard, 0);
	offers_begin(s);
	if (row->account)
		script_accounts_begin(s);
}

static void end(struct script *s)
{
	s->line = "the end";
	script_tls_end(s);
	if (buf_len(&s->client_heard) || buf_len(&s->source_heard))
		FAIL(s, "not expected: client \"%.*s\" source \"%.*s\"",
			STR_ARG(buf_view(&s->client_heard)),
			STR_ARG(buf_view(&s->source_heard)));
	session_close(s->session, "test");
	if (s->connections || s->waiting || s->places || s->live || s->verified)
		FAIL(s, "left: connections=%d waiting=%d places=%d live=%d",
			s->connections, s->waiting, s->places, s->live);
	s->failed = s->right = 0;
	script_switches_end(s);
	LIST_REMOVE(s->session, all);
	session_free(s->session);
	offer_unref(s->offers[script_offer_of(s->row->service)]);
	buf_fini(&s->client_heard);
	buf_fini(&s->source_heard);
	free(s->answers);
	s->answers = NULL;
}

void script_run(struct script *s, const struct script_row *row, struct script_way way)
{
	size_t i = strcmp(row->lines[0], "plain") == 0;

	begin(s, row, way);
	for (; row->lines[i] && strncmp(row->lines[i], "let ", 4) == 0; i++)
		if (!set_flag(s, row->lines[i] + 4))
			FAIL(s, "no such flag: %s", row->lines[i]);
	client_connects(s);
	for (; row->lines[i]; i++)
		play(s, row->lines[i]);
	end(s);
}

static size_t longest(const struct script_row *row)
{
	size_t most = 0;

	for (size_t i = 0; row->lines[i]; i++)
		if (row->lines[i][1] == ' ' && strlen(row->lines[i]) > most)
			most = strlen(row->lines[i]);
	return most;
}

static bool is_plain(const struct script_row *row)
{
	return strcmp(row->lines[0], "plain") == 0;
}

void script_run_all(struct script *s, const struct script_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (int o = 0; o < (is_plain(&rows[i]) ? 1 : ODD_COUNT); o++)
			script_run(s, &rows[i], (struct script_way){ (enum oddity)o, 0 });
		for (size_t split = 1; !is_plain(&rows[i]) && split < longest(&rows[i]);
			split++)
			script_run(s, &rows[i], (struct script_way){ ODD_NONE, split });
	}
}

/* ---- for all runs ---- */

struct script *script_new(
	const struct service_handler *handlers, const struct script_setup *setup)
{
	static char master_separator[] = "*";
	static const char *const names[] = { "alice", "bob", "carol", "dora" };
	struct script *s = calloc(1, sizeof(*s));
	void *state = NULL;

	assert_int_equal(fixture_setup(&state), 0);
	s->registry = state;
	s->handlers = handlers;
	s->host.ops = &script_host_ops;
	s->host.registry = s->registry->r;
	session_host_init(&s->host);
	assert_int_equal(relay_shared_init(&s->host.relay), 0);
	s->settings.limits.login_bytes = 8192;
	s->settings.limits.login_timeout_s = 180;
	s->settings.hold_s = 20;
	s->settings.master_separator = master_separator;
	s->settings.strategy = setup->strategy;
	s->settings.live = setup->live;
	s->setup = setup;
	s->settings.domains[0] = (char *)(uintptr_t) "example.com";
	s->settings.n_domains = 1;
	for (size_t i = 0; i < ROWS(names); i++)
		script_capture(s, names[i]);
	return s;
}

void script_free(struct script *s)
{
	void *state = s->registry;

	script_tls_free(s);
	relay_shared_fini(&s->host.relay);
	(void)fixture_teardown(&state);
	free(s);
}
