/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A view that goes on in another process: said by what the store has, and by the messages
   of which the client knows something else, because it was not told yet. */
#include "mailstore/serve/view_parts.h"
#include "mailstore/serve/view_stored.h"

#include <errno.h>
#include <stdlib.h>

/* ── into bytes ────────────────────────────────────────────────────────────────────── */

struct writing {
	const struct view *view;
	struct buf *out;
	uint32_t n_gone, n_new;
};

/* As the client knows it. */
static int put_known(struct writing *w, const struct view_message *m)
{
	const struct hibernation_message known = { m->modseq, m->uid, m->keywords,
		m->flags };

	return hibernation_put_message(w->out, &known);
}

static const struct view_message *find(const struct view *v, uint32_t uid)
{
	uint32_t index = view_index(v, uid);

	return index < v->count && v->messages[index].uid == uid ? &v->messages[index]
	                                                         : NULL;
}

static int put_changed(void *context, const struct store_message *m)
{
	struct writing *w = context;
	const struct view_message *known = find(w->view, m->uid);

	if (known)
		return put_known(w, known);
	w->n_new += m->uid > view_last_uid(w->view);
	return 0;
}

static int put_expunged(void *context, uint32_t uid)
{
	struct writing *w = context;
	const struct view_message *known = find(w->view, uid);

	if (!known)
		return 0;
	w->n_gone++;
	return put_known(w, known);
}

static int put_recent(const struct view *v, struct buf *out)
{
	struct imap_set_writer writer = { .out = out };
	int r = 0;

	for (uint32_t i = 0; i < v->count && r == 0; i++)
		if (v->messages[i].recent)
			r = imap_set_put(&writer, v->messages[i].uid);
	return r < 0 ? r : imap_set_end(&writer);
}

static struct str keep(struct arena *arena, const struct buf *text, int *code)
{
	struct str copy = arena_str(arena, buf_view(text));

	if (!copy.ptr && *code == 0)
		*code = -ENOMEM;
	return copy;
}

/* Messages that a transfer has put between two are seen with the next SELECT: such a view
   is not what the store has, and stays. */
static int write_down(const struct view *v, struct writing *w)
{
	struct mailbox m = { 0 };
	int code = store_mailbox_counts(v->store, v->mailbox, &m, NULL);

	if (code == 0 && m.uidvalidity != v->uidvalidity)
		code = -ENOENT;
	if (code == 0)
		code = store_each_changed(
			v->store, v->mailbox, v->seen, put_changed, w, NULL);
	if (code == 0)
		code = store_each_expunged(
			v->store, v->mailbox, v->seen_expunges, put_expunged, w, NULL);
	if (code == 0 && m.messages != v->count - w->n_gone + w->n_new)
		code = -EBUSY;
	return code;
}

int view_hibernate(const struct view *v, struct arena *arena, struct hibernation *h)
{
	struct buf otherwise, recent;
	struct writing w = { .view = v, .out = &otherwise };
	int code;

	if (v->untold || v->held)
		return -EBUSY;
	buf_init(&otherwise, HIBERNATION_MAX);
	buf_init(&recent, HIBERNATION_MAX);
	code = write_down(v, &w);
	if (code == 0)
		code = put_recent(v, &recent);
	h->mailbox = (uint64_t)v->mailbox;
	h->uidvalidity = v->uidvalidity;
	h->read_only = v->read_only;
	h->dirty = v->dirty;
	h->lost_words = v->lost_words;
	h->form = v->form;
	h->count = v->count;
	h->last_uid = view_last_uid(v);
	h->as_of = store_modseq(v->store);
	h->seen = v->seen;
	h->seen_expunges = v->seen_expunges;
	h->keywords = buf_view(&v->keywords);
	h->otherwise = keep(arena, &otherwise, &code);
	h->recent = keep(arena, &recent, &code);
	buf_fini(&otherwise);
	buf_fini(&recent);
	return code;
}

/* ── and back ──────────────────────────────────────────────────────────────────────── */

struct otherwise {
	struct view_message known;
	bool is_told; /* false: expunged meanwhile, of its flags nothing is known */
};

struct waking {
	struct view *view;
	const struct hibernation *h;
	struct otherwise *list; /* by UID, each once */
	size_t count, cap, next;
};

static int add(struct waking *w, const struct otherwise *o)
{
	if (w->count == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 16;
		struct otherwise *more = realloc(w->list, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		w->list = more;
		w->cap = cap;
	}
	w->list[w->count++] = *o;
	return 0;
}

static int read_one(struct waking *w, struct str *rest)
{
	struct otherwise o = { .is_told = true };
	struct hibernation_message m;

	if (!hibernation_take_message(rest, &m) || !m.uid || m.uid > w->h->last_uid)
		return -EBADMSG;
	o.known = (struct view_message){
		.modseq = m.modseq, .uid = m.uid, .keywords = m.keywords, .flags = m.flags
	};
	return add(w, &o);
}

static int add_expunged(void *context, uint32_t uid)
{
	struct waking *w = context;
	const struct otherwise o = { .known.uid = uid };

	return uid <= w->h->last_uid ? add(w, &o) : 0;
}

/* What was told comes first. */
static int by_uid(const void *a, const void *b)
{
	const struct otherwise *one = a, *other = b;

	if (one->known.uid != other->known.uid)
		return one->known.uid < other->known.uid ? -1 : 1;
	return (int)other->is_told - (int)one->is_told;
}

static int read_otherwise(struct waking *w, struct error *err)
{
	struct str rest = w->h->otherwise;
	size_t kept = 0;
	int code = 0;

	while (rest.len && code == 0)
		code = read_one(w, &rest);
	if (code == 0)
		code = store_each_expunged(w->view->store, w->view->mailbox, w->h->as_of,
			add_expunged, w, err);
	if (w->count)
		qsort(w->list, w->count, sizeof(*w->list), by_uid);
	for (size_t i = 0; i < w->count; i++)
		if (!kept || w->list[kept - 1].known.uid != w->list[i].known.uid)
			w->list[kept++] = w->list[i];
	w->count = kept;
	return code;
}

/* Words of the store that the view has not looked at yet are news, so none is taken. */
static int append_known(struct waking *w, const struct view_message *known, bool gone)
{
	const struct store_message m = { .uid = known->uid, .keywords = STR_LIT("") };
	struct view *v = w->view;
	int code = view_append(v, &m);

	if (code < 0)
		return code;
	v->messages[v->count - 1] = *known;
	v->messages[v->count - 1].gone = gone;
	return 0;
}

/* Those before that UID are not in the store any more. */
static int append_gone(struct waking *w, uint64_t before)
{
	int code = 0;

	for (; w->next < w->count && w->list[w->next].known.uid < before && code == 0;
		w->next++)
		code = append_known(w, &w->list[w->next].known, true);
	return code;
}

/* Those up to base_from are shown as base. */
static uint64_t changed_at(const struct view *v, const struct view_message *m)
{
	return m->modseq == v->base ? v->base_from : m->modseq;
}

/* Nothing changes an account that sleeps but a command of the admin's: its client is told
   of flags that it may know. */
static int append_same(struct waking *w, const struct view_message *m)
{
	const struct view_message changed = {
		.uid = m->uid, .modseq = m->modseq, .untold = true
	};
	uint64_t modseq = changed_at(w->view, m);

	if (modseq <= w->h->seen)
		return append_known(w, m, false);
	if (modseq <= w->h->as_of)
		return -EBADMSG;
	w->view->untold = true;
	return append_known(w, &changed, false);
}

/* As the store has it. */
static int wake_one(struct waking *w, const struct view_message *m)
{
	int code;

	if (m->uid > w->h->last_uid)
		return 0; /* new mail, for view_sync() */
	code = append_gone(w, m->uid);
	if (code < 0 || w->next == w->count || w->list[w->next].known.uid != m->uid)
		return code < 0 ? code : append_same(w, m);
	if (!w->list[w->next].is_told)
		return -EBADMSG; /* it was expunged, and is here */
	return append_known(w, &w->list[w->next++].known, false);
}

static int wake_row(void *context, const struct store_message *row)
{
	struct waking *w = context;
	struct view_message m = { .uid = row->uid };

	view_set(w->view, &m, row->flags, row->keywords, row->modseq);
	return wake_one(w, &m);
}

/* From the image, where there is one: a tenth of what the rows take. */
static int wake_all(struct waking *w, const struct mailbox *m, struct error *err)
{
	struct view *v = w->view, image;
	int code = 0;

	if (!view_stored_open(&image, v->store, m))
		return store_each_state(v->store, v->mailbox, wake_row, w, err);
	for (uint32_t i = 0; i < image.count && code == 0; i++)
		code = wake_one(w, &image.messages[i]);
	view_close(&image);
	return code;
}

static int set_recent(struct view *v, struct str text, struct arena *arena)
{
	struct imap_cursor c = imap_cursor(text);
	struct imap_set set = { .count = 0 };

	if (text.len && (!imap_set(&c, arena, &set) || set.saved || !imap_end(&c)))
		return -EBADMSG;
	if (set.count)
		imap_set_resolve(&set, 0, NULL);
	v->recent = 0;
	for (uint32_t i = 0; i < v->count; i++) {
		v->messages[i].recent = imap_set_has(&set, v->messages[i].uid);
		v->recent += v->messages[i].recent;
	}
	return 0;
}

static int fill(
	struct waking *w, const struct mailbox *m, struct arena *arena, struct error *err)
{
	struct view *v = w->view;
	int code = buf_append(&v->keywords, w->h->keywords);

	if (code == 0)
		code = read_otherwise(w, err);
	if (code == 0)
		code = wake_all(w, m, err);
	if (code == 0)
		code = append_gone(w, UINT64_MAX);
	if (code == 0 && v->count != w->h->count)
		code = -EBADMSG;
	return code < 0 ? code : set_recent(v, w->h->recent, arena);
}

int view_wake(struct view *v, struct store *store, const struct hibernation *h,
	struct arena *arena, struct error *err)
{
	struct waking w = { .view = v, .h = h };
	struct mailbox m = { .id = (int64_t)h->mailbox };
	int code = store_mailbox_counts(store, m.id, &m, err);

	if (code == 0 &&
		(m.uidvalidity != h->uidvalidity || store_modseq(store) < h->as_of))
		code = error_set(err, -EBADMSG, "it is another mailbox");
	if (code < 0)
		return code;
	view_init(v, store, &m, h->read_only);
	code = fill(&w, &m, arena, err);
	free(w.list);
	if (code < 0) {
		view_close(v);
		return code;
	}
	v->form = (unsigned)h->form;
	v->lost_words = h->lost_words;
	v->dirty = h->dirty || store_modseq(store) != h->as_of;
	v->seen = h->seen;
	v->seen_expunges = h->seen_expunges;
	view_trim(v);
	return 0;
}
