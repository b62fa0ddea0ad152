/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client that says anything: the server's answers are the same however its bytes are
   split, and what the source is told of a login is one line. The first byte chooses the
   step. */
#include "fuzz.h"

#include "wire/pop3/upstream.h"

#include <stdlib.h>

static const struct pop3_offer offer = { .greeting = STR("+OK <1@x>"),
	.capability = STR("TOP\r\nSASL PLAIN LOGIN CRAM-MD5\r\n"),
	.starttls = true };

static void must(bool promise)
{
	if (!promise)
		abort();
}

/* One line; whatever else there is waits for the source's answer. */
static void check_login(const struct wire_login *l)
{
	struct pop3_upstream u;
	struct buf line;
	struct str text;

	must(l->mechanism.len);
	buf_init(&line, 0);
	pop3_upstream_init(&u);
	u.state = POP3_UPSTREAM_IN_READY;
	must(pop3_upstream_login(&u, l, &line) == 0);
	text = buf_view(&line);
	must(str_index(text, '\n') + 1 == text.len);
	must(str_index(text, '\r') + 2 == text.len);
	must(str_index(text, '\0') == text.len);
	buf_fini(&line);
}

static bool act(struct pop3_prelogin *p, enum prelogin_action action)
{
	switch (action) {
	case PRELOGIN_NEED_MORE:
	case PRELOGIN_CLOSE:
		return false;
	case PRELOGIN_AGAIN:
		return true;
	case PRELOGIN_LOGIN:
		must(p->login.user.ptr);
		must(p->login.password.ptr || p->login.proof.kind == CHALLENGE_APOP);
		break;
	case PRELOGIN_EXCHANGE:
		check_login(&p->login);
		pop3_prelogin_challenged(p);
		return true;
	case PRELOGIN_EXCHANGE_LINE:
	case PRELOGIN_STARTTLS:
		break;
	}
	check_login(&p->login);
	pop3_prelogin_answered(p);
	return true;
}

static void run(struct str input, size_t step, struct buf *reply)
{
	struct pop3_prelogin p;
	struct arena arena;
	size_t start = 0, known = 0, used;
	enum prelogin_action action;

	arena_init(&arena);
	pop3_prelogin_init(&p, &offer, &arena, 300);
	do {
		known = input.len - known > step ? known + step : input.len;
		do {
			action = pop3_prelogin_next(&p,
				str_skip(str_take(input, known), start), &used, reply);
			start += used;
			must(start <= known);
		} while (act(&p, action));
	} while (action != PRELOGIN_CLOSE && known < input.len);
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, split;

	if (size < 1)
		return 0;
	buf_init(&whole, 0);
	buf_init(&split, 0);
	run(str_of(data + 1, size - 1), size, &whole);
	run(str_of(data + 1, size - 1), (size_t)data[0] + 1, &split);
	must(str_eq(buf_view(&whole), buf_view(&split)));
	buf_fini(&whole);
	buf_fini(&split);
	return 0;
}
