/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a source shows: asked by each protocol's probe, filtered, kept, and given to
   sessions by reference. */
#include "interceptor/protocols/offer.h"
#include "interceptor/protocols/protocol.h"
#include "lib/registry/registry_fixture.h"

/* ---- asking ---- */

struct probe_row {
	const char *name;
	enum service_id service;
	enum protocol_probe result;
	const char *lines[8]; /* "S text": the source says; "s text": it is asked */
	const char *greeting, *capability;
	const char *domain, *refusal; /* NULL: recipients are not asked about */
};

static const struct probe_row probes[] = {
	{ "IMAP", SERVICE_IMAP, PROTOCOL_PROBE_DONE,
		{ "S * OK ready", "s probe1 CAPABILITY", "S * CAPABILITY IMAP4rev1",
			"S probe1 OK done" },
		"* OK ready", "IMAP4rev1", NULL, NULL },
	{ "IMAP with ID", SERVICE_IMAP, PROTOCOL_PROBE_DONE,
		{ "S * OK ready", "s probe1 CAPABILITY", "S * CAPABILITY IMAP4rev1 ID",
			"S probe1 OK done", "s probe2 ID NIL", "S * ID NIL",
			"S probe2 OK done" },
		"* OK ready", "IMAP4rev1 ID", NULL, NULL },
	{ "IMAP that is full", SERVICE_IMAP, PROTOCOL_PROBE_FAILED,
		{ "S * BYE too many" }, NULL, NULL, NULL, NULL },
	{ "IMAP that is none", SERVICE_IMAP, PROTOCOL_PROBE_FAILED,
		{ "S SSH-2.0-OpenSSH" }, NULL, NULL, NULL, NULL },
	{ "POP3", SERVICE_POP3, PROTOCOL_PROBE_DONE,
		{ "S +OK ready", "s CAPA", "S +OK", "S USER", "S UIDL", "S ." },
		"+OK ready", "USER\r\nUIDL\r\n", NULL, NULL },
	{ "POP3 without CAPA", SERVICE_POP3, PROTOCOL_PROBE_DONE,
		{ "S +OK ready", "s CAPA", "S -ERR what" }, "+OK ready", "", NULL, NULL },
	{ "POP3 that is full", SERVICE_POP3, PROTOCOL_PROBE_FAILED, { "S -ERR too many" },
		NULL, NULL, NULL, NULL },
	{ "SMTP that does not want us", SERVICE_SMTP, PROTOCOL_PROBE_FAILED,
		{ "S 554 no" }, NULL, NULL, NULL, NULL },
};

/* A line of the source, in one piece or byte by byte. */
static enum protocol_probe hear(const struct protocol *p, void *probe, const char *line,
	bool in_bytes, struct buf *in, struct buf *out)
{
	enum protocol_probe is = PROTOCOL_PROBE_NEED_MORE;
	char text[200];
	int len = snprintf(text, sizeof(text), "%s\r\n", line);
	size_t piece = in_bytes ? 1 : (size_t)len, used;

	for (size_t at = 0; at < (size_t)len; at += piece) {
		assert_int_equal(buf_append(in, str_of(text + at, piece)), 0);
		do {
			is = p->probe_bytes(probe, buf_view(in), &used, out);
			buf_consume(in, used);
		} while (is == PROTOCOL_PROBE_AGAIN);
		if (is != PROTOCOL_PROBE_NEED_MORE)
			break;
	}
	return is;
}

static void ask(const struct probe_row *row, bool in_bytes)
{
	const struct protocol *p = protocol_of(row->service);
	enum protocol_probe is = PROTOCOL_PROBE_NEED_MORE;
	struct arena arena;
	struct buf in, out;
	void *probe;

	arena_init(&arena);
	buf_init(&in, 0);
	buf_init(&out, 0);
	probe = arena_alloc(&arena, p->probe_size);
	p->probe_begin(probe, str_from(row->domain), &arena);
	for (size_t i = 0; row->lines[i]; i++) {
		char wanted[200];

		if (row->lines[i][0] == 'S') {
			is = hear(p, probe, row->lines[i] + 2, in_bytes, &in, &out);
			continue;
		}
		(void)snprintf(wanted, sizeof(wanted), "%s\r\n", row->lines[i] + 2);
		if (!str_eq(buf_view(&out), str_from(wanted)))
			fail_msg(
				"%s: asked \"%.*s\"", row->name, STR_ARG(buf_view(&out)));
		buf_clear(&out);
	}
	if (is != row->result)
		fail_msg("%s: it is %d", row->name, is);
	if (row->greeting) {
		struct learnt learnt = p->probe_result(probe);

		if (!str_eq(learnt.greeting, str_from(row->greeting)) ||
			!str_eq(learnt.capability, str_from(row->capability)))
			fail_msg("%s: \"%.*s\" \"%.*s\"", row->name,
				STR_ARG(learnt.greeting), STR_ARG(learnt.capability));
	}
	buf_fini(&in);
	buf_fini(&out);
	arena_fini(&arena);
}

static void test_probes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(probes); i++) {
		ask(&probes[i], false);
		ask(&probes[i], true);
	}
}

/* Its words for a recipient that cannot exist; without a domain it is not asked. */
static void test_smtp_refusal(void **state)
{
	static const char *const lines[] = { "220 hi", "250 hi", "250 Ok", "250 Ok",
		"550 5.1.1 No such user here" };
	const struct protocol *p = protocol_of(SERVICE_SMTP);

	(void)state;
	for (int asked = 0; asked < 2; asked++) {
		enum protocol_probe is = PROTOCOL_PROBE_NEED_MORE;
		struct learnt learnt;
		struct arena arena;
		struct buf in, out;
		void *probe;

		arena_init(&arena);
		buf_init(&in, 0);
		buf_init(&out, 0);
		probe = arena_alloc(&arena, p->probe_size);
		p->probe_begin(
			probe, asked ? STR_LIT("example.com") : STR_LIT(""), &arena);
		for (size_t i = 0; i < (asked ? ROWS(lines) : 2); i++)
			is = hear(p, probe, lines[i], false, &in, &out);
		assert_int_equal(is, PROTOCOL_PROBE_DONE);
		learnt = p->probe_result(probe);
		assert_true(str_eq(learnt.greeting, STR_LIT("220 hi\r\n")));
		if (asked)
			assert_true(str_eq(learnt.refusal, STR_LIT("no such user here")));
		else
			assert_null(learnt.refusal.ptr);
		buf_fini(&in);
		buf_fini(&out);
		arena_fini(&arena);
	}
}

/* ---- showing ---- */

static const struct {
	const char *name;
	enum service_id service;
	enum service_tls tls;
	struct learnt learnt, shown;
} shows[] = {
	{ "IMAP: what cannot pass is dropped", SERVICE_IMAP, SERVICE_TLS_HIDE,
		{ STR("* OK [CAPABILITY IMAP4rev1 STARTTLS XODD IDLE] hi"),
			STR("IMAP4rev1 STARTTLS XODD IDLE"), STR("NIL"), STR(""),
			STR("") },
		{ STR("* OK [CAPABILITY IMAP4rev1 IDLE] hi"), STR("IMAP4rev1 IDLE"),
			STR("NIL"), STR(""), STR("IMAP4rev1 XODD IDLE") } },
	{ "IMAP: STARTTLS is the source's", SERVICE_IMAP, SERVICE_TLS_PASS,
		{ STR("* OK hi"), STR("IMAP4rev1 STARTTLS"), STR(""), STR(""), STR("") },
		{ STR("* OK hi"), STR("IMAP4rev1 STARTTLS"), STR(""), STR(""),
			STR("") } },
	{ "IMAP: a server that binds SCRAM", SERVICE_IMAPS, SERVICE_TLS_AUTO,
		{ STR("* OK hi"),
			STR("IMAP4rev1 AUTH=PLAIN AUTH=SCRAM-SHA-1 auth=scram-sha-1-plus "
			    "AUTH=EXTERNAL"),
			STR(""), STR(""), STR("") },
		{ STR("* OK hi"), STR("IMAP4rev1 AUTH=PLAIN"), STR(""), STR(""),
			STR("") } },
	{ "IMAP: one that does not", SERVICE_IMAPS, SERVICE_TLS_AUTO,
		{ STR("* OK hi"), STR("IMAP4rev1 AUTH=SCRAM-SHA-1 AUTH=PLAIN"), STR(""),
			STR(""), STR("") },
		{ STR("* OK hi"), STR("IMAP4rev1 AUTH=SCRAM-SHA-1 AUTH=PLAIN"), STR(""),
			STR(""), STR("") } },
	{ "POP3: a server that binds SCRAM", SERVICE_POP3S, SERVICE_TLS_AUTO,
		{ STR("+OK hi"),
			STR("SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 EXTERNAL LOGIN\r\n"),
			STR(""), STR(""), STR("") },
		{ STR("+OK hi"), STR("SASL LOGIN\r\n"), STR(""), STR(""), STR("") } },
	{ "POP3", SERVICE_POP3, SERVICE_TLS_HIDE,
		{ STR("+OK hi"), STR("USER\r\nSTLS\r\nUIDL\r\n"), STR(""), STR(""),
			STR("") },
		{ STR("+OK hi"), STR("USER\r\nUIDL\r\n"), STR(""), STR(""), STR("") } },
};

static void test_shows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(shows); i++) {
		struct learnt shown = { 0 };
		struct arena arena;

		arena_init(&arena);
		assert_int_equal(
			protocol_of(shows[i].service)
				->show(&shows[i].learnt, shows[i].tls, &arena, &shown),
			0);
		if (!str_eq(shown.greeting, shows[i].shown.greeting) ||
			!str_eq(shown.capability, shows[i].shown.capability) ||
			!str_eq(shown.id, shows[i].shown.id) ||
			!str_eq(shown.after, shows[i].shown.after))
			fail_msg("%s: \"%.*s\" \"%.*s\"", shows[i].name,
				STR_ARG(shown.greeting), STR_ARG(shown.capability));
		arena_fini(&arena);
	}
}

/* A greeting with a timestamp is one connection's; ours is never the same twice. */
static void test_own_greeting(void **state)
{
	const struct protocol *p = protocol_of(SERVICE_POP3);
	const struct str greeting = STR("+OK hi <1896.697@host>");
	struct buf one, two, none;

	(void)state;
	assert_true(p->is_personal(&(struct learnt){ .greeting = greeting }));
	assert_false(p->is_personal(&(struct learnt){ .greeting = STR("+OK hi") }));
	buf_init(&one, 0);
	buf_init(&two, 0);
	buf_init(&none, 0);
	assert_int_equal(p->own_greeting(greeting, false, &one), 0);
	assert_int_equal(p->own_greeting(greeting, false, &two), 0);
	assert_int_equal(p->own_greeting(greeting, true, &none), 0);
	assert_true(p->is_personal(&(struct learnt){ .greeting = buf_view(&one) }));
	assert_false(str_eq(buf_view(&one), buf_view(&two)));
	assert_false(p->is_personal(&(struct learnt){ .greeting = buf_view(&none) }));
	buf_fini(&one);
	buf_fini(&two);
	buf_fini(&none);
}

static void test_services(void **state)
{
	(void)state;
	assert_ptr_equal(protocol_of(SERVICE_SUBMISSION), &protocol_smtp);
	assert_ptr_equal(protocol_of(SERVICE_IMAPS), &protocol_imap);
	assert_null(protocol_of(SERVICE_COUNT));
}

/* ---- keeping ---- */

static void store(struct test *t, const char *greeting, bool wanted)
{
	struct learnt learnt = { .greeting = str_from(greeting),
		.capability = STR("IMAP4rev1 IDLE"),
		.id = STR("NIL") };
	bool changed;

	NO_ERROR(offer_store(t->r, SERVICE_IMAP, OFFER_OURS, &learnt, &changed, &t->err));
	assert_int_equal(changed, wanted);
}

static void test_offer(void **state)
{
	struct test *t = *state;
	const struct service_settings plain = { .source_tls = SOURCE_TLS_NONE };
	struct offer *o, *mine;

	assert_int_equal(
		offer_load(t->r, SERVICE_IMAP, &plain, SERVICE_TLS_HIDE, &o, &t->err),
		-ENOENT);
	store(t, "* OK one", true);
	store(t, "* OK one", false);
	NO_ERROR(offer_store_refusal(
		t->r, SERVICE_IMAP, STR_LIT("NO [AUTHENTICATIONFAILED] no"), &t->err));
	NO_ERROR(offer_load(t->r, SERVICE_IMAP, &plain, SERVICE_TLS_HIDE, &o, &t->err));
	assert_true(str_eq(o->shown.greeting, STR_LIT("* OK one")));
	assert_true(str_eq(o->refusal, STR_LIT("NO [AUTHENTICATIONFAILED] no")));
	/* one session's own, the words for a wrong password as all have them */
	NO_ERROR(offer_make(STR_LIT("* OK two"), o, &mine));
	assert_true(str_eq(mine->shown.greeting, STR_LIT("* OK two")));
	assert_true(str_eq(mine->refusal, o->refusal));
	/* whoever holds a reference keeps it */
	assert_ptr_equal(offer_ref(o), o);
	offer_unref(o);
	assert_true(str_eq(o->shown.greeting, STR_LIT("* OK one")));
	offer_unref(o);
	offer_unref(mine);
	offer_unref(NULL);
}

/* What a source says on each kind of connection, and what clients are shown. */
static const struct kind_row {
	const char *name;
	enum service_id service;
	enum source_tls_mode source_tls;
	enum service_tls tls;
	const char *ours, *other; /* NULL: not known yet */
	const char *clear, *secure;
	bool tls_first;
} kind_rows[] = {
	{ "a source that wants TLS first", SERVICE_IMAP, SOURCE_TLS_STARTTLS,
		SERVICE_TLS_AUTO, "IMAP4rev1 AUTH=PLAIN",
		"IMAP4rev1 STARTTLS LOGINDISABLED", "IMAP4rev1 STARTTLS LOGINDISABLED",
		"IMAP4rev1 AUTH=PLAIN", true },
	{ "what cannot pass is dropped from both", SERVICE_IMAP, SOURCE_TLS_STARTTLS,
		SERVICE_TLS_AUTO, "IMAP4rev1 AUTH=EXTERNAL XODD",
		"IMAP4rev1 STARTTLS XODD", "IMAP4rev1 STARTTLS", "IMAP4rev1", true },
	{ "in clear it was not asked yet", SERVICE_IMAP, SOURCE_TLS_STARTTLS,
		SERVICE_TLS_AUTO, "IMAP4rev1 AUTH=PLAIN", NULL, "IMAP4rev1 AUTH=PLAIN",
		"IMAP4rev1 AUTH=PLAIN", false },
	{ "clients that have no TLS", SERVICE_IMAP, SOURCE_TLS_STARTTLS, SERVICE_TLS_HIDE,
		"IMAP4rev1 AUTH=PLAIN", "IMAP4rev1 STARTTLS LOGINDISABLED",
		"IMAP4rev1 AUTH=PLAIN", "IMAP4rev1 AUTH=PLAIN", false },
	{ "a leg in clear", SERVICE_IMAP, SOURCE_TLS_NONE, SERVICE_TLS_AUTO,
		"IMAP4rev1 STARTTLS", "IMAP4rev1 AUTH=PLAIN", "IMAP4rev1 STARTTLS",
		"IMAP4rev1", false },
	{ "as the client", SERVICE_POP3, SOURCE_TLS_CLIENT, SERVICE_TLS_AUTO,
		"STLS\r\nUIDL\r\n", "USER\r\nUIDL\r\nSASL PLAIN\r\n", "STLS\r\nUIDL\r\n",
		"USER\r\nUIDL\r\nSASL PLAIN\r\n", false },
	{ "as the client, where it has no TLS", SERVICE_POP3, SOURCE_TLS_CLIENT,
		SERVICE_TLS_AUTO, "USER\r\n", NULL, "USER\r\n", "USER\r\n", false },
};

static void store_kind(struct test *t, const struct kind_row *row, enum offer_kind kind,
	const char *what)
{
	struct learnt learnt = {
		.greeting = STR("+OK hi"), .capability = str_from(what), .id = STR("")
	};
	bool changed;

	if (what)
		NO_ERROR(offer_store(
			t->r, row->service, kind, &learnt, &changed, &t->err));
}

static void test_kinds(void **state)
{
	for (size_t i = 0; i < ROWS(kind_rows); i++) {
		const struct kind_row *row = &kind_rows[i];
		const struct service_settings s = { .source_tls = row->source_tls };
		struct test *t = *state;
		struct offer *o;

		store_kind(t, row, OFFER_OURS, row->ours);
		store_kind(t, row,
			row->source_tls == SOURCE_TLS_CLIENT ? OFFER_TLS : OFFER_CLEAR,
			row->other);
		NO_ERROR(offer_load(t->r, row->service, &s, row->tls, &o, &t->err));
		if (!str_eq(o->shown.capability, str_from(row->clear)) ||
			!str_eq(o->secure.capability, str_from(row->secure)) ||
			o->tls_first != row->tls_first)
			fail_msg("%s: \"%.*s\" \"%.*s\" %d", row->name,
				STR_ARG(o->shown.capability),
				STR_ARG(o->secure.capability), o->tls_first);
		offer_unref(o);
		fixture_teardown(state);
		fixture_setup(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probes),
		cmocka_unit_test(test_smtp_refusal),
		cmocka_unit_test(test_shows),
		cmocka_unit_test(test_own_greeting),
		cmocka_unit_test(test_services),
		cmocka_unit_test_setup_teardown(
			test_offer, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_kinds, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
