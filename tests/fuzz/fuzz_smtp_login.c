/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The SMTP proxy between a client that says anything and a model of an old server
 * (login_model.h) whose answers come when the input wants them to. The promise: an OK is
 * attributed only to the bytes that were sent for that attempt. The server has let in
 * that very user by that very password, or nobody learns.
 *
 * The first byte chooses what is offered, the next two the dialect, the fourth how long a
 * line the server takes whole. Then comes a script, a byte each:
 *
 *   0x01 0x02   as many "x" or blanks as make the line as long as that
 *   0x03        what the client has said is sent
 *   0x04        the server's next answer arrives
 *   0x05        all its answers do
 *   0x80 ...    a word (below)
 *   others      the client's, as they are
 */
#include "fuzz.h"

#include "login_model.h"
#include "wire/smtp/proxy.h"

#include <stdlib.h>

#define CLIENT_MAX 65536
#define PADS_MAX 8 /* of a script: more only take time */

static void must(bool promise)
{
	if (!promise)
		abort();
}

struct talk {
	struct smtp_proxy proxy;
	struct smtp_offer offer;
	struct model model;
	struct buf line, from_client, from_source, to_client, to_source;
	size_t line_max;
	unsigned dialect, pads;
	bool is_connected, is_over;
	bool knows_senders; /* who were accepted before: the source hears of MAIL late */
	bool renews;        /* behind TLS the source is connected to anew */
};

/* What attacks are made of: "alice" and "aa" are the victim's, "mm" and "*" are known to
   the client, "by" is its choice. */
static const char *const words[] = {
	"\r\n", "EHLO x\r\n", "HELO x\r\n", "EHLO ", "NOOP ", "STARTTLS ", "STARTTLS\r\n",
	"RSET\r\n", "AUTH PLAIN ", "AUTH PLAIN\r\n", "AUTH LOGIN ", "AUTH LOGIN\r\n",
	"AUTH CRAM-MD5\r\n", "AUTH CRAM-MD5 ", "AUTH DIGEST-MD5\r\n", "AUTH XOAUTH2 ",
	"AUTH XOAUTH2\r\n", "MAIL FROM:<a@x>\r\n", "RCPT TO:<b@x>\r\n", "DATA\r\n",
	".\r\n", "BDAT 4\r\n", "XCLIENT NAME=x\r\n", "*\r\n",
	"AG1hbGxvcnkAbW0=",                         /* PLAIN: mallory, mm */
	"AGFsaWNlAGJ5",                             /* alice, by */
	"AGFsaWNlAGFh",                             /* alice, aa */
	"YWxpY2UAbWFsbG9yeQBtbQ==",                 /* mallory, mm, for alice */
	"YWxpY2U=",                                 /* alice */
	"bWFsbG9yeQ==",                             /* mallory */
	"ZXZl",                                     /* eve, whose password is "*" */
	"bW0=",                                     /* mm */
	"Ynk=",                                     /* by */
	"bWFsbG9yeSBtbQ==",                         /* CRAM: mallory mm */
	"YWxpY2UgYnk=",                             /* alice by */
	"dXNlcm5hbWU9Im1hbGxvcnkiLHJlc3BvbnNlPW1t", /* DIGEST: mallory, mm */
	"dXNlcm5hbWU9ImFsaWNlIg==",                 /* alice's name */
	"dXNlcj1hbGljZQEB",                         /* XOAUTH2: alice's name */
	"dXNlcj1tYWxsb3J5AWF1dGg9QmVhcmVyIG1tAQEB", /* mallory, mm */
};
#define N_WORDS (sizeof(words) / sizeof(words[0]))

/* ---- the source ---- */

static void connect(struct talk *t)
{
	model_fini(&t->model);
	model_init(&t->model, t->dialect);
	t->model.line_max = t->line_max;
	buf_clear(&t->from_source);
	t->is_connected = true;
	model_smtp_greet(&t->model);
}

static void flush(struct talk *t)
{
	if (t->is_connected) {
		must(buf_append(&t->model.in, buf_view(&t->to_source)) == 0);
		model_smtp_read(&t->model);
	}
	buf_clear(&t->to_source);
	buf_clear(&t->to_client);
}

/* ---- the caller ---- */

/* As interceptor/smtp/login.c has it: of a proof for another nobody is learnt. */
static void accepted(const struct talk *t)
{
	const struct smtp_login *l = &t->proxy.login;
	const struct model_account *who = model_proved(&t->model);

	if (!l->user.ptr || l->master.len)
		return;
	must(who != NULL);
	must(str_ieq(l->user, str_from(who->name)));
	must(!l->password.ptr || str_eq(l->password, str_from(who->password)));
}

static void begin_tls(struct talk *t)
{
	if (buf_len(&t->from_client)) {
		t->is_over = true;
		return;
	}
	smtp_proxy_tls_begun(&t->proxy);
	if (t->renews && t->is_connected) {
		connect(t);
		smtp_proxy_source_renewed(&t->proxy);
	}
}

static void act(struct talk *t, enum smtp_proxy_action action)
{
	switch (action) {
	case SMTP_PROXY_ROUTE:
		smtp_proxy_routed(&t->proxy, SMTP_ROUTE_SOURCE, STR_LIT(""));
		break;
	case SMTP_PROXY_KNOWN_SENDER:
		smtp_proxy_sender_known(&t->proxy, t->knows_senders);
		break;
	case SMTP_PROXY_RENEW_SOURCE:
		connect(t);
		smtp_proxy_source_reopened(&t->proxy);
		break;
	case SMTP_PROXY_CHECK:
		smtp_proxy_checked(&t->proxy, SMTP_CHECK_SOURCE);
		break;
	case SMTP_PROXY_AUTHENTICATED:
		accepted(t);
		break;
	case SMTP_PROXY_START_TLS:
		begin_tls(t);
		break;
	case SMTP_PROXY_DROP_SOURCE:
		t->is_connected = false;
		buf_clear(&t->from_source);
		break;
	case SMTP_PROXY_UPGRADE:
	case SMTP_PROXY_CLOSE:
		t->is_over = true;
		break;
	case SMTP_PROXY_NEED_MORE:
	case SMTP_PROXY_AGAIN:
	case SMTP_PROXY_AT_SOURCE:
	case SMTP_PROXY_REMEMBER:
	case SMTP_PROXY_FORGET:
	case SMTP_PROXY_LOGIN_REFUSED:
		break;
	case SMTP_PROXY_STAGE_BEGIN:
	case SMTP_PROXY_STAGE_BYTES:
	case SMTP_PROXY_STAGE_END:
	case SMTP_PROXY_COMMIT:
	case SMTP_PROXY_REPORT:
	case SMTP_PROXY_ABORT:
	case SMTP_PROXY_CONNECT_RELAY:
	case SMTP_PROXY_TRACE:
		must(false); /* nobody lives here */
	}
}

static void turn(struct talk *t)
{
	enum smtp_proxy_action action = SMTP_PROXY_AGAIN;

	while (action != SMTP_PROXY_NEED_MORE && !t->is_over) {
		struct smtp_proxy_io io = { .client = buf_view(&t->from_client),
			.source = buf_view(&t->from_source) };

		action = smtp_proxy_next(&t->proxy, &io);
		buf_consume(&t->from_client, io.client_used);
		buf_consume(&t->from_source, io.source_used);
		t->model.heard += io.source_used;
		flush(t);
		act(t, action);
		flush(t);
	}
}

/* ---- the script ---- */

static void send(struct talk *t)
{
	must(buf_append(&t->from_client, buf_view(&t->line)) == 0);
	buf_clear(&t->line);
	turn(t);
}

/* How much of the server's words is its next answer. */
static size_t next_answer(const struct model *m)
{
	size_t begin = m->said - buf_len(&m->out);

	for (size_t i = 0; i < m->n_answers; i++)
		if (m->answers[i].end > begin)
			return m->answers[i].end - begin;
	return 0;
}

static void hear(struct talk *t, size_t n)
{
	struct str said = str_take(buf_view(&t->model.out), n);

	if (!t->is_connected || !said.len)
		return;
	must(buf_append(&t->from_source, said) == 0);
	buf_consume(&t->model.out, said.len);
	turn(t);
}

static void pad(struct talk *t, char c)
{
	struct str said = buf_view(&t->line);
	size_t begin = said.len;

	if (t->pads++ >= PADS_MAX)
		return;
	while (begin > 0 && said.ptr[begin - 1] != '\n')
		begin--;
	for (size_t n = said.len - begin; n < t->line_max; n++)
		must(buf_byte(&t->line, c) == 0);
}

static void step(struct talk *t, uint8_t byte)
{
	if (byte == 1 || byte == 2)
		pad(t, byte == 1 ? 'x' : ' ');
	else if (byte == 3)
		send(t);
	else if (byte == 4)
		hear(t, next_answer(&t->model));
	else if (byte == 5)
		hear(t, buf_len(&t->model.out));
	else if (byte >= 0x80)
		must(buf_append(&t->line, str_from(words[byte % 0x80 % N_WORDS])) == 0);
	else
		must(buf_byte(&t->line, (char)byte) == 0);
}

static void run(struct talk *t, const uint8_t *script, size_t size)
{
	smtp_proxy_source_connected(&t->proxy);
	connect(t);
	for (size_t i = 0; i < size && i < CLIENT_MAX && !t->is_over; i++)
		step(t, script[i]);
	send(t);
	/* what is said last may have more behind it */
	for (unsigned i = 0; i < MODEL_ANSWERS_MAX && !t->is_over; i++)
		hear(t, next_answer(&t->model));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t limits[] = { 510, 998, 1000, 2000, 2047, 1024, 512, 514 };
	struct talk t = { 0 };

	if (size < 4)
		return 0;
	t.offer = (struct smtp_offer){ .name = STR("mx"),
		.tls = (enum smtp_tls)(data[0] % 3),
		.nobody_here = data[0] & 4,
		.policy = data[0] & 8,
		.size_max = 100 };
	t.knows_senders = data[0] & 16;
	t.renews = data[0] & 32;
	t.dialect = data[1] | (data[2] & 7u) << 8;
	if (t.dialect & DIALECT_HASTY) /* its OK could be to anything */
		t.dialect &= ~(unsigned)(DIALECT_TWICE | DIALECT_DEAF);
	t.line_max = limits[data[3] % 8] + (data[3] >> 4 & 3);
	smtp_proxy_init(&t.proxy, &t.offer, &t.to_client, &t.to_source);
	run(&t, data + 4, size - 4);
	smtp_proxy_fini(&t.proxy);
	model_fini(&t.model);
	buf_fini(&t.line);
	buf_fini(&t.from_client);
	buf_fini(&t.from_source);
	buf_fini(&t.to_client);
	buf_fini(&t.to_source);
	return 0;
}
