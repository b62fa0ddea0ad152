/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mail server that says anything to the LMTP server, in pieces: a byte that says how
 * the caller answers, a length, that many bytes. Promised: a message is begun, given,
 * ended or forgotten in an order that makes sense, and each accepted recipient of one
 * that has ended hears one answer, "250" only when its delivery was answered so.
 */
#include "fuzz.h"

#include "wire/smtp/lmtp.h"

#include <stdlib.h>

struct play {
	struct lmtp lmtp;
	struct buf in, out;
	bool is_open, is_ending, closed;
	unsigned char mood; /* what the caller answers */
};

static void must(bool promise)
{
	if (!promise)
		abort();
}

static void route(struct play *p)
{
	static const struct str accounts[] = { STR("alice"), STR("bob"), STR("carol") };
	unsigned which = p->mood++;

	must(p->lmtp.recipient && p->lmtp.recipient->address.len);
	lmtp_routed(&p->lmtp,
		which % 3 ? LMTP_ROUTE_LOCAL
			  : (enum lmtp_route)(which / 3 % LMTP_ROUTE_COUNT),
		accounts[which % 5 % 3]);
}

/* How often a line begins with "250". */
static size_t count(struct str text, bool is_good)
{
	size_t n = 0;

	while (text.len)
		n += str_starts(str_split(&text, '\n'), STR_LIT("250")) == is_good;
	return n;
}

static void end(struct play *p)
{
	size_t n = p->lmtp.deliveries.n, total = p->lmtp.n_accepted, good = 0;
	unsigned long taken = 0;

	must(n > 0 && n <= 3 && total >= n);
	for (size_t i = 0; i < n; i++) {
		unsigned how = p->mood++ % 3;

		if (how)
			lmtp_answer(&p->lmtp, i,
				how == 1 ? STR_LIT("") : STR_LIT("452 4.2.2 full"));
		taken |= (unsigned long)(how == 1) << i;
	}
	for (const struct lmtp_accepted *a = p->lmtp.accepted; a; a = a->next)
		good += taken >> a->delivery & 1;
	buf_clear(&p->out);
	lmtp_done(&p->lmtp);
	must(count(buf_view(&p->out), true) == good);
	must(count(buf_view(&p->out), false) == total - good);
	p->is_open = p->is_ending = false;
}

static void act(struct play *p, enum lmtp_action action)
{
	switch (action) {
	case LMTP_ROUTE:
		route(p);
		break;
	case LMTP_BEGIN:
		must(!p->is_open && p->lmtp.sender.ptr && p->lmtp.deliveries.first);
		p->is_open = p->mood++ % 7 != 6;
		lmtp_begun(&p->lmtp, p->is_open ? NULL : "451 4.3.0 not now");
		break;
	case LMTP_BYTES:
		must(p->is_open && p->lmtp.bytes.len > 0);
		if (p->mood++ % 31 == 30)
			lmtp_write_failed(&p->lmtp, "452 4.3.1 full");
		break;
	case LMTP_END:
		must(p->is_open && p->lmtp.size <= p->lmtp.offer.size_max);
		p->is_ending = true;
		break;
	case LMTP_FORGET:
		must(p->is_open && !p->is_ending);
		p->is_open = false;
		break;
	case LMTP_CLOSE:
		must(!p->is_open);
		p->closed = true;
		break;
	case LMTP_NEED_MORE:
	case LMTP_AGAIN:
		break;
	}
}

static void turn(struct play *p)
{
	enum lmtp_action action = LMTP_AGAIN;

	while (action != LMTP_NEED_MORE && !p->closed) {
		size_t used;

		action = lmtp_next(&p->lmtp, buf_view(&p->in), &used);
		must(used <= buf_len(&p->in) && (!p->is_ending || !used));
		act(p, action);
		buf_consume(&p->in, used);
		buf_clear(&p->out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct lmtp_offer offer = { .name = STR("mx"), .size_max = 100 };
	struct str input = str_of(data, size);
	struct play p = { .mood = (unsigned char)size };

	buf_init(&p.in, 0);
	buf_init(&p.out, 0);
	lmtp_init(&p.lmtp, &offer, &p.out);
	while (input.len > 2 && !p.closed) {
		size_t len = (unsigned char)input.ptr[1];

		p.mood = (unsigned char)(p.mood + (unsigned char)input.ptr[0]);
		must(buf_append(&p.in, str_take(str_skip(input, 2), len)) == 0);
		input = str_skip(input, 2 + len);
		turn(&p);
		if (p.is_ending && p.mood & 1)
			end(&p);
	}
	lmtp_fini(&p.lmtp);
	buf_fini(&p.in);
	buf_fini(&p.out);
	return 0;
}
