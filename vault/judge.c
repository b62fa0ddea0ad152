/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a password is right.
 *
 * While a proven password lies here sealed, it is compared with: scrypt would protect
 * nothing then. Of others (the admin has set one; the sealed ones are erased) there is a
 * verifier; what was right once is known again by a keyed hash in this process's memory,
 * so that a phone that polls costs nothing. And as long as nobody has committed anything
 * to the registry, the answer is the one of before, and nothing is read or opened for it.
 */
#include "vault/vault.h"
#include "wire/challenge.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

_Static_assert(FINGERPRINT_SIZE == crypto_generichash_KEYBYTES, "a key of libsodium's");

/* ── what was right once ───────────────────────────────────────────────────────────── */

/* Of a password, and of what it is right for: when that changes, old proofs are void. */
static int fingerprint(const struct vault *v, struct str of, struct str password,
	uint8_t ret[static FINGERPRINT_SIZE])
{
	crypto_generichash_state state;
	uint64_t len = of.len;
	int r = crypto_generichash_init(
		&state, v->fingerprint_key, sizeof(v->fingerprint_key), FINGERPRINT_SIZE);

	r |= crypto_generichash_update(&state, (const unsigned char *)&len, sizeof(len));
	r |= crypto_generichash_update(&state, (const unsigned char *)of.ptr, of.len);
	r |= crypto_generichash_update(
		&state, (const unsigned char *)password.ptr, password.len);
	r |= crypto_generichash_final(&state, ret, FINGERPRINT_SIZE);
	sodium_memzero(&state, sizeof(state));
	return r ? -EIO : 0;
}

static size_t place_number(const uint8_t print[static FINGERPRINT_SIZE])
{
	return (size_t)print[0] << 8 | print[1];
}

static uint8_t *place_of(struct vault *v, const uint8_t print[static FINGERPRINT_SIZE])
{
	return v->fingerprints[place_number(print) % FINGERPRINTS];
}

/* Another password makes another verifier. */
static bool is_remembered(struct vault *v, struct str verifiers, struct str password)
{
	uint8_t print[FINGERPRINT_SIZE];

	return fingerprint(v, verifiers, password, print) == 0 &&
	       sodium_memcmp(place_of(v, print), print, FINGERPRINT_SIZE) == 0;
}

void judge_remember(struct vault *v, struct str verifiers, struct str password)
{
	uint8_t print[FINGERPRINT_SIZE];

	if (fingerprint(v, verifiers, password, print) == 0)
		memcpy(place_of(v, print), print, FINGERPRINT_SIZE);
}

/* ── what was right a moment ago ───────────────────────────────────────────────────── */

struct recent_question {
	struct registry_version version; /* before anything is read */
	uint8_t print[FINGERPRINT_SIZE];
	bool can_be_kept;
};

static void recent_ask(
	const struct vault *v, const struct question *q, struct recent_question *ret)
{
	struct {
		struct registry_version version;
		int64_t account;
	} of = { .account = q->account };

	*ret = (struct recent_question){ 0 };
	if (q->proof || !registry_version(v->registry, &of.version))
		return;
	ret->version = of.version;
	ret->can_be_kept =
		fingerprint(v, str_of(&of, sizeof(of)), q->password, ret->print) == 0;
}

static struct recent_right *recent_place(
	const struct vault *v, const struct recent_question *r)
{
	return &v->recent[place_number(r->print) % RECENT_PLACES];
}

/* Of which account. Empty: it is not known. */
static struct str recent_find(
	const struct vault *v, const struct recent_question *r, struct arena *arena)
{
	const struct recent_right *place = recent_place(v, r);

	if (!r->can_be_kept || !place->len ||
		sodium_memcmp(place->print, r->print, FINGERPRINT_SIZE) != 0)
		return STR_LIT("");
	return arena_str(arena, str_of(place->name, place->len));
}

/* Unless somebody has committed while it was judged. */
static void recent_keep(
	const struct vault *v, const struct recent_question *r, struct str name)
{
	struct recent_right *place = recent_place(v, r);
	struct registry_version now;

	if (!r->can_be_kept || !name.len || name.len > sizeof(place->name) ||
		!registry_version(v->registry, &now) ||
		memcmp(&now, &r->version, sizeof(now)) != 0)
		return;
	memcpy(place->print, r->print, FINGERPRINT_SIZE);
	memcpy(place->name, name.ptr, name.len);
	place->len = name.len;
}

/* ── one question ──────────────────────────────────────────────────────────────────── */

/* What a walk over the account's passwords finds. */
struct search {
	struct vault *vault;
	const struct question *question;
	struct str name;
	bool is_right;
	bool has_sealed, has_any;
	struct buf verifiers; /* of those that cannot be compared with */
	struct arena arena;   /* wiped afterwards */
};

/* One that opens the mailbox and can be looked into: sealed by us once it was proven. A
   candidate that somebody calls proven is a box. */
static bool open_proven(struct search *s, const struct password *p, struct str *ret)
{
	bool proven = false;

	return p->proven_at && p->sealed.len && str_eq(p->account_name, s->name) &&
	       seal_open(&s->vault->keys, s->name, p->sealed, &s->arena, ret, &proven) ==
	               0 &&
	       proven;
}

static int add_verifier(struct search *s, const struct password *p)
{
	struct str verifier;
	int r = 0;

	if (verifier_unbind(&s->vault->keys, s->name, p->verifier, &verifier) < 0)
		return 0;
	s->has_any = true;
	if (buf_len(&s->verifiers))
		r = buf_byte(&s->verifiers, '\n');
	return r < 0 ? r : buf_append(&s->verifiers, verifier);
}

static int look_at(void *context, const struct password *p)
{
	struct search *s = context;
	const struct question *q = s->question;
	struct str right;

	if (!open_proven(s, p, &right))
		return add_verifier(s, p);
	s->has_sealed = s->has_any = true;
	s->is_right = q->proof ? challenge_check(q->proof, right) == 0
	                       : seal_same(q->password, right);
	return s->is_right;
}

/* A digest needs the password in clear: a verifier cannot tell. */
static enum verdict not_sealed(
	struct search *s, struct arena *arena, struct judgement *ret)
{
	struct str verifiers = buf_view(&s->verifiers);

	if (s->question->proof)
		return s->has_sealed && !verifiers.len ? VERDICT_WRONG
		                                       : VERDICT_NO_PASSWORD;
	if (!verifiers.len)
		return s->has_any ? VERDICT_WRONG : VERDICT_UNKNOWN;
	ret->verifiers = arena_str(arena, verifiers);
	if (!ret->verifiers.ptr)
		return VERDICT_UNKNOWN;
	if (is_remembered(s->vault, verifiers, s->question->password))
		return VERDICT_RIGHT;
	ret->needs_scrypt = true;
	return VERDICT_UNKNOWN;
}

static enum verdict judge_account(struct vault *v, const struct question *q,
	struct str name, struct arena *arena, struct judgement *ret)
{
	struct search s = { .vault = v, .question = q, .name = name };
	enum verdict verdict;
	int n;

	arena_init(&s.arena);
	buf_init(&s.verifiers, 0);
	n = registry_each_password(v->registry, q->account, look_at, &s, NULL);
	verdict = n < 0        ? VERDICT_UNKNOWN
	          : s.is_right ? VERDICT_RIGHT
	                       : not_sealed(&s, arena, ret);
	buf_fini(&s.verifiers);
	arena_fini(&s.arena);
	return verdict;
}

void judge(struct vault *v, const struct question *q, struct arena *arena,
	struct judgement *ret)
{
	struct account a;
	struct judgement answer = { .verdict = VERDICT_UNKNOWN };
	struct recent_question recent;

	recent_ask(v, q, &recent);
	answer.name = recent_find(v, &recent, arena);
	if (answer.name.len) {
		answer.verdict = VERDICT_RIGHT;
		*ret = answer;
		return;
	}
	/* who is not served here is not judged here either */
	if (registry_find_id(v->registry, q->account, arena, &a, NULL) == 0 &&
		a.route == ROUTE_LOCAL) {
		answer.name = a.name;
		answer.verdict = a.is_disabled
		                         ? VERDICT_WRONG
		                         : judge_account(v, q, a.name, arena, &answer);
	}
	if (answer.verdict == VERDICT_RIGHT)
		recent_keep(v, &recent, answer.name);
	*ret = answer;
}

int judge_ticket(struct vault *v, const struct ticket_bearer *bearer, uint64_t now_ms,
	char ret[static TICKET_SIZE])
{
	return ticket_make(&v->ticket_key, v->next_serial++, now_ms, bearer, ret);
}

/* ── is it kept already ────────────────────────────────────────────────────────────── */

struct comparison {
	struct vault *vault;
	struct str box;
	int64_t id;
};

static int compare(void *context, const struct password *p)
{
	struct comparison *c = context;
	const struct vault_keys *keys = &c->vault->keys;
	struct arena arena;
	struct str kept, shown;
	bool proven, same;

	arena_init(&arena);
	same = p->sealed.len &&
	       seal_open(keys, p->account_name, p->sealed, &arena, &kept, &proven) == 0 &&
	       seal_open(keys, p->account_name, c->box, &arena, &shown, &proven) == 0 &&
	       seal_same(kept, shown);
	arena_fini(&arena);
	if (same)
		c->id = p->id;
	return same;
}

int64_t judge_same(struct vault *v, int64_t account, struct str box)
{
	struct comparison c = { .vault = v, .box = box };

	(void)registry_each_password(v->registry, account, compare, &c, NULL);
	return c.id;
}
