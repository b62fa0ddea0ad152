/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client that says anything: the server's answers are the same however its bytes are
   split, and every login can be replayed. The first byte chooses the step. */
#include "fuzz.h"

#include "wire/pop3/prelogin.h"

#include <stdlib.h>

static const struct pop3_offer offer = { .greeting = STR("+OK <1@x>"),
	.capability = STR("TOP\r\nSASL PLAIN LOGIN CRAM-MD5\r\n"),
	.starttls = true };

static void must(bool promise)
{
	if (!promise)
		abort();
}

static void check_login(const struct wire_login *l)
{
	must(l->n_steps >= 1 && l->n_steps <= WIRE_LOGIN_STEPS_MAX && l->mechanism.len);
	for (size_t i = 0; i < l->n_steps; i++) {
		size_t newline = str_index(l->steps[i], '\n');

		must(newline + 1 == l->steps[i].len && newline >= 1);
	}
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
		if (p->state == POP3_PRELOGIN_IN_EXCHANGE)
			return true; /* the first line of the exchange comes next */
		break;
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
