/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/ticket.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#define PERIODS_MAX 4096 /* two years without a login: further back nothing is kept */

/* out = SHA-256(label | secret): one way, and another for each label. */
static bool derive(const unsigned char secret[static TLS_TICKET_SECRET],
	const char *label, unsigned char out[static 32])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
	          EVP_DigestUpdate(ctx, label, strlen(label)) &&
	          EVP_DigestUpdate(ctx, secret, TLS_TICKET_SECRET) &&
	          EVP_DigestFinal_ex(ctx, out, NULL);

	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool make_key(
	const unsigned char secret[static TLS_TICKET_SECRET], struct tls_ticket_key *ret)
{
	unsigned char name[32];

	ret->is_set = derive(secret, "mailferry ticket name", name) &&
	              derive(secret, "mailferry ticket cipher", ret->cipher) &&
	              derive(secret, "mailferry ticket mac", ret->mac);
	memcpy(ret->name, name, sizeof(ret->name));
	return ret->is_set;
}

int tls_tickets_init(struct tls_tickets *t,
	const unsigned char secret[static TLS_TICKET_SECRET], uint64_t now_s)
{
	*t = (struct tls_tickets){ .period = now_s / TLS_TICKET_PERIOD_S };
	memcpy(t->secret, secret, sizeof(t->secret));
	return make_key(t->secret, &t->keys[0]) ? 0 : -EIO;
}

void tls_tickets_fini(struct tls_tickets *t)
{
	OPENSSL_cleanse(t, sizeof(*t));
}

static bool make_next(unsigned char secret[static TLS_TICKET_SECRET])
{
	unsigned char next[TLS_TICKET_SECRET];
	bool ok = derive(secret, "mailferry ticket next", next);

	if (ok)
		memcpy(secret, next, TLS_TICKET_SECRET);
	OPENSSL_cleanse(next, sizeof(next));
	return ok;
}

int tls_tickets_age(
	unsigned char secret[static TLS_TICKET_SECRET], uint64_t *made_s, uint64_t now_s)
{
	uint64_t period = *made_s / TLS_TICKET_PERIOD_S;
	uint64_t now = now_s / TLS_TICKET_PERIOD_S;
	bool ok = true;

	/* a clock that was set that far: tls_tickets_init() comes to terms with it */
	if (now > period + PERIODS_MAX)
		return 0;
	for (; ok && period + TLS_TICKET_KEYS - 1 < now; period++) {
		ok = make_next(secret);
		*made_s = (period + 1) * TLS_TICKET_PERIOD_S;
	}
	return ok ? 0 : -EIO;
}

static bool step(struct tls_tickets *t)
{
	bool ok = make_next(t->secret);

	memmove(&t->keys[1], &t->keys[0], sizeof(t->keys) - sizeof(t->keys[0]));
	t->period++;
	return ok && make_key(t->secret, &t->keys[0]);
}

static bool advance(struct tls_tickets *t, uint64_t now_s)
{
	uint64_t period = now_s / TLS_TICKET_PERIOD_S;

	if (period > t->period + PERIODS_MAX) /* the clock was set */
		t->period = period - PERIODS_MAX;
	while (t->period < period)
		if (!step(t))
			return false;
	return t->keys[0].is_set;
}

const struct tls_ticket_key *tls_tickets_current(struct tls_tickets *t, uint64_t now_s)
{
	return advance(t, now_s) ? &t->keys[0] : NULL;
}

const struct tls_ticket_key *tls_tickets_find(struct tls_tickets *t,
	const unsigned char name[static TLS_TICKET_NAME], uint64_t now_s)
{
	if (!advance(t, now_s))
		return NULL;
	for (size_t i = 0; i < TLS_TICKET_KEYS; i++)
		if (t->keys[i].is_set &&
			memcmp(t->keys[i].name, name, TLS_TICKET_NAME) == 0)
			return &t->keys[i];
	return NULL;
}
