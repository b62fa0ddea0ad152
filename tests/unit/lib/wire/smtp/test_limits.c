/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Clients of the SMTP proxy that want too much: recipients, lines, errors, memory. */
#include "wire/smtp/proxy.h"

#include "lib/wire/wire_test.h"

/* A source that says 250 to everything but DATA (354), with a caller for whom every
   recipient is `route`d. */
struct play {
	struct smtp_proxy proxy;
	struct smtp_offer offer;
	struct buf client, source, to_client, to_source;
	enum smtp_route route;
	bool in_data, closed, silent; /* silent: the source does not answer */
	bool dropped, is_known;
	unsigned renewals;
	size_t resets;
	size_t staged, portion; /* bytes; the most that one call gave the source */
	unsigned commits, aborts;
};

static void begin(struct play *p, enum smtp_route route)
{
	*p = (struct play){ .route = route };
	p->offer.name = STR_LIT("mx");
	buf_init(&p->client, 0);
	buf_init(&p->source, 0);
	buf_init(&p->to_client, 0);
	buf_init(&p->to_source, 0);
	smtp_proxy_init(&p->proxy, &p->offer, &p->to_client, &p->to_source);
	buf_append_c(&p->source, "220 old\r\n");
}

static void finish(struct play *p)
{
	smtp_proxy_fini(&p->proxy);
	buf_fini(&p->client);
	buf_fini(&p->source);
	buf_fini(&p->to_client);
	buf_fini(&p->to_source);
}

static void answer_line(struct play *p, struct str line)
{
	if (p->in_data && !str_eq(line, STR_LIT(".\r")))
		return;
	p->in_data = str_eq(line, STR_LIT("DATA\r"));
	p->resets += str_eq(line, STR_LIT("RSET\r"));
	buf_append_c(&p->source, p->in_data ? "354 go\r\n"
				 : str_starts(line, STR_LIT("EHLO"))
					 ? "250-old\r\n250 PIPELINING\r\n"
					 : "250 Ok\r\n");
}

static void source_answers(struct play *p)
{
	struct str got = buf_view(&p->to_source);

	if (got.len > p->portion)
		p->portion = got.len;
	while (got.len && !p->silent)
		answer_line(p, str_split(&got, '\n'));
	buf_clear(&p->to_source);
}

static bool act(struct play *p, enum smtp_proxy_action action)
{
	switch (action) {
	case SMTP_PROXY_ROUTE:
		smtp_proxy_routed(&p->proxy, p->route, STR_LIT("account"));
		return true;
	case SMTP_PROXY_STAGE_BYTES:
		p->staged += p->proxy.bytes.len;
		return true;
	case SMTP_PROXY_COMMIT:
		p->commits++;
		smtp_proxy_done(&p->proxy, STR_LIT(""));
		return true;
	case SMTP_PROXY_STAGE_BEGIN:
	case SMTP_PROXY_STAGE_END:
	case SMTP_PROXY_REPORT:
		smtp_proxy_done(&p->proxy, STR_LIT(""));
		return true;
	case SMTP_PROXY_ABORT:
		p->aborts++;
		return true;
	case SMTP_PROXY_DROP_SOURCE:
		p->dropped = true;
		return true;
	case SMTP_PROXY_CLOSE:
		p->closed = true;
		return false;
	case SMTP_PROXY_KNOWN_SENDER:
		smtp_proxy_sender_known(&p->proxy, p->is_known);
		return true;
	case SMTP_PROXY_RENEW_SOURCE:
		p->renewals++;
		buf_clear(&p->source);
		buf_append_c(&p->source, "220 old\r\n");
		smtp_proxy_source_reopened(&p->proxy);
		return true;
	case SMTP_PROXY_REMEMBER:
	case SMTP_PROXY_FORGET:
	case SMTP_PROXY_AGAIN:
	case SMTP_PROXY_AT_SOURCE:
	case SMTP_PROXY_AUTHENTICATED:
	case SMTP_PROXY_LOGIN_REFUSED:
	case SMTP_PROXY_UPGRADE:
		return true;
	case SMTP_PROXY_CONNECT_RELAY:
	case SMTP_PROXY_TRACE:
		return true;
	case SMTP_PROXY_CHECK:
		smtp_proxy_checked(&p->proxy, SMTP_CHECK_SOURCE);
		return true;
	case SMTP_PROXY_START_TLS:
		smtp_proxy_tls_begun(&p->proxy);
		return true;
	case SMTP_PROXY_NEED_MORE:
		break;
	}
	return false;
}

/* What the client says now; what it is told is added to to_client. */
static void turn(struct play *p, struct str says)
{
	bool on = !p->closed;

	buf_append(&p->client, says);
	while (on) {
		struct smtp_proxy_io io = { .client = buf_view(&p->client),
			.source = buf_view(&p->source) };
		enum smtp_proxy_action action = smtp_proxy_next(&p->proxy, &io);

		on = act(p, action);
		buf_consume(&p->client, io.client_used);
		buf_consume(&p->source, io.source_used);
		source_answers(p);
		on = on || (buf_len(&p->source) && !p->closed);
	}
}

static size_t count(struct str text, struct str line)
{
	size_t n = 0;

	while (text.len)
		n += str_eq(str_trim(str_split(&text, '\n')), line);
	return n;
}

static void test_1001_local_recipients(void **state)
{
	struct play p;

	(void)state;
	begin(&p, SMTP_ROUTE_LOCAL);
	turn(&p, STR_LIT("EHLO x\r\nMAIL FROM:<a@b>\r\n"));
	buf_clear(&p.to_client);
	for (int i = 0; i < SMTP_RECIPIENTS_MAX + 1; i++)
		turn(&p, STR_LIT("RCPT TO:<somebody.with.a.long.name@example.com>\r\n"));
	assert_int_equal(count(buf_view(&p.to_client), STR_LIT("250 2.1.5 Ok")),
		SMTP_RECIPIENTS_MAX);
	assert_int_equal(
		count(buf_view(&p.to_client), STR_LIT("452 4.5.3 Too many recipients")),
		1);
	turn(&p, STR_LIT("DATA\r\nx\r\n.\r\nNOOP\r\n"));
	assert_int_equal(p.commits, 1);
	assert_false(p.closed);
	/* the memory of it is given back */
	assert_true(p.proxy.transaction.arena.used < 1000);
	finish(&p);
}

/* New senders: one RSET a message, and a new session before the source has had enough. */
static void test_renewal(void **state)
{
	struct play p;

	(void)state;
	begin(&p, SMTP_ROUTE_LOCAL);
	p.offer.policy = true;
	turn(&p, STR_LIT("EHLO x\r\n"));
	for (int i = 0; i < 3 * SMTP_RESETS_MAX + 1; i++)
		turn(&p,
			STR_LIT("MAIL FROM:<a@b>\r\nRCPT TO:<l@x>\r\nDATA\r\nx\r\n.\r\n"));
	assert_int_equal(p.commits, 3 * SMTP_RESETS_MAX + 1);
	assert_int_equal(p.resets, p.commits);
	assert_int_equal(p.renewals, 3);
	/* nothing is asked any more, and nothing reset */
	p.route = SMTP_ROUTE_LOCAL_KNOWN;
	p.is_known = true;
	for (int i = 0; i < 3 * SMTP_RESETS_MAX; i++)
		turn(&p,
			STR_LIT("RSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<l@x>\r\nDATA\r\nx\r\n.\r\n"));
	assert_int_equal(p.commits, 6 * SMTP_RESETS_MAX + 1);
	assert_int_equal(
		p.resets, 3 * SMTP_RESETS_MAX + 1 + 1); /* the first is the client's */
	assert_int_equal(p.renewals, 3);
	assert_false(p.closed);
	finish(&p);
}

/* A source without a limit of its own, and a client without one. */
static void test_endless_recipients(void **state)
{
	struct play p;

	(void)state;
	begin(&p, SMTP_ROUTE_SOURCE);
	turn(&p, STR_LIT("EHLO x\r\nMAIL FROM:<a@b>\r\n"));
	for (int i = 0; i < 20000; i++)
		turn(&p, STR_LIT("RCPT TO:<somebody.with.a.long.name@example.com>\r\n"));
	assert_true(p.proxy.transaction.arena.used <
		    SMTP_TRANSACTION_MAX + 4 * SMTP_COMMAND_MAX);
	assert_true(count(buf_view(&p.to_client),
			    STR_LIT("452 4.5.3 Too many recipients")) > 0);
	turn(&p, STR_LIT("DATA\r\nx\r\n.\r\nNOOP\r\n"));
	assert_true(p.proxy.transaction.arena.used < 1000 && !p.closed);
	finish(&p);
}

/* Transactions that never begin leave nothing behind. */
static void test_endless_mail(void **state)
{
	struct play p;
	struct buf line;

	(void)state;
	begin(&p, SMTP_ROUTE_SOURCE);
	buf_init(&line, 0);
	buf_append_c(&line, "MAIL FROM:<");
	for (int i = 0; i < 1500; i++)
		buf_byte(&line, 'a');
	buf_append_c(&line, "@b>\r\nRSET\r\n");
	turn(&p, STR_LIT("EHLO x\r\n"));
	for (int i = 0; i < 3000; i++)
		turn(&p, buf_view(&line));
	assert_true(p.proxy.transaction.arena.used < 10000);
	assert_int_equal(count(buf_view(&p.to_client), STR_LIT("250 Ok")), 6000);
	buf_fini(&line);
	finish(&p);
}

static void test_long_lines(void **state)
{
	struct play p;
	char *line = malloc(65536);

	(void)state;
	assert_non_null(line);
	memset(line, 'a', 65536);
	begin(&p, SMTP_ROUTE_SOURCE);
	turn(&p, STR_LIT("EHLO x\r\n"));
	buf_clear(&p.to_client);
	turn(&p, str_of(line, 65536));
	assert_int_equal(buf_len(&p.client), 0); /* it is not kept */
	turn(&p, str_of(line, 65536));
	turn(&p, STR_LIT("\r\nNOOP\r\n"));
	assert_true(str_eq(buf_view(&p.to_client),
		STR_LIT("500 5.5.2 Line too long\r\n250 Ok\r\n")));
	/* the longest that passes, and one more */
	memcpy(line, "NOOP ", 5);
	line[SMTP_COMMAND_MAX] = '\n';
	buf_clear(&p.to_client);
	turn(&p, str_of(line, SMTP_COMMAND_MAX + 1));
	line[SMTP_COMMAND_MAX] = 'a';
	line[SMTP_COMMAND_MAX + 1] = '\n';
	turn(&p, str_of(line, SMTP_COMMAND_MAX + 2));
	assert_true(str_eq(buf_view(&p.to_client),
		STR_LIT("250 Ok\r\n500 5.5.2 Line too long\r\n")));
	/* AUTH may have more, where the source knows it */
	memset(line, 'a', 65536);
	memcpy(line, "AUTH ", 5);
	line[SMTP_AUTH_LINE_MAX] = '\n';
	buf_clear(&p.to_client);
	turn(&p, str_of(line, SMTP_AUTH_LINE_MAX + 1));
	p.proxy.source_has_auth = true;
	turn(&p, str_of(line, SMTP_AUTH_LINE_MAX + 1));
	assert_true(str_eq(buf_view(&p.to_client),
		STR_LIT("500 5.5.2 Line too long\r\n250 Ok\r\n")));
	free(line);
	finish(&p);
}

static void test_too_many_errors(void **state)
{
	struct play p;

	(void)state;
	begin(&p, SMTP_ROUTE_SOURCE);
	for (int i = 0; i < 19; i++)
		turn(&p, STR_LIT("XCLIENT x\r\n"));
	assert_false(p.closed);
	turn(&p, STR_LIT("ETRN x\r\nNOOP\r\n"));
	assert_true(p.closed);
	assert_int_equal(
		count(buf_view(&p.to_client), STR_LIT("421 4.7.0 Too many errors")), 1);
	assert_int_equal(count(buf_view(&p.to_client), STR_LIT("250 Ok")), 0);
	finish(&p);
}

static void test_refused_login_is_forgotten(void **state)
{
	struct play p;

	(void)state;
	begin(&p, SMTP_ROUTE_SOURCE);
	p.silent = true;
	turn(&p, STR_LIT("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"));
	assert_true(str_eq(p.proxy.login.password, STR_LIT("secret")));
	buf_append_c(&p.source, "535 no\r\n");
	turn(&p, STR_LIT(""));
	assert_null(p.proxy.login.password.ptr);
	assert_int_equal(p.proxy.secrets.used, 0);
	finish(&p);
}

/* The session may go on for a day. */
static void test_accepted_login_is_forgotten(void **state)
{
	struct play p;

	(void)state;
	begin(&p, SMTP_ROUTE_SOURCE);
	p.silent = true;
	turn(&p, STR_LIT("EHLO x\r\n"));
	buf_append_c(&p.source, "250-old\r\n250 AUTH PLAIN\r\n");
	turn(&p, STR_LIT("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"));
	buf_append_c(&p.source, "235 yes\r\n");
	turn(&p, STR_LIT(""));
	assert_true(p.proxy.client.authenticated);
	assert_null(p.proxy.login.password.ptr);
	assert_int_equal(p.proxy.secrets.used, 0);
	finish(&p);
}

/* A message of some size goes through in portions. */
static void test_portions(void **state)
{
	struct play p;
	char *message = malloc(1000000);

	(void)state;
	assert_non_null(message);
	for (size_t i = 0; i < 1000000; i += 5)
		memcpy(message + i, "..\nx\r", 5);
	begin(&p, SMTP_ROUTE_LOCAL);
	turn(&p, STR_LIT("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<l@x>\r\n"));
	p.route = SMTP_ROUTE_SOURCE;
	turn(&p, STR_LIT("RCPT TO:<s@x>\r\nDATA\r\n"));
	turn(&p, str_of(message, 1000000));
	turn(&p, STR_LIT("\r\n.\r\n"));
	assert_int_equal(p.commits, 1);
	assert_int_equal(p.aborts, 0);
	assert_int_equal(
		p.staged, 1000002 - 1); /* the first dot alone is at a line's start */
	assert_true(p.portion <= SMTP_PROXY_PORTION);
	free(message);
	finish(&p);
}

/* Peers that do not read are closed, and nothing is left half done. */
static void test_full_buffers(void **state)
{
	struct play p;

	(void)state;
	begin(&p, SMTP_ROUTE_LOCAL);
	turn(&p, STR_LIT("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<l@x>\r\n"));
	p.route = SMTP_ROUTE_SOURCE;
	turn(&p, STR_LIT("RCPT TO:<s@x>\r\nDATA\r\nx\r\n"));
	p.to_source.limit = 10;
	turn(&p, STR_LIT("more than ten bytes\r\n.\r\n"));
	assert_true(p.closed);
	assert_int_equal(p.aborts, 1);
	assert_int_equal(p.commits, 0);
	finish(&p);

	begin(&p, SMTP_ROUTE_SOURCE);
	p.to_client.limit = 10;
	turn(&p, STR_LIT("NOOP\r\nNOOP\r\n"));
	assert_true(p.closed);
	finish(&p);
}

/* Commands that the source does not answer wait in the input, not in memory of ours. */
static void test_silent_source(void **state)
{
	struct play p;

	(void)state;
	begin(&p, SMTP_ROUTE_SOURCE);
	turn(&p, STR_LIT("EHLO x\r\n"));
	p.silent = true;
	for (int i = 0; i < 1000; i++)
		turn(&p, STR_LIT("RSET\r\n"));
	assert_int_equal(p.proxy.pipeline.n, SMTP_SLOTS_MAX);
	assert_int_equal(buf_len(&p.client), (1000 - SMTP_SLOTS_MAX) * 6);
	smtp_proxy_source_lost(&p.proxy);
	turn(&p, STR_LIT(""));
	assert_int_equal(count(buf_view(&p.to_client), STR_LIT("250 2.0.0 Ok")), 1000);
	finish(&p);
}

/* Each state of each machine has a name of its own, and nothing else has one. */
/* Bytes in clear behind STARTTLS are run by nobody, whoever's TLS it is. */
static void test_injection(void **state)
{
	static const enum smtp_tls ways[] = { SMTP_TLS_HERE, SMTP_TLS_PASS };
	struct play p;

	(void)state;
	for (size_t i = 0; i < N_ROWS(ways); i++) {
		begin(&p, SMTP_ROUTE_SOURCE);
		p.offer.tls = ways[i];
		turn(&p, STR_LIT("EHLO x\r\n"));
		buf_clear(&p.to_client);
		turn(&p, STR_LIT("STARTTLS\r\nNOOP\r\n"));
		assert_true(p.closed);
		assert_int_equal(buf_len(&p.to_client), 0);
		finish(&p);
	}
}

static void test_state_names(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SMTP_PROXY_STATE_COUNT; s++)
		for (unsigned other = 0; other < s; other++)
			assert_string_not_equal(
				smtp_proxy_state_name((enum smtp_proxy_state)s),
				smtp_proxy_state_name((enum smtp_proxy_state)other));
	for (unsigned s = 0; s < SMTP_COPY_STATE_COUNT; s++)
		assert_string_not_equal(
			smtp_copy_state_name((enum smtp_copy_state)s), "unknown");
	for (unsigned s = 0; s < SMTP_PEER_STATE_COUNT; s++)
		assert_string_not_equal(
			smtp_peer_state_name((enum smtp_peer_state)s), "unknown");
	for (unsigned s = 0; s < SMTP_RENEWAL_COUNT; s++)
		assert_string_not_equal(
			smtp_renewal_name((enum smtp_renewal)s), "unknown");
	assert_string_equal(smtp_renewal_name(SMTP_RENEWAL_COUNT), "unknown");
	for (unsigned s = 0; s < SMTP_LAST_REPLY_COUNT; s++)
		assert_string_not_equal(
			smtp_last_reply_name((enum smtp_last_reply)s), "unknown");
	assert_string_equal(smtp_proxy_state_name(SMTP_PROXY_STATE_COUNT), "unknown");
	assert_string_equal(smtp_copy_state_name(SMTP_COPY_STATE_COUNT), "unknown");
	assert_string_equal(smtp_peer_state_name(SMTP_PEER_STATE_COUNT), "unknown");
	assert_string_equal(smtp_last_reply_name(SMTP_LAST_REPLY_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_1001_local_recipients),
		cmocka_unit_test(test_renewal),
		cmocka_unit_test(test_endless_recipients),
		cmocka_unit_test(test_endless_mail),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_too_many_errors),
		cmocka_unit_test(test_refused_login_is_forgotten),
		cmocka_unit_test(test_accepted_login_is_forgotten),
		cmocka_unit_test(test_portions),
		cmocka_unit_test(test_full_buffers),
		cmocka_unit_test(test_silent_source),
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_state_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
