/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A message before a filter. A row is what is said:
 *
 *   > Cdata   a packet of ours      < cdata   the filter's answer       ("|" is a NUL)
 *   + text    a change that it asks for       = text   the end
 *
 * The filter's bytes come at once, and split at every byte.
 */
#include "wire/milter/milter.h"

#include "lib/wire/wire_test.h"

#define NEGOTIATE(steps) "> O\6|1ff 1ff7ff", "< O\6 1ff " steps
#define BEGIN                                                                            \
	"> DCj|mail.example.com|{daemon_name}|mail.example.com|v|mailferry|"             \
	"{client_addr}|192.0.2.7|",                                                      \
		"> C[192.0.2.7]|4\x12\x34"                                               \
		"192.0.2.7|",                                                            \
		"< c", "> Hclient.example|", "< c"
#define MAIL                                                                             \
	"> DMi|id-1|{mail_addr}|a@b.example|{auth_authen}|carol|{auth_type}|PLAIN|",     \
		"> M<a@b.example>|SIZE=5|SMTPUTF8|", "< c"
#define RCPT "> DRi|id-1|{rcpt_addr}|u@example.com|", "> R<u@example.com>|NOTIFY=NEVER|"
#define DATA "> DTi|id-1|", "> T", "< c"
#define HEADER "> LSubject|two\n lines|", "< c", "> LX|y|", "< c", "> DNi|id-1|", "> N"
#define BODY "> Bbody\r\n", "< c"
#define END "> DEi|id-1|", "> E"
#define QUIT "> Q"
#define UP_TO_END NEGOTIATE("0"), BEGIN, MAIL, RCPT, "< c", DATA, HEADER, "< c", BODY, END
/* Nothing but the end is said, or is answered. */
#define END_ALONE NEGOTIATE("27f"), END

static const struct milter_recipient recipients[] = { { STR("u@example.com"),
	STR("NOTIFY=NEVER") } };
static const struct milter_mail mail = { .client = STR("192.0.2.7"),
	.port = 0x1234,
	.helo = STR("client.example"),
	.sender = STR("a@b.example"),
	.params = STR("SIZE=5 SMTPUTF8"),
	.recipients = recipients,
	.n_recipients = 1,
	.server = STR("mail.example.com"),
	.id = STR("id-1"),
	.user = STR("carol"),
	.message = STR("Subject: two\r\n lines\r\nX:y\r\n\r\nbody\r\n") };

static const struct row {
	const char *name;
	const char *lines[48];
} rows[] = {
	{ "all steps", { UP_TO_END, "< c", QUIT, "= accept" } },
	{ "it is at work", { UP_TO_END, "< p", "< p", "< a", QUIT, "= accept" } },
	{ "accepted at once",
		{ NEGOTIATE("0"),
			"> DCj|mail.example.com|{daemon_name}|"
			"mail.example.com|v|mailferry|{client_addr}|192.0.2.7|",
			"> C[192.0.2.7]|4\x12\x34"
			"192.0.2.7|",
			"< a", QUIT, "= accept" } },
	{ "steps are left out", { END_ALONE, "< a", QUIT, "= accept" } },
	{ "answers are left out",
		{ NEGOTIATE("df280"),
			"> DCj|mail.example.com|"
			"{daemon_name}|mail.example.com|v|mailferry|{client_addr}|192.0.2.7|",
			"> C[192.0.2.7]|4\x12\x34"
			"192.0.2.7|",
			"> Hclient.example|",
			"> DMi|id-1|{mail_addr}|a@b.example|{auth_authen}|carol|{auth_type}"
			"|PLAIN|",
			"> M<a@b.example>|SIZE=5|SMTPUTF8|", RCPT,
			"> LSubject|two\n lines|", "> LX|y|", "> DNi|id-1|", "> N",
			"> Bbody\r\n", END, "< c", QUIT, "= accept" } },
	{ "values with their space",
		{ NEGOTIATE("10025f"), "> LSubject| two\n lines|", "< c", "> LX|y|",
			"< c", END, "< hX-A| b|", "+ add X-A spaced: b", "< c", QUIT,
			"= accept" } },
	{ "macros that it wants", { "> O\6|1ff 1ff7ff", "< O\6 1ff 27f 0 i j|", END,
					  "< c", QUIT, "= accept" } },
	{ "version 2 has no DATA",
		{ "> O\6|1ff 1ff7ff", "< O\2 1f 7f", END, "< c", QUIT, "= accept" } },
	{ "no more body", { NEGOTIATE("26f"), "> Bbody\r\n", "< s", END, "< c", QUIT,
				  "= accept" } },
	{ "a recipient is refused",
		{ NEGOTIATE("0"), BEGIN, MAIL, RCPT, "< r", QUIT, "= reject" } },
	{ "a reply", { END_ALONE, "< y550 5.7.1 100%% spam\r\n550 5.7.1 more|", QUIT,
			     "= reply 550 5.7.1 100% spam" } },
	{ "a reply of several lines",
		{ END_ALONE, "< y450-4.7.1 no|", QUIT, "= reply 450 4.7.1 no" } },
	{ "421 ends no session",
		{ END_ALONE, "< y421 4.7.0 away|", QUIT, "= reply 451 4.7.0 away" } },
	{ "temporary", { END_ALONE, "< t", QUIT, "= tempfail" } },
	{ "its shutdown", { END_ALONE, "< 4", QUIT, "= tempfail" } },
	{ "discard", { END_ALONE, "< d", QUIT, "= discard" } },
	{ "quarantine",
		{ END_ALONE, "< qa virus|", "< a", QUIT, "= quarantine a virus" } },
	{ "quarantine, and refused",
		{ END_ALONE, "< qa virus|", "< r", QUIT, "= reject a virus" } },
	{ "changes",
		{ END_ALONE, "< hX-A|1|", "+ add X-A: 1", "< i\1X-B|2\n 3|",
			"+ insert 1 X-B: 2\n 3", "< m\2Subject||", "+ change 2 Subject: ",
			"< bnew", "+ body : new", "< bmore", "+ body : more",
			"< +<v@example.com>|", "+ recipient : v@example.com",
			"< 2<w@example.com>|NOTIFY=NEVER|", "+ recipient : w@example.com",
			"< -<u@example.com>|", "+ no recipient : u@example.com", "< e<>|",
			"+ sender : ", "< c", QUIT, "= accept" } },
	{ "no reply code", { END_ALONE, "< y250 2.0.0 fine|", "= broken" } },
	{ "a reply without an end", { END_ALONE, "< y550 5.7.1 spam", "= broken" } },
	{ "an answer that there is not", { END_ALONE, "< Z", "= broken" } },
	{ "a change before the end",
		{ NEGOTIATE("23f"), "> DNi|id-1|", "> N", "< hX|1|", "= broken" } },
	{ "half a change", { END_ALONE, "< hX-A|1", "= broken" } },
	{ "an index too short", { END_ALONE, "< m", "= broken" } },
	{ "skip where there is no body",
		{ NEGOTIATE("23f"), "> DNi|id-1|", "> N", "< s", "= broken" } },
	{ "not negotiated", { "> O\6|1ff 1ff7ff", "< c", "= broken" } },
	{ "negotiated twice", { END_ALONE, "< O\6 1ff 0", "= broken" } },
	{ "a version to come", { "> O\6|1ff 1ff7ff", "< O\7 1ff 0", "= broken" } },
	{ "actions to come", { "> O\6|1ff 1ff7ff", "< O\6 1000 0", "= broken" } },
	{ "steps that we have not", { "> O\6|1ff 1ff7ff", "< O\6 1ff 800", "= broken" } },
	{ "an HTTP server",
		{ "> O\6|1ff 1ff7ff", "!HTTP/1.1 400 Bad Request", "= broken" } },
	{ "an empty packet", { "> O\6|1ff 1ff7ff", "!|||||", "= broken" } },
};

struct run {
	const struct row *row;
	struct milter m;
	struct buf out, in;
	size_t step, known; /* of `in` the machine sees so much */
};

static void put_u32(struct buf *b, uint32_t n)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		assert_int_equal(buf_byte(b, (char)(n >> shift)), 0);
}

/* "O\6 1ff 27f": three numbers, then bytes; "i\1…", "m\1…": an index. */
static void put_answer(struct run *r, const char *line)
{
	struct buf data;
	const char *at = line + 1;
	unsigned may = 0, steps = 0;
	int used = 0;

	buf_init(&data, 0);
	assert_int_equal(buf_byte(&data, line[0]), 0);
	if (line[0] == 'O' && sscanf(at + 1, " %x %x%n", &may, &steps, &used) == 2) {
		put_u32(&data, (uint32_t)*at);
		put_u32(&data, may);
		put_u32(&data, steps);
		at += 1 + used;
	} else if ((line[0] == 'i' || line[0] == 'm') && *at) {
		put_u32(&data, (uint32_t)*at++);
	}
	for (; *at; at++)
		assert_int_equal(buf_byte(&data, (char)(*at == '|' ? '\0' : *at)), 0);
	put_u32(&r->in, (uint32_t)buf_len(&data));
	assert_int_equal(buf_append(&r->in, buf_view(&data)), 0);
	buf_fini(&data);
}

static uint32_t u32(struct str s)
{
	const unsigned char *b = (const unsigned char *)s.ptr;

	assert_true(s.len >= 4);
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void check_packet(struct run *r, const char *wanted)
{
	struct str out = buf_view(&r->out), packet;
	char text[512];
	size_t n = 0;

	if (out.len < 5 || out.len < 4 + (size_t)u32(out))
		fail_msg("%s: \"%s\" is not said", r->row->name, wanted);
	packet = str_of(out.ptr + 4, u32(out));
	if (packet.ptr[0] == 'O') {
		assert_int_equal(packet.len, 13);
		n = (size_t)snprintf(text, sizeof(text), "O%c|%x %x", packet.ptr[4],
			u32(str_skip(packet, 5)), u32(str_skip(packet, 9)));
	} else {
		for (size_t i = 0; i < packet.len && n < sizeof(text) - 1; i++)
			text[n++] = (char)(packet.ptr[i] ? packet.ptr[i] : '|');
	}
	SAME(r->row->name, str_of(text, n), str_from(wanted));
	buf_consume(&r->out, 4 + packet.len);
}

static const char *const kinds[] = { "add", "insert", "change", "body", "recipient",
	"no recipient", "sender" };

static void check_change(struct run *r, const char *wanted)
{
	const struct milter_change *c = &r->m.change;
	char text[256], index[16] = "";

	if (c->index)
		(void)snprintf(index, sizeof(index), "%u ", c->index);
	(void)snprintf(text, sizeof(text), "%s %s%.*s%s:%s%.*s", kinds[c->kind], index,
		STR_ARG(c->name), c->is_spaced ? " spaced" : "", c->is_spaced ? "" : " ",
		STR_ARG(c->value));
	SAME(r->row->name, str_from(text), str_from(wanted));
}

/* Until it says something, decides, or has seen all. */
static enum milter_action turn(struct run *r)
{
	enum milter_action action;
	size_t used;

	for (;;) {
		struct str input = exact_copy(str_take(buf_view(&r->in), r->known));

		action = milter_next(&r->m, input, &used);
		if (action == MILTER_CHANGED) { /* its views are those of the copy */
			struct milter_change *c = &r->m.change;
			const char *from = buf_view(&r->in).ptr;

			if (c->name.len)
				c->name.ptr = from + (c->name.ptr - input.ptr);
			c->value.ptr = from + (c->value.ptr - input.ptr);
		}
		exact_free(input);
		if (action == MILTER_NEED_MORE && r->known < buf_len(&r->in)) {
			assert_int_equal(used, 0);
			r->known += r->step;
			continue;
		}
		if (action == MILTER_CHANGED)
			return action;
		buf_consume(&r->in, used);
		r->known = r->known > used ? r->known - used : 0;
		if (action != MILTER_AGAIN || buf_len(&r->out))
			return action;
	}
}

static void check_end(struct run *r, enum milter_action action, const char *wanted)
{
	char text[300];

	(void)snprintf(text, sizeof(text), "%s%s%s",
		action == MILTER_DECIDED ? milter_verdict_name(r->m.verdict) : "broken",
		r->m.text[0] ? " " : "", r->m.text);
	if (action != MILTER_DECIDED && action != MILTER_BROKEN)
		fail_msg("%s: no end in %s", r->row->name, milter_state_name(r->m.state));
	SAME(r->row->name, str_from(text), str_from(wanted));
	assert_int_equal(buf_len(&r->out), 0);
}

static void line(struct run *r, const char *text, enum milter_action *action)
{
	size_t used = 4;

	switch (text[0]) {
	case '<':
		put_answer(r, text + 2);
		*action = turn(r);
		break;
	case '!':
		for (text++; *text; text++)
			assert_int_equal(
				buf_byte(&r->in, (char)(*text == '|' ? '\0' : *text)), 0);
		*action = turn(r);
		break;
	case '>':
		if (!buf_len(&r->out))
			*action = turn(r);
		check_packet(r, text + 2);
		break;
	case '+':
		assert_int_equal(*action, MILTER_CHANGED);
		check_change(r, text + 2);
		used += u32(buf_view(&r->in));
		buf_consume(&r->in, used);
		r->known = r->known > used ? r->known - used : 0;
		*action = MILTER_AGAIN;
		break;
	default:
		check_end(r, *action, text + 2);
		break;
	}
}

static void run(const struct row *row, size_t step)
{
	struct run r = { .row = row, .step = step };
	enum milter_action action = MILTER_AGAIN;

	buf_init(&r.in, 0);
	buf_init(&r.out, 0);
	milter_init(&r.m, &mail, &r.out);
	for (size_t i = 0; i < N_ROWS(row->lines) && row->lines[i]; i++)
		line(&r, row->lines[i], &action);
	milter_fini(&r.m);
	buf_fini(&r.in);
	buf_fini(&r.out);
}

static void test_dialogues(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		run(&rows[i], SIZE_MAX / 2);
		run(&rows[i], 1);
	}
}

/* What no packet may hold goes in parts, or is cut. */
static void test_large(void **state)
{
	struct milter_mail large = mail;
	struct milter m;
	struct buf out, message;
	size_t used, bodies = 0, fields = 0, longest = 0;
	enum milter_action action = MILTER_AGAIN;
	const char agreed[] = "\0\0\0\rO\0\0\0\6\0\0\1\xff\0\x0d\xf2\x80";

	(void)state;
	buf_init(&out, 2 * MILTER_PIECE + 100);
	buf_init(&message, 0);
	for (int i = 0; i < 90000; i++)
		assert_int_equal(buf_append_c(&message, i ? "x" : "Subject: "), 0);
	assert_int_equal(buf_append_c(&message, "\r\n\r\n"), 0);
	for (int i = 0; i < 200000; i++)
		assert_int_equal(buf_byte(&message, 'y'), 0);
	large.message = buf_view(&message);
	milter_init(&m, &large, &out);
	for (int i = 0; i < 100 && action == MILTER_AGAIN; i++) {
		struct str packets;

		action = milter_next(&m,
			m.state == MILTER_NEGOTIATE && m.awaits
				? str_of(agreed, sizeof(agreed) - 1)
				: STR_LIT(""),
			&used);
		for (packets = buf_view(&out); packets.len;
			packets = str_skip(packets, 4 + (size_t)u32(packets))) {
			bodies += packets.ptr[4] == 'B' ? u32(packets) - 1 : 0;
			fields += packets.ptr[4] == 'L';
			longest = u32(packets) > longest ? u32(packets) : longest;
		}
		buf_clear(&out);
	}
	assert_int_equal(action, MILTER_NEED_MORE);
	assert_int_equal(m.state, MILTER_END);
	assert_int_equal(fields, 1);
	assert_int_equal(bodies, 200000);
	assert_true(longest <= 65536);
	milter_fini(&m);
	buf_fini(&message);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogues),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
