/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/recent.h"

#include "base/clock.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define PLACES 4096u  /* each question has one; 1.7 MB, touched as they fill */
#define GOOD_MS 10000 /* what is due once a minute is late by that */

struct place {
	uint64_t generation; /* another one than now: free */
	uint64_t kept_at;    /* monotonic ms */
	size_t len;
	char text[RECENT_QUESTION_MAX];
	struct recent_answer answer;
};

struct recent {
	struct database_version version; /* of the generation's answers */
	uint64_t generation;
	struct place places[PLACES];
};

struct recent *recent_new(void)
{
	struct recent *r = calloc(1, sizeof(*r));

	if (r)
		r->generation = 1;
	return r;
}

static bool same(const struct database_version *a, const struct database_version *b)
{
	return memcmp(a->words, b->words, sizeof(a->words)) == 0;
}

/* Who makes two names meet makes them be asked each time. */
static struct place *place_of(struct recent *r, const struct recent_question *q)
{
	uint64_t hash = hash_bytes(HASH_FIRST, str_of(q->text, q->len));

	return &r->places[(hash ^ hash >> 32) % PLACES];
}

static bool is_good(const struct recent *r, const struct place *p)
{
	return p->generation == r->generation &&
	       clock_monotonic_ms() - p->kept_at < GOOD_MS;
}

static bool write_question(struct recent_question *q, const struct str *parts, size_t n)
{
	q->len = 0;
	for (size_t i = 0; i < n; i++) {
		if (parts[i].len >= sizeof(q->text) - q->len)
			return false;
		if (parts[i].len)
			memcpy(q->text + q->len, parts[i].ptr, parts[i].len);
		q->len += parts[i].len;
		q->text[q->len++] = '\0';
	}
	return true;
}

const struct recent_answer *recent_find(struct recent *r, struct database *d,
	const struct str *parts, size_t n, struct recent_question *ret)
{
	const struct place *p;

	if (!r || !write_question(ret, parts, n) || !database_version(d, &ret->version)) {
		ret->len = 0; /* not to be kept */
		return NULL;
	}
	p = place_of(r, ret);
	if (!same(&ret->version, &r->version) || p->len != ret->len ||
		memcmp(p->text, ret->text, p->len) != 0 || !is_good(r, p))
		return NULL;
	return &p->answer;
}

static void keep(struct recent *r, struct database *d, const struct recent_question *q,
	const struct recent_answer *answer)
{
	struct database_version now;
	struct place *p;

	if (!q->len || !database_version(d, &now) || !same(&now, &q->version))
		return;
	if (!same(&now, &r->version)) {
		r->version = now;
		r->generation++;
	}
	p = place_of(r, q);
	if (answer->is_news && is_good(r, p) && !p->answer.is_news)
		return;
	p->generation = r->generation;
	p->kept_at = clock_monotonic_ms();
	p->len = q->len;
	memcpy(p->text, q->text, q->len);
	p->answer = *answer;
}

void recent_keep(struct recent *r, struct database *d, const struct recent_question *q,
	const struct account_route *route, int64_t password)
{
	keep(r, d, q, &(struct recent_answer){ *route, password, false });
}

void recent_keep_news(struct recent *r, struct database *d,
	const struct recent_question *q, const struct account_route *route)
{
	keep(r, d, q, &(struct recent_answer){ *route, 0, true });
}

bool recent_fact(struct recent *r, struct database *d, const char *name,
	struct recent_question *ret, uint64_t *ret_number)
{
	/* no account and no address is asked for so */
	const struct str parts[] = { STR_LIT(""), STR_LIT("#"), str_from(name) };
	const struct recent_answer *before =
		recent_find(r, d, parts, sizeof(parts) / sizeof(parts[0]), ret);

	if (before)
		*ret_number = (uint64_t)before->password;
	return before != NULL;
}

void recent_keep_fact(struct recent *r, struct database *d,
	const struct recent_question *q, uint64_t number)
{
	recent_keep(r, d, q, &(struct account_route){ 0 }, (int64_t)number);
}
