/* SPDX-License-Identifier: GPL-3.0-or-later */
/* EXPUNGE and CLOSE (RFC 3501; UID EXPUNGE: RFC 4315), COPY, MOVE (RFC 6851). */
#include "mailstore/serve/imap_commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* ── EXPUNGE ───────────────────────────────────────────────────────────────────────── */

struct expunging {
	struct imap *s;
	const struct imap_set *uids; /* NULL: all */
	bool close;
	uint32_t next; /* index in the view, which stays as it is meanwhile */
};

static int expunge_one(struct view *v, uint32_t uid, struct error *err)
{
	int code = store_expunge(v->store, v->mailbox, uid, err);

	return code == -ENOENT ? 0 : code; /* another session was faster */
}

static int expunge_piece(void *context, struct error *err)
{
	struct expunging *w = context;
	struct view *v = &w->s->view;
	struct imap_piece piece = { 0 };
	int code = 0;

	for (; w->next < v->count && code == 0; w->next++) {
		const struct view_message *m = &v->messages[w->next];

		if (!(m->flags & FLAG_DELETED) ||
			(w->uids && !imap_set_has(w->uids, m->uid)))
			continue;
		if (imap_piece_is_full(&piece))
			break;
		code = expunge_one(v, m->uid, err);
	}
	return code;
}

static bool has_deleted(const struct view *v)
{
	for (uint32_t i = 0; i < v->count; i++)
		if (v->messages[i].flags & FLAG_DELETED)
			return true;
	return false;
}

void imap_highest_code(struct imap *s, char ret[static IMAP_HIGHEST_MAX])
{
	struct mailbox m = { 0 };

	ret[0] = '\0';
	if ((s->enabled & IMAP_QRESYNC) &&
		store_mailbox_counts(s->serve->store, s->view.mailbox, &m, NULL) == 0)
		(void)snprintf(ret, IMAP_HIGHEST_MAX, "[HIGHESTMODSEQ %" PRIu64 "] ",
			mailbox_modseq(&m, m.highestmodseq));
}

static void done_removing(struct imap *s, const char *noun)
{
	char highest[IMAP_HIGHEST_MAX];

	imap_sync(s, true);
	if (s->phase == IMAP_PHASE_END)
		return;
	imap_highest_code(s, highest);
	imap_done(s, IMAP_OK, "%s%s completed.", highest, noun);
}

/* Without that code: RFC 7162, 3.2.8. */
static void done_closing(struct imap *s)
{
	imap_unselect(s);
	imap_done(s, IMAP_OK, "Close completed.");
}

static enum service_need expunge_step(struct imap *s)
{
	struct expunging *w = s->job.data;
	struct error err = { 0 };
	int code = imap_piece(s, expunge_piece, w, &err);

	if (code < 0 && code != -ESHUTDOWN)
		imap_failed(s, &err);
	if (code < 0 || w->next < s->view.count)
		return SERVICE_AGAIN;
	if (w->close)
		done_closing(s);
	else
		done_removing(s, "Expunge");
	return SERVICE_AGAIN;
}

static struct expunging *begin_expunging(struct imap *s, bool close)
{
	struct expunging *w = arena_alloc(&s->arena, sizeof(*w));

	if (!w) {
		imap_wrote(s, -ENOMEM);
		return NULL;
	}
	*w = (struct expunging){ .s = s, .close = close };
	return w;
}

static void expunge(struct imap *s, struct expunging *w)
{
	s->job = (struct imap_job){ .step = expunge_step, .data = w };
	s->phase = IMAP_PHASE_JOB;
}

void cmd_expunge(struct imap *s, struct imap_cursor *args)
{
	struct expunging *w = begin_expunging(s, false);
	struct imap_set *uids = arena_alloc(&s->arena, sizeof(*uids));

	if (!w || !uids) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	if (s->uid) {
		if (!imap_space(args) || !imap_set(args, &s->arena, uids)) {
			imap_bad_arguments(s);
			return;
		}
		w->uids = uids;
	}
	if (!imap_no_more(s, args))
		return;
	imap_sync(s, true);
	if (s->phase == IMAP_PHASE_END)
		return;
	if (s->uid && !imap_resolve_uids(s, &s->arena, uids)) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	if (has_deleted(&s->view))
		expunge(s, w);
	else
		done_removing(s, "Expunge");
}

void cmd_close(struct imap *s, struct imap_cursor *args)
{
	struct expunging *w;

	if (!imap_no_more(s, args))
		return;
	imap_sync(s, false);
	if (s->phase == IMAP_PHASE_END)
		return;
	if (s->view.read_only || !has_deleted(&s->view)) {
		done_closing(s);
		return;
	}
	w = begin_expunging(s, true);
	if (w)
		expunge(s, w);
}

/* ── COPY and MOVE ─────────────────────────────────────────────────────────────────── */

struct copying {
	struct imap *s;
	struct mailbox to;
	struct imap_set set;
	struct view_walk walk;
	bool move, all;
	struct buf from_uids, to_uids; /* for COPYUID */
	struct imap_set_writer from_writer, to_writer;
	size_t count;
};

static int copy_one(struct copying *w, uint32_t uid, struct error *err)
{
	struct view *v = &w->s->view;
	uint32_t to_uid = 0;
	int code = store_copy(v->store, v->mailbox, uid, w->to.id, &to_uid, err);

	if (code == 0 && w->move)
		code = store_expunge(v->store, v->mailbox, uid, err);
	if (code == 0)
		code = imap_set_put(&w->from_writer, uid);
	if (code == 0)
		code = imap_set_put(&w->to_writer, to_uid);
	w->count += code == 0;
	return code;
}

/* RFC 3501, 6.4.7: all or nothing, so in one transaction. */
static int copy_all(void *context, struct error *err)
{
	struct copying *w = context;
	uint32_t index;
	int code = 0;

	while (code == 0 && view_walk_next(&w->s->view, &w->walk, &index))
		code = copy_one(w, w->s->view.messages[index].uid, err);
	w->all = true;
	return code == 0 ? quota_check(w->s->serve->store, &w->s->serve->quota, 0, 0, err)
	                 : code;
}

/* A message that is in the first piece was there when the command came; another session
   may expunge one that is not. */
static int move_piece(void *context, struct error *err)
{
	struct copying *w = context;
	struct view *v = &w->s->view;
	struct imap_piece piece = { 0 };
	bool first = !w->count;
	uint32_t index;
	/* another session may remove it, too */
	int code = store_mailbox_counts(v->store, w->to.id, &w->to, err);

	while (code == 0 && !imap_piece_is_full(&piece)) {
		if (!view_walk_next(v, &w->walk, &index)) {
			w->all = true;
			break;
		}
		code = copy_one(w, v->messages[index].uid, err);
		if (code == -ENOENT && !first)
			code = 0;
	}
	return code;
}

static bool parse_copy(struct copying *w, struct imap_cursor *args)
{
	struct imap *s = w->s;
	struct str name;

	if (!imap_space(args) || !imap_set(args, &s->arena, &w->set) ||
		!imap_space(args) || !imap_mailbox(s, args, &name) || !imap_end(args) ||
		!imap_walk(s, w->set, &w->walk)) {
		imap_bad_arguments(s);
		return false;
	}
	return imap_find_mailbox(s, name, "TRYCREATE", &w->to);
}

static int put_copyuid(struct copying *w, struct buf *out)
{
	int r = imap_set_end(&w->from_writer);

	if (r == 0)
		r = imap_set_end(&w->to_writer);
	if (r == 0)
		r = buf_printf(out, "[COPYUID %" PRIu32 " ", w->to.uidvalidity);
	if (r == 0)
		r = buf_append(out, buf_view(&w->from_uids));
	if (r == 0)
		r = buf_byte(out, ' ');
	if (r == 0)
		r = buf_append(out, buf_view(&w->to_uids));
	return r < 0 ? r : buf_append_c(out, "]");
}

/* RFC 6851, 4.3: before the EXPUNGEs, also when not all could be moved. */
static void say_moved(struct copying *w)
{
	struct buf *out = imap_out(w->s);
	int r = buf_append_c(out, "* OK ");

	if (r == 0)
		r = put_copyuid(w, out);
	imap_wrote(w->s, r < 0 ? r : buf_append_c(out, " Moved UIDs completed.\r\n"));
}

/* Of a COPY it belongs to the tagged answer; it may be longer than an answer's text. */
static void answer_copied(struct copying *w)
{
	struct imap *s = w->s;
	int r;

	imap_sync(s, true);
	if (s->phase == IMAP_PHASE_END)
		return;
	r = buf_printf(imap_out(s), "%.*s OK ", STR_ARG(s->tag));
	if (r == 0)
		r = put_copyuid(w, imap_out(s));
	imap_wrote(s, r < 0 ? r : buf_append_c(imap_out(s), " Copy completed.\r\n"));
	imap_answered(s);
}

static void answer_copy(struct copying *w)
{
	if (!w->count) {
		imap_done(w->s, IMAP_OK, "%s completed: no such messages.",
			w->move ? "Move" : "Copy");
	} else if (w->move) {
		say_moved(w);
		done_removing(w->s, "Move");
	} else {
		answer_copied(w);
	}
}

/* What a piece of a MOVE that fails has noted did not happen. */
static int transfer_piece(struct copying *w, struct error *err)
{
	struct imap *s = w->s;
	struct copying before = *w;
	int code = imap_piece(s, w->move ? move_piece : copy_all, w, err);

	if (code == 0)
		return 0;
	w->from_uids.end = w->from_uids.start + buf_len(&before.from_uids);
	w->to_uids.end = w->to_uids.start + buf_len(&before.to_uids);
	w->from_writer = before.from_writer;
	w->to_writer = before.to_writer;
	w->count = before.count;
	return code;
}

/* What is not there any more is a message, or the mailbox that they were to go to. */
static void failed(struct copying *w, const struct error *err)
{
	struct imap *s = w->s;
	struct mailbox m = { 0 };

	if (err->code == -ENOENT &&
		store_mailbox_counts(s->serve->store, w->to.id, &m, NULL) == 0)
		imap_done(s, IMAP_NO,
			"[EXPUNGEISSUED] Some messages do not exist any more.");
	else
		imap_failed(s, err);
}

static enum service_need step(struct imap *s)
{
	struct copying *w = s->job.data;
	struct error err = { 0 };
	int code = transfer_piece(w, &err);

	if (code == 0 && w->all)
		answer_copy(w);
	if (code == 0 || code == -ESHUTDOWN)
		return SERVICE_AGAIN;
	if (w->count)
		say_moved(w);
	failed(w, &err);
	return SERVICE_AGAIN;
}

static void end(struct imap *s)
{
	struct copying *w = s->job.data;

	buf_fini(&w->from_uids);
	buf_fini(&w->to_uids);
}

static void copy(struct imap *s, struct imap_cursor *args, bool move)
{
	struct copying *w = arena_alloc(&s->arena, sizeof(*w));

	if (!w) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	*w = (struct copying){ .s = s, .move = move };
	if (s->uid) /* UIDs that are gone are none (RFC 3501, 6.4.8) */
		imap_sync(s, true);
	if (s->phase == IMAP_PHASE_END || !parse_copy(w, args))
		return;
	buf_init(&w->from_uids, 0);
	buf_init(&w->to_uids, 0);
	w->from_writer.out = &w->from_uids;
	w->to_writer.out = &w->to_uids;
	s->job = (struct imap_job){ .step = step, .end = end, .data = w };
	s->phase = IMAP_PHASE_JOB;
}

void cmd_copy(struct imap *s, struct imap_cursor *args)
{
	copy(s, args, false);
}

void cmd_move(struct imap *s, struct imap_cursor *args)
{
	copy(s, args, true);
}
