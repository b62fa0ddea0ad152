/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/pop3_source.h"

#include "base/arena.h"
#include "base/clock.h"
#include "transfer/read/pace.h"
#include "transfer/read/pop3_listing.h"
#include "transfer/read/spool.h"
#include "wire/mime/date.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_MS 180000 /* a login that reads a huge mbox file takes minutes */
#define WHY_MAX 200        /* of a refused message */
#define LEAVE_MS 5000      /* what is under way comes; the user waits no longer for us */
#define THE_CONNECTION 0

struct fetch_job {
	const struct wanted *first;
	size_t n;
};

struct pop3_source {
	struct arena secrets; /* the login: wiped with it */
	char *spool_folder;
	struct sockaddr_storage addresses[POP3_SOURCE_ADDRESSES_MAX];
	size_t n_addresses;
	struct str login, password;
	unsigned patience_ms;
	struct source_dialer dialer;
	struct pop3_connection pop3; /* fd -1: no session */
	struct pop3_listing listing;
	struct spool spool;

	bool wants_folders, wants_list, wants_status, wants_tail; /* queued */
	bool has_tail;
	struct source_tail tail;
	char *tail_last;
	uint32_t tail_first; /* of the list that is wanted */
	size_t folder;
	struct fetch_job *jobs;
	size_t n_jobs, jobs_cap;

	/* while run() works */
	const struct source_events *events;
	struct error *err;
	struct fetch_job job;
	char why[WHY_MAX]; /* one of the job was refused */
};

/* ── the session ───────────────────────────────────────────────────────────────────── */

typedef int attempt_fn(
	struct pop3_source *s, const struct sockaddr_storage *to, struct error *err);

static int greet_at(
	struct pop3_source *s, const struct sockaddr_storage *to, struct error *err)
{
	return pop3_connection_greet(&s->pop3, to, err);
}

static int log_in_at(
	struct pop3_source *s, const struct sockaddr_storage *to, struct error *err)
{
	return pop3_connection_login(&s->pop3, to, s->login, s->password, err);
}

static int try_each(struct pop3_source *s, attempt_fn *attempt, struct error *err)
{
	int r = error_set(err, -EDESTADDRREQ, "no address of the source is known");

	for (size_t i = 0; i < s->n_addresses; i++) {
		pop3_connection_init(&s->pop3, s->patience_ms, NULL, NULL);
		s->pop3.dialer = s->dialer;
		r = attempt(s, &s->addresses[i], err);
		if (r == 0)
			break;
		source_connection_close(&s->pop3.net);
		/* only who did not answer may have another address */
		if (r == -EACCES || r == -EAGAIN)
			break;
	}
	return r;
}

/* One that was greeted a while ago may be closed by now: then anew. */
static int pop3_connect(void *self, struct error *err)
{
	struct pop3_source *s = self;

	if (source_connection_is_open(&s->pop3.net) && !s->pop3.is_greeted)
		return 0;
	if (s->pop3.is_greeted) {
		int r = log_in_at(s, NULL, err);

		if (r == 0 || r == -EACCES || r == -EAGAIN)
			return r;
		source_connection_close(&s->pop3.net);
	}
	return try_each(s, log_in_at, err);
}

static int pop3_use(void *self, struct str login, struct str password, struct error *err)
{
	struct pop3_source *s = self;
	struct arena before = s->secrets;

	arena_init(&s->secrets);
	s->login = arena_str(&s->secrets, login);
	s->password = arena_str(&s->secrets, password);
	arena_fini(&before);
	return s->login.ptr && s->password.ptr ? 0 : error_set(err, -ENOMEM, "no memory");
}

/* While our own session has ended: the maildrop is one session's at a time. */
static int pop3_test(void *self, struct str login, struct str password, struct error *err)
{
	const struct pop3_source *s = self;
	struct pop3_connection pop3;
	int r = -EDESTADDRREQ;

	for (size_t i = 0; i < s->n_addresses; i++) {
		pop3_connection_init(&pop3, s->patience_ms, NULL, NULL);
		pop3.dialer = s->dialer;
		r = pop3_connection_login(&pop3, &s->addresses[i], login, password, err);
		if (r == 0)
			pop3_connection_end(&pop3);
		source_connection_close(&pop3.net);
		if (r == 0 || r == -EACCES || r == -EAGAIN)
			break;
	}
	return r;
}

static int pop3_prepare(void *self, struct error *err)
{
	struct pop3_source *s = self;

	return source_connection_is_open(&s->pop3.net) ? 0 : try_each(s, greet_at, err);
}

static void pop3_close(void *self)
{
	struct pop3_source *s = self;

	if (s->has_tail && !s->pop3.is_greeted)
		pop3_connection_end(&s->pop3);
	/* without QUIT, which some take for "read" of what was only begun */
	source_connection_close(&s->pop3.net);
	s->pop3.is_greeted = false;
	s->wants_folders = s->wants_list = s->wants_status = s->wants_tail = false;
	s->n_jobs = 0;
}

static void pop3_free(void *self)
{
	struct pop3_source *s = self;

	if (!s)
		return;
	pop3_close(s);
	pop3_listing_fini(&s->listing);
	spool_fini(&s->spool);
	free(s->jobs);
	free(s->spool_folder);
	free(s->tail_last);
	arena_fini(&s->secrets);
	free(s);
}

static void pop3_patience(void *self, unsigned milliseconds)
{
	struct pop3_source *s = self;

	s->patience_ms = milliseconds ? milliseconds : PATIENCE_MS;
	s->pop3.patience_ms = s->patience_ms;
}

/* ── queueing ──────────────────────────────────────────────────────────────────────── */

static int pop3_folders(void *self, struct error *err)
{
	struct pop3_source *s = self;

	(void)err;
	s->wants_folders = true;
	return 0;
}

static int pop3_list(void *self, size_t folder, struct str name, struct error *err)
{
	struct pop3_source *s = self;

	(void)name; /* there is no other */
	(void)err;
	s->wants_list = true;
	s->folder = folder;
	return 0;
}

/* A server without unique-ids shows nothing that could be told from what was there. */
static int pop3_set_tail(void *self, const struct source_tail *tail, struct error *err)
{
	struct pop3_source *s = self;

	if (tail->uidnext <= tail->count)
		return error_set(err, -ENODATA, "what is noted of INBOX is damaged");
	free(s->tail_last);
	s->tail_last = str_dup_c(tail->last);
	if (!s->tail_last)
		return error_set(err, -ENOMEM, "no memory");
	s->tail = *tail;
	s->tail.last = str_from(s->tail_last);
	s->has_tail = true;
	s->listing.may_lack_uidls = false;
	return 0;
}

static int pop3_looks(void *self, size_t folder, struct str name, struct error *err)
{
	struct pop3_source *s = self;

	(void)name;
	(void)err;
	s->wants_status = true;
	s->folder = folder;
	return 0;
}

static int pop3_list_from(
	void *self, size_t folder, struct str name, uint32_t first, struct error *err)
{
	struct pop3_source *s = self;

	(void)name;
	(void)err;
	s->wants_tail = true;
	s->tail_first = first;
	s->folder = folder;
	return 0;
}

static int pop3_fetch(void *self, size_t folder, struct str name, uint32_t uidvalidity,
	const struct wanted *wanted, size_t n, struct error *err)
{
	struct pop3_source *s = self;

	(void)folder;
	(void)name;
	(void)uidvalidity;
	if (s->n_jobs == s->jobs_cap) {
		size_t cap = s->jobs_cap ? s->jobs_cap * 2 : 16;
		struct fetch_job *more = realloc(s->jobs, cap * sizeof(*more));

		if (!more)
			return error_set(err, -ENOMEM, "no memory");
		s->jobs = more;
		s->jobs_cap = cap;
	}
	s->jobs[s->n_jobs++] = (struct fetch_job){ .first = wanted, .n = n };
	return 0;
}

/* ── RETR ──────────────────────────────────────────────────────────────────────────── */

static const struct pop3_drop_message *asked(const struct pop3_source *s, size_t i)
{
	return pop3_drop_by_uid(&s->listing.drop, s->job.first[i].uid);
}

static int ask_retr(void *context, size_t i, struct buf *out)
{
	const struct pop3_source *s = context;
	const struct pop3_drop_message *m = asked(s, i);

	return m ? buf_printf(out, "RETR %u\r\n", m->number) : -EINVAL;
}

static uint32_t size_of(void *context, size_t i)
{
	const struct pop3_source *s = context;

	return s->job.first[i].size;
}

static int pass_on(void *context, struct str bytes)
{
	struct pop3_source *s = context;

	return s->events->bytes(s->events->context, THE_CONNECTION, bytes);
}

static int give_message(struct pop3_source *s, const struct pop3_drop_message *drop)
{
	const struct source_events *e = s->events;
	struct mime_date date = { .seconds = (int64_t)time(NULL) };
	struct mail m = { .uid = drop->uid,
		.keywords = STR(""),
		.size = drop->size,
		.uidl = pop3_drop_name_of(&s->listing.drop, drop),
		.pop3_order = drop->number };
	int r = e->body(e->context, THE_CONNECTION, s->spool.len);

	if (r == 0)
		r = spool_each(&s->spool, pass_on, s, s->err);
	if (r)
		return r;
	(void)mime_arrival(spool_head(&s->spool), &date);
	m.date = date.seconds;
	m.zone = date.zone;
	return e->message(e->context, THE_CONNECTION, s->folder, &m);
}

/* Its UID here says nothing to those who look for it there. */
static void note_refusal(
	struct pop3_source *s, const struct pop3_drop_message *m, struct str answer)
{
	(void)snprintf(s->why, sizeof(s->why), "POP3 message %u, %.*s: %.*s", m->number,
		STR_ARG(str_take(pop3_drop_name_of(&s->listing.drop, m), 70)),
		STR_ARG(answer));
}

static int take_retr(void *context, size_t i, enum pop3_read what, struct str bytes)
{
	struct pop3_source *s = context;

	switch (what) {
	case POP3_READ_OK:
		return spool_clear(&s->spool, s->err);
	case POP3_READ_BYTES:
		return spool_put(&s->spool, bytes, s->err);
	case POP3_READ_END:
		return give_message(s, asked(s, i));
	case POP3_READ_ERR:
		note_refusal(s, asked(s, i), bytes);
		break;
	case POP3_READ_NEED_MORE:
	case POP3_READ_BROKEN:
		break;
	}
	return 0;
}

static int fetch_one_job(struct pop3_source *s)
{
	const struct source_events *e = s->events;
	struct pop3_questions q = { .n = s->job.n,
		.expect = POP3_EXPECT_BYTES,
		.ask = ask_retr,
		.answer = take_retr,
		.size = size_of,
		.context = s };
	int r;

	s->why[0] = '\0';
	r = pop3_connection_ask(&s->pop3, &q, s->err);
	if (r)
		return r;
	return e->fetched(e->context, s->folder, s->job.first, s->job.n,
		s->why[0] ? SOURCE_REFUSED : SOURCE_DONE, str_from(s->why));
}

static int fetch_all(struct pop3_source *s)
{
	int r = 0;

	/* what did not come is asked for again meanwhile */
	for (size_t i = 0; r == 0 && i < s->n_jobs; i++) {
		s->job = s->jobs[i];
		r = fetch_one_job(s);
	}
	s->n_jobs = 0;
	return r;
}

/* ── working ───────────────────────────────────────────────────────────────────────── */

static int say_folders(struct pop3_source *s)
{
	struct mail_folder inbox = {
		.name = STR("INBOX"), .separator = '/', .special_use = STR("")
	};

	s->wants_folders = false;
	return s->events->folder(s->events->context, &inbox);
}

static int list_inbox(struct pop3_source *s)
{
	const struct source_events *e = s->events;
	int r = pop3_listing_read(&s->listing, &s->pop3, s->err);

	s->wants_list = false;
	if (r == 0)
		r = pop3_listing_tell(&s->listing, s->folder, e, s->err);
	return r ? r : e->listed(e->context, s->folder, SOURCE_DONE, STR_LIT(""));
}

/* ── what came since ───────────────────────────────────────────────────────────────── */

/* Whether all that was there stands where it stood. */
static bool is_tail_behind(const struct pop3_source *s)
{
	const struct pop3_drop *d = &s->listing.drop;
	uint32_t n = s->tail.count;

	return d->count >= n &&
	       (!n || str_eq(pop3_drop_name_of(d, &d->at[n - 1]), s->tail.last));
}

static int look_at_tail(struct pop3_source *s)
{
	const struct source_events *e = s->events;
	struct pop3_drop *d = &s->listing.drop;
	uint32_t first = s->tail.uidnext - s->tail.count;
	struct source_status looks = { .uidvalidity = s->tail.uidvalidity };
	int r = pop3_listing_read(&s->listing, &s->pop3, s->err);

	s->wants_status = false;
	if (r)
		return r;
	if (!is_tail_behind(s))
		return e->listed(e->context, s->folder, SOURCE_REFUSED,
			STR_LIT("its messages are not those of the last time"));
	r = pop3_drop_number(d, first);
	if (r < 0)
		return error_errno(s->err, r, "cannot number the maildrop's messages");
	looks.messages = (uint32_t)d->count;
	looks.uidnext = first + (uint32_t)d->count;
	return e->opened(e->context, s->folder, &looks);
}

/* Those that were seen then: a session shows no others. */
static int list_tail(struct pop3_source *s)
{
	const struct source_events *e = s->events;
	const struct pop3_drop *d = &s->listing.drop;
	int r = 0;

	s->wants_tail = false;
	for (size_t i = 0; r == 0 && i < d->count; i++) {
		struct mail m = { .uid = d->at[i].uid,
			.keywords = STR(""),
			.size = d->at[i].size,
			.pop3_order = d->at[i].number };

		if (m.uid >= s->tail_first)
			r = e->row(e->context, s->folder, &m);
	}
	return r ? r : e->listed(e->context, s->folder, SOURCE_DONE, STR_LIT(""));
}

static int work_on_tail(struct pop3_source *s)
{
	int r = s->wants_status ? look_at_tail(s) : 0;

	return r == 0 && s->wants_tail ? list_tail(s) : r;
}

/* ── working, in a session ─────────────────────────────────────────────────────────── */

static int work(struct pop3_source *s)
{
	int r = s->wants_folders ? say_folders(s) : 0;

	if (r || (!s->wants_list && !s->wants_status && !s->wants_tail && !s->n_jobs))
		return r;
	r = pop3_connect(s, s->err);
	if (r)
		return r;
	s->pop3.tick = s->events->tick;
	s->pop3.context = s->events->context;
	if (s->wants_list)
		r = list_inbox(s);
	if (r == 0)
		r = work_on_tail(s);
	if (r == 0)
		r = fetch_all(s);
	if (r || s->has_tail)
		return r;
	s->pop3.tick = NULL; /* nothing is left to be second-guessed */
	pop3_connection_end(&s->pop3);
	return 0;
}

static int pop3_run(void *self, const struct source_events *events, struct error *err)
{
	struct pop3_source *s = self;
	int r;

	s->events = events;
	s->err = err;
	r = work(s);
	if (r) {
		source_connection_leave(&s->pop3.net, LEAVE_MS);
		pop3_close(s);
	}
	return r;
}

static int pop3_prove(void *self, struct source_proof *ret, struct error *err)
{
	const struct pop3_source *s = self;
	const struct pop3_drop *d = &s->listing.drop;
	int r = pop3_listing_prove(&s->listing, err);

	if (r == 0)
		*ret = (struct source_proof){ .count = d->count,
			.is_ours = s->listing.is_named_by_us,
			.last = d->count ? pop3_drop_name_of(d, &d->at[d->count - 1])
			                 : STR_LIT("") };
	return r;
}

static const struct source_ops pop3_ops = {
	.name = "pop3",
	.is_exclusive = true,
	.compares = "unique-ids, their order, sizes",
	.cannot_see =
		"folders, subscriptions, UIDs, flags, keywords, dates: POP3 does not "
		"show them",
	.prepare = pop3_prepare,
	.connect = pop3_connect,
	.use = pop3_use,
	.test = pop3_test,
	.folders = pop3_folders,
	.list = pop3_list,
	.status = pop3_looks,
	.list_from = pop3_list_from,
	.set_tail = pop3_set_tail,
	.fetch = pop3_fetch,
	.run = pop3_run,
	.prove = pop3_prove,
	.patience = pop3_patience,
	.close = pop3_close,
	.free = pop3_free,
};

int pop3_source_new(
	const struct pop3_source_options *options, struct source *ret, struct error *err)
{
	struct pop3_source *s = calloc(1, sizeof(*s));
	size_t n = options->n_addresses;

	if (!s)
		return error_set(err, -ENOMEM, "no memory");
	arena_init(&s->secrets);
	pop3_connection_init(&s->pop3, PATIENCE_MS, NULL, NULL);
	pop3_listing_init(&s->listing, &options->known, options->may_lack_uidls);
	s->n_addresses = n < POP3_SOURCE_ADDRESSES_MAX ? n : POP3_SOURCE_ADDRESSES_MAX;
	memcpy(s->addresses, options->addresses,
		s->n_addresses * sizeof(s->addresses[0]));
	s->patience_ms = PATIENCE_MS;
	s->dialer = options->dialer;
	s->spool_folder = strdup(options->spool_folder);
	spool_init(&s->spool, s->spool_folder);
	if (!s->spool_folder || pop3_use(s, options->login, options->password, err) < 0) {
		pop3_free(s);
		return error_set(err, -ENOMEM, "no memory");
	}
	*ret = (struct source){ .ops = &pop3_ops, .self = s };
	return 0;
}
