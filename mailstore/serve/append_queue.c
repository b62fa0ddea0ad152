/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/append_queue.h"

#include "mailstore/serve/append.h"
#include "mailstore/serve/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>

/* ── into the store ────────────────────────────────────────────────────────────────── */

static int add_message(struct append *a, struct append_message *m, struct error *err)
{
	struct store *store = a->session->serve->store;
	struct store_message row = { .flags = m->flags | FLAG_RECENT,
		.keywords = m->keywords,
		.date = m->date.seconds,
		.zone = m->date.zone,
		.size = m->size };
	struct body_place place;
	uint32_t uid;
	int code = 0;

	if (m->in_memory)
		place = store_body_inline(buf_view(&m->bytes));
	else
		code = store_body_end(store, &m->writer, &place, err);
	if (code == 0)
		code = store_add(store, a->to.id, &row, &place, &uid, err);
	if (code < 0)
		return code;
	m->added = true;
	if (m == a->first)
		a->uid = uid;
	return 0;
}

static int add(struct append *a, struct error *err)
{
	struct imap *s = a->session;
	int code = 0;

	for (struct append_message *m = a->first; m && code == 0; m = m->next)
		code = add_message(a, m, err);
	if (code == 0 && a->replace)
		code = store_expunge(s->serve->store, s->view.mailbox, a->replaced, err);
	return code;
}

/* One transaction: `a`, and those behind it when they are to be together. */
static int commit(struct append *a, bool together, struct error *err)
{
	struct imap *s = a->session;
	struct store *store = s->serve->store;
	int code = store_begin(store, err);

	if (code < 0)
		return code;
	for (; a && code == 0; a = together ? a->next : NULL)
		code = add(a, err);
	if (code == 0)
		code = quota_check(store, &s->serve->quota, 0, 0, err);
	notify_begin_own(s);
	if (code == 0)
		code = store_commit(store, err);
	notify_end_own(s);
	if (code < 0)
		store_rollback(store);
	err->code = code;
	return code;
}

/* ── answers ───────────────────────────────────────────────────────────────────────── */

/* UIDs of one command follow one another: the transaction is the only one. */
static int put_answer(struct append *a, struct buf *out, const char *failure)
{
	uint32_t first = a->uid, last = first + (uint32_t)a->count - 1;
	char highest[IMAP_HIGHEST_MAX];
	int r = buf_printf(out, "%.*s ", STR_ARG(a->tag));

	if (r < 0)
		return r;
	if (failure)
		return buf_printf(out, "NO %s\r\n", failure);
	if (a->replace) {
		imap_highest_code(a->session, highest);
		return buf_printf(out, "OK %sReplace completed.\r\n", highest);
	}
	r = buf_printf(
		out, "OK [APPENDUID %" PRIu32 " %" PRIu32, a->to.uidvalidity, first);
	if (r == 0 && last != first)
		r = buf_printf(out, ":%" PRIu32, last);
	return r < 0 ? r : buf_append_c(out, "] Append completed.\r\n");
}

/* The session may be in the middle of its next command: of that nothing is touched. */
static void answer(struct append *a, const struct error *err)
{
	struct imap *s = a->session;
	const char *failure = err->code < 0 ? imap_failure(s, err) : NULL;

	s->session->uncommitted--;
	s->serve->appends.has_answered = true;
	/* RFC 8508, 4.3: the new one is told before the old one goes */
	if (a->replace && !failure && s->phase != IMAP_PHASE_END)
		imap_say(s,
			"OK [APPENDUID %" PRIu32 " %" PRIu32
			"] Replacement message ready.",
			a->to.uidvalidity, a->uid);
	if (s->phase != IMAP_PHASE_END)
		imap_sync(s, true);
	if (s->phase != IMAP_PHASE_END)
		imap_wrote(s, put_answer(a, imap_out(s), failure));
}

/* ── the queue ─────────────────────────────────────────────────────────────────────── */

/* A session with NOTIFY is told of what others do, and not of its own: its commit holds
   nobody else's. */
static bool may_wait(const struct append *a)
{
	if (a->replace || a->session->notify)
		return false;
	for (const struct append_message *m = a->first; m; m = m->next)
		if (!m->in_memory)
			return false;
	return true;
}

static void enqueue(struct append_queue *queue, struct append *a)
{
	if (queue->last)
		queue->last->next = a;
	else
		queue->first = a;
	queue->last = a;
	queue->count += a->count;
	queue->bytes += a->in_memory + a->arena.used;
}

/* The session's command is the queue's from now on, with its memory; for the session it
   is done. */
static struct append *take_command(struct imap *s)
{
	struct append *a = s->append;

	a->tag = s->tag;
	a->arena = s->arena;
	arena_init(&s->arena);
	s->append = NULL;
	imap_answered(s);
	s->bad = 0;
	s->session->uncommitted++;
	return a;
}

void append_queue_add(struct imap *s)
{
	struct append_queue *queue = &s->serve->appends;
	bool waits = may_wait(s->append);

	if (!waits)
		append_queue_commit(s->serve);
	enqueue(queue, take_command(s));
	if (!waits || queue->count >= APPENDS_TOGETHER_MAX ||
		queue->bytes >= APPENDS_BYTES_MAX)
		append_queue_commit(s->serve);
}

void append_queue_commit(struct serve *serve)
{
	struct append *first = serve->appends.first, *next;
	bool are_in = false;
	struct error err = { 0 };

	if (!first)
		return;
	serve->appends.first = serve->appends.last = NULL;
	serve->appends.count = serve->appends.bytes = 0;
	if (first->next)
		are_in = commit(first, true, &err) == 0;
	for (struct append *a = first; a; a = next) {
		next = a->next;
		if (!are_in)
			(void)commit(a, false, &err);
		answer(a, &err);
		append_free(a);
	}
}

void append_queue_settle(struct imap *s)
{
	if (s->session->uncommitted)
		append_queue_commit(s->serve);
}
