/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Both machines before login, between a client that says anything and a model of an old
 * server (login_model.h), joined as the interceptor joins them. The promises:
 *
 *   - an OK is attributed only to the bytes that were sent for that attempt: the server
 *     has let in that very user by that very password, or (for another) nobody learns;
 *   - what is sent is one command, or what the server asked for, and it is sent when
 *     everything that the server said has been read.
 *
 * The first byte chooses the protocol, how the bytes are cut and whether the server is
 * the one that the user has moved to (the login is then written anew, and its
 * capabilities are asked for behind it); the second the dialect, the third how client and
 * server take turns, and whether the user moves behind the first attempt that the source
 * refuses. The two servers have other passwords: what one says counts at no other.
 */
#include "fuzz.h"

#include "login_model.h"
#include "wire/imap/upstream.h"
#include "wire/pop3/upstream.h"
#include "wire/sasl_login.h"

#include <stdlib.h>

#define COMMAND_MAX 20000 /* longer than what DIALECT_CUTS takes */
#define ROUNDS_MAX 4000

static void must(bool promise)
{
	if (!promise)
		abort();
}

enum talk_state { TALK_PRELOGIN, TALK_LOGIN, TALK_OVER };

struct talk {
	enum talk_state state;
	bool is_pop3, is_connected, is_elsewhere;
	bool moves;     /* between the first attempt and the second */
	bool is_let_in; /* elsewhere, and its capabilities are asked for */
	struct wire_login anew;
	struct arena arena;
	struct imap_prelogin imap;
	struct pop3_prelogin pop3;
	struct imap_upstream imap_source;
	struct pop3_upstream pop3_source;
	struct model model;
	struct buf from_client, from_source, to_source, replies;
	unsigned dialect;
};

static const struct imap_offer imap_offer = {
	.greeting = STR("* OK"),
	.capability = STR("IMAP4rev1 ID LITERAL+ SASL-IR AUTH=PLAIN AUTH=LOGIN "
			  "AUTH=CRAM-MD5 AUTH=XOAUTH2 AUTH=DIGEST-MD5"),
	.id = STR("NIL"),
	.starttls = true,
};
static const struct pop3_offer pop3_offer = {
	.greeting = STR("+OK ready <1@x>"),
	.capability = STR("SASL PLAIN LOGIN CRAM-MD5 XOAUTH2 DIGEST-MD5\r\nSTLS\r\n"),
	.starttls = true,
};

static const struct wire_login *login_of(const struct talk *t)
{
	return t->is_pop3 ? &t->pop3.login : &t->imap.login;
}

static void answered(struct talk *t)
{
	t->state = TALK_PRELOGIN;
	if (t->is_pop3)
		pop3_prelogin_answered(&t->pop3);
	else
		imap_prelogin_answered(&t->imap);
}

/* ---- the source's side ---- */

static void connect(struct talk *t)
{
	model_fini(&t->model);
	model_init(&t->model, t->dialect);
	t->model.is_destination = t->is_elsewhere;
	buf_clear(&t->from_source);
	t->is_connected = true;
	if (t->is_pop3) {
		pop3_upstream_init(&t->pop3_source);
		model_pop3_greet(&t->model);
	} else {
		imap_upstream_init(&t->imap_source, STR_LIT("q7"));
		model_imap_greet(&t->model);
	}
}

/* What is in to_source reaches the server, which answers. */
static void flush(struct talk *t)
{
	struct model *m = &t->model;
	unsigned before = m->commands;

	if (!buf_len(&t->to_source))
		return;
	if (!(m->dialect & (DIALECT_CHATTY | DIALECT_TWICE)))
		must(m->said == m->heard);
	must(buf_append(&m->in, buf_view(&t->to_source)) == 0);
	buf_clear(&t->to_source);
	if (t->is_pop3)
		model_pop3_read(m);
	else
		model_imap_read(m);
	must(m->commands - before <= 1);
	must(buf_len(&m->in) == 0);
}

static void send_login(struct talk *t)
{
	const struct wire_login *l = t->is_elsewhere ? &t->anew : login_of(t);
	int r = t->is_pop3 ? pop3_upstream_login(&t->pop3_source, l, &t->to_source)
	                   : imap_upstream_login(&t->imap_source, l, &t->to_source);

	must(r == 0);
}

static void send_line(struct talk *t)
{
	int r = t->is_pop3 ? pop3_upstream_answer(
				     &t->pop3_source, t->pop3.line, &t->to_source)
	                   : imap_upstream_answer(
				     &t->imap_source, t->imap.line, &t->to_source);

	must(r == 0);
}

static void accepted(const struct talk *t)
{
	const struct wire_login *l = login_of(t);
	const struct model_account *who = model_proved(&t->model);

	if (t->is_elsewhere) {
		must(who != NULL && who->at_destination);
		must(str_ieq(t->anew.user, str_from(who->name)));
		must(str_eq(t->anew.password, str_from(who->password)));
		return;
	}
	if (l->kind == LOGIN_STARTTLS || l->master.len || !l->user.ptr)
		return; /* nothing is learnt of anybody */
	must(who != NULL && who->at_source);
	must(str_ieq(l->user, str_from(who->name)));
	must(!l->password.ptr || str_eq(l->password, str_from(who->password)));
}

static void drop(struct talk *t)
{
	t->is_connected = false;
	buf_clear(&t->from_source);
	buf_clear(&t->to_source);
}

/* By another server than the source: IMAP's capabilities are known next. */
static void let_in(struct talk *t)
{
	if (t->is_let_in || !t->is_elsewhere || t->is_pop3) {
		t->state = TALK_OVER;
		return;
	}
	t->is_let_in = true;
	must(imap_upstream_ask_behind(
		     &t->imap_source, STR_LIT("CAPABILITY"), &t->to_source) == 0);
}

static void source_says(struct talk *t, enum upstream_event event)
{
	switch (event) {
	case UPSTREAM_GREETED:
		send_login(t);
		break;
	case UPSTREAM_CONTINUE:
		imap_prelogin_challenged(&t->imap);
		pop3_prelogin_challenged(&t->pop3);
		break;
	case UPSTREAM_OK:
		if (!t->is_let_in)
			accepted(t);
		let_in(t);
		break;
	case UPSTREAM_NO:
		if (t->is_let_in) {
			t->state = TALK_OVER;
			break;
		}
		drop(t);
		t->is_elsewhere = t->is_elsewhere || t->moves;
		answered(t);
		break;
	case UPSTREAM_BYE:
	case UPSTREAM_BROKEN:
		t->state = TALK_OVER;
		break;
	case UPSTREAM_NEED_MORE:
	case UPSTREAM_AGAIN:
	case UPSTREAM_UNTAGGED:
		break;
	}
}

static bool source_step(struct talk *t)
{
	struct str input = buf_view(&t->from_source), response;
	size_t used;
	enum upstream_event event = t->is_pop3
	                                    ? pop3_upstream_next(&t->pop3_source, input,
						      &response, &used, &t->to_source)
	                                    : imap_upstream_next(&t->imap_source, input,
						      &response, &used, &t->to_source);

	must(used <= input.len);
	buf_consume(&t->from_source, used);
	t->model.heard += used;
	source_says(t, event);
	flush(t);
	return event != UPSTREAM_NEED_MORE && t->is_connected && t->state != TALK_OVER;
}

static bool hear_source(struct talk *t, size_t piece)
{
	struct str said = buf_view(&t->model.out);

	if (!t->is_connected || !said.len)
		return false;
	/* POP3 has no tags: who says an answer twice is found out when both are there */
	if (t->dialect & DIALECT_TWICE && t->is_pop3)
		piece = said.len;
	must(buf_append(&t->from_source, str_take(said, piece)) == 0);
	buf_consume(&t->model.out, str_take(said, piece).len);
	while (source_step(t))
		continue;
	return true;
}

/* ---- the client's side ---- */

/* Elsewhere only a password is taken. */
static void begin_login(struct talk *t)
{
	const struct wire_login *l = login_of(t);

	t->state = TALK_LOGIN;
	if (t->is_elsewhere) {
		t->anew.kind = LOGIN_NONE;
		if (l->user.ptr && l->password.ptr)
			t->anew = sasl_login_anew(l->user, l->password);
	}
	if (t->is_elsewhere && t->anew.kind == LOGIN_NONE)
		answered(t);
	else
		connect(t);
}

static bool client_step(struct talk *t)
{
	struct str input = buf_view(&t->from_client);
	size_t used;
	enum prelogin_action action =
		t->is_pop3 ? pop3_prelogin_next(&t->pop3, input, &used, &t->replies)
			   : imap_prelogin_next(&t->imap, input, &used, &t->replies);

	must(used <= input.len);
	buf_consume(&t->from_client, used);
	buf_clear(&t->replies);
	if (action == PRELOGIN_LOGIN || action == PRELOGIN_EXCHANGE ||
		action == PRELOGIN_STARTTLS) {
		must(t->state == TALK_PRELOGIN && !t->is_connected);
		begin_login(t);
	} else if (action == PRELOGIN_EXCHANGE_LINE) {
		send_line(t);
		flush(t);
	} else if (action == PRELOGIN_CLOSE) {
		t->state = TALK_OVER;
	}
	return action != PRELOGIN_NEED_MORE && t->state != TALK_OVER;
}

static bool hear_client(struct talk *t, struct str *said, size_t piece)
{
	bool any = said->len > 0;

	must(buf_append(&t->from_client, str_take(*said, piece)) == 0);
	*said = str_skip(*said, piece);
	while (t->state != TALK_OVER && client_step(t))
		any = true;
	return any;
}

static void run(struct talk *t, struct str client, uint8_t cut, uint8_t turns)
{
	size_t client_piece = cut & 2 ? 1u + (cut >> 5) : SIZE_MAX / 2;
	size_t source_piece = cut & 4 ? 1u + (cut >> 5) : SIZE_MAX / 2;
	unsigned random = turns;
	bool any = true;

	for (unsigned i = 0; i < ROUNDS_MAX && any && t->state != TALK_OVER; i++) {
		random = random * 1103515245u + 12345u;
		any = false;
		if (random >> 16 & 1 || !client.len)
			any = hear_source(t, source_piece);
		if (t->state != TALK_OVER && (!any || random >> 17 & 1))
			any = hear_client(t, &client, client_piece) || any;
		if (!any && t->state != TALK_OVER)
			any = hear_source(t, source_piece);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct talk t = { 0 };

	if (size < 3)
		return 0;
	t.is_pop3 = data[0] & 1;
	t.is_elsewhere = (data[0] & 16) && !(data[2] & 128);
	t.moves = (data[0] & 16) && (data[2] & 128);
	t.dialect = data[1];
	/* with both, its OK is to all that it has asked for: nobody could tell */
	if (data[0] & 8)
		t.dialect = (t.dialect & ~(unsigned)DIALECT_TWICE) | DIALECT_HASTY;
	arena_init(&t.arena);
	model_init(&t.model, t.dialect);
	imap_prelogin_init(&t.imap, &imap_offer, &t.arena, COMMAND_MAX);
	pop3_prelogin_init(&t.pop3, &pop3_offer, &t.arena, COMMAND_MAX);
	run(&t, str_of(data + 3, size - 3), data[0], data[2]);
	model_fini(&t.model);
	buf_fini(&t.from_client);
	buf_fini(&t.from_source);
	buf_fini(&t.to_source);
	buf_fini(&t.replies);
	arena_fini(&t.arena);
	return 0;
}
