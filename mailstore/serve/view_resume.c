/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A view as a client knows it that had the mailbox selected at the source. */
#include "mailstore/serve/view_parts.h"

#include <errno.h>

struct resuming {
	struct view *view;
	const struct view_known *known;
	size_t range;
	uint64_t next; /* the UID that comes next, of known; 0: the range begins */
	bool some_gone;
};

/* The next UID that the client knows; 0: there is none. */
static uint32_t known_uid(const struct resuming *r)
{
	if (r->range == r->known->uids.count)
		return 0;
	return r->next ? (uint32_t)r->next : r->known->uids.ranges[r->range].from;
}

static void step_over(struct resuming *r)
{
	r->next = (uint64_t)known_uid(r) + 1;
	if (r->next > r->known->uids.ranges[r->range].to) {
		r->range++;
		r->next = 0;
	}
}

/* Those before that UID are not here: they are told of as expunged. */
static int append_gone(struct resuming *r, uint64_t before)
{
	uint32_t uid;
	int code = 0;

	while (code == 0 && (uid = known_uid(r)) != 0 && uid < before) {
		const struct store_message gone = { .uid = uid, .keywords = STR_LIT("") };

		code = view_append(r->view, &gone);
		if (code == 0)
			r->view->messages[r->view->count - 1].gone = true;
		r->some_gone = true;
		step_over(r);
	}
	return code;
}

static int resume_one(void *context, const struct store_message *m)
{
	struct resuming *r = context;
	struct view *v = r->view;
	int code = append_gone(r, m->uid);

	if (code < 0)
		return code;
	if (known_uid(r) == m->uid) {
		code = view_append(v, m);
		if (code == 0 && m->modseq > r->known->told_until)
			v->messages[v->count - 1].untold = v->untold = true;
		step_over(r);
		return code;
	}
	if (known_uid(r))
		return -ESTALE;
	/* new mail: view_sync() looks at what is younger than `seen` */
	if (m->modseq <= v->seen)
		v->seen = m->modseq - 1;
	return 0;
}

int view_resume(struct view *v, struct store *store, const struct mailbox *m,
	const struct view_known *known, bool read_only, struct error *err)
{
	struct resuming r = { .view = v, .known = known };
	int code;

	if (m->uidvalidity != known->uidvalidity ||
		(m->attributes & (MAILBOX_NOSELECT | MAILBOX_NONEXISTENT)))
		return error_set(err, -ESTALE, "it is another mailbox");
	view_init(v, store, m, read_only);
	v->seen = store_modseq(store);
	v->dirty = true;
	code = store_each_keyword(store, m->id, view_load_keyword, v, err);
	if (code == 0)
		code = store_each_state(store, m->id, resume_one, &r, err);
	if (code == 0)
		code = append_gone(&r, UINT64_MAX);
	if (code < 0) {
		view_close(v);
		return code;
	}
	/* all that went before are found by their mark */
	v->seen_expunges = r.some_gone ? 0 : store_modseq(store);
	view_trim(v);
	if (v->recent)
		view_take_recent(v);
	return 0;
}
