/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STORE (RFC 3501, 6.4.6; UNCHANGEDSINCE: RFC 7162, 3.1.3). */
#include "mailstore/serve/imap_commands.h"
#include "wire/imap/condstore.h"
#include "wire/imap/encode.h"
#include "wire/imap/flags.h"

#include <errno.h>

enum change { REPLACE, ADD, REMOVE };

static const struct row {
	struct str name;
	enum change change;
	bool silent;
} rows[] = {
	{ STR("FLAGS"), REPLACE, false },
	{ STR("FLAGS.SILENT"), REPLACE, true },
	{ STR("+FLAGS"), ADD, false },
	{ STR("+FLAGS.SILENT"), ADD, true },
	{ STR("-FLAGS"), REMOVE, false },
	{ STR("-FLAGS.SILENT"), REMOVE, true },
};

struct storing {
	struct imap *s;
	const struct row *row;
	unsigned flags;
	struct str keywords;
	size_t new_bytes; /* of those that the mailbox does not have so far */
	struct view_walk walk;
	bool gone, all; /* all: the last one was looked at */
	bool conditional;
	uint64_t unchangedsince;
	struct buf modified; /* a set: of those that changed since */
	struct imap_set_writer modified_writer;
	/* the message at work */
	struct arena scratch;
	struct str now;
};

static int see_keywords(void *context, const struct store_message *m)
{
	struct storing *w = context;

	w->now = arena_str(&w->scratch, m->keywords);
	return w->now.ptr ? 0 : -ENOMEM;
}

static int wanted_state(struct storing *w, const struct view_message *m,
	unsigned *ret_flags, struct str *ret_keywords, struct error *err)
{
	struct view *v = &w->s->view;
	int code = 0;

	w->now = STR_LIT("");
	if (m->keywords)
		code = store_each_message(
			v->store, v->mailbox, m->uid, m->uid, see_keywords, w, err);
	if (code < 0)
		return code;
	switch (w->row->change) {
	case REPLACE:
		*ret_flags = w->flags;
		*ret_keywords = w->keywords;
		return 0;
	case ADD:
		*ret_flags = m->flags | w->flags;
		*ret_keywords = imap_keywords_add(&w->scratch, w->now, w->keywords);
		break;
	case REMOVE:
		*ret_flags = m->flags & ~w->flags;
		*ret_keywords = imap_keywords_remove(&w->scratch, w->now, w->keywords);
		break;
	}
	if (ret_keywords->ptr && (ret_keywords->len <= IMAP_KEYWORDS_LENGTH_MAX ||
					 ret_keywords->len <= w->now.len))
		return 0;
	return error_set(err, -E2BIG, "a message has too many keywords");
}

/* RFC 7162, 3.1.3: of a silent change the modseq is told all the same. */
static void tell(struct storing *w, struct view_message *m, bool quiet)
{
	m->quiet = quiet && (!m->untold || m->quiet);
	m->untold = w->s->view.untold = true;
}

static int store_one(struct storing *w, struct view_message *m, struct error *err)
{
	struct view *v = &w->s->view;
	struct str keywords = { 0 };
	unsigned flags = 0;
	uint64_t modseq = m->modseq;
	int code = wanted_state(w, m, &flags, &keywords, err);

	if (code == 0)
		code = store_set_flags(
			v->store, v->mailbox, m->uid, flags, keywords, &modseq, err);
	if (code == -ENOENT) { /* another session expunged it: RFC 2180, 4.2.2 */
		w->gone = true;
		view_set(v, m, flags, STR_LIT(""), modseq);
		tell(w, m, w->row->silent);
		return 0;
	}
	if (code < 0)
		return code;
	view_set(v, m, flags, keywords, modseq);
	tell(w, m, w->row->silent);
	return 0;
}

/* It changed since: the client is told how it is, and that it was left alone. */
static int leave_one(struct storing *w, uint32_t index)
{
	struct view_message *m = &w->s->view.messages[index];

	tell(w, m, false);
	return imap_set_put(&w->modified_writer, w->s->uid ? m->uid : index + 1);
}

/* ── many at once ──────────────────────────────────────────────────────────────────── */

/* Flags of one range, where the view knows all that the store has of it. */
static bool is_simple(struct storing *w)
{
	struct view *v = &w->s->view;
	struct mailbox m = { 0 };

	return w->row->change != REPLACE && !w->keywords.len && !w->conditional &&
	       w->walk.set.count == 1 && !v->dirty &&
	       store_mailbox_counts(v->store, v->mailbox, &m, NULL) == 0 &&
	       m.messages == v->count;
}

static unsigned changed_flags(const struct store_range *r, const struct view_message *m)
{
	return (m->flags | r->add) & ~r->take;
}

static bool find_range(struct storing *w, struct store_range *ret)
{
	struct view *v = &w->s->view;
	struct view_walk walk = w->walk;
	uint32_t index;

	*ret = (struct store_range){ .add = w->row->change == ADD ? w->flags : 0,
		.take = w->row->change == REMOVE ? w->flags : 0 };
	while (view_walk_next(v, &walk, &index)) {
		const struct view_message *m = &v->messages[index];

		if (!ret->from)
			ret->from = m->uid;
		ret->to = m->uid;
		ret->n_changed += changed_flags(ret, m) != m->flags;
	}
	return ret->from;
}

/* 1: all is done; 0: they have to be looked at one by one. */
static int store_range(struct storing *w, struct error *err)
{
	struct view *v = &w->s->view;
	struct store_range range;
	uint64_t modseq = 0;
	uint32_t index;
	int code;

	if (!find_range(w, &range))
		return 0;
	code = store_change_range(v->store, v->mailbox, &range, &modseq, err);
	while (code == 1 && view_walk_next(v, &w->walk, &index)) {
		struct view_message *m = &v->messages[index];

		if (changed_flags(&range, m) != m->flags) {
			m->flags = (uint8_t)changed_flags(&range, m);
			m->modseq = modseq;
		}
		tell(w, m, w->row->silent);
	}
	return code;
}

static int store_at_once(void *context, struct error *err)
{
	struct storing *w = context;
	int code = store_range(w, err);

	w->all = code == 1;
	return code < 0 ? code : 0;
}

static int store_piece(void *context, struct error *err)
{
	struct storing *w = context;
	struct imap_piece piece = { 0 };
	uint32_t index;
	int code = 0;

	while (code == 0 && !imap_piece_is_full(&piece)) {
		struct view_message *m;

		if (!view_walk_next(&w->s->view, &w->walk, &index)) {
			w->all = true;
			return imap_set_end(&w->modified_writer);
		}
		m = &w->s->view.messages[index];
		if (w->conditional && m->modseq > w->unchangedsince) {
			code = leave_one(w, index);
			continue;
		}
		arena_init(&w->scratch);
		code = store_one(w, m, err);
		arena_fini(&w->scratch);
	}
	return code;
}

static const struct row *parse_change(struct imap_cursor *args)
{
	struct str name;

	if (!imap_atom(args, &name))
		return NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_ieq(name, rows[i].name))
			return &rows[i];
	return NULL;
}

static bool parse(struct storing *w, struct imap_cursor *args)
{
	struct arena *arena = &w->s->arena;
	struct imap_set set;

	if (!imap_space(args) || !imap_set(args, arena, &set) || !imap_space(args) ||
		!imap_unchangedsince(args, &w->conditional, &w->unchangedsince))
		return false;
	w->row = parse_change(args);
	if (!w->row || !imap_space(args))
		return false;
	if (!imap_flags(args, arena, &w->flags, &w->keywords) &&
		!imap_bare_flags(args, arena, &w->flags, &w->keywords))
		return false;
	w->flags &= ~(unsigned)FLAG_RECENT; /* the server's own: not to be stored */
	return imap_end(args) && imap_walk(w->s, set, &w->walk);
}

bool imap_may_be_keyword(struct str word)
{
	return word.ptr[0] != '\\' &&
	       (imap_is_atom(word) || str_ieq(word, STR_LIT("NIL")));
}

/* Keywords are taken as the mailbox spells them already. Of those that look like system
   flags only the ones that the source had are known. */
static bool spell_keywords(struct storing *w)
{
	struct str left = w->keywords;
	struct buf all;
	bool ok = true;

	buf_init(&all, 0);
	while (left.len && ok) {
		bool known;
		struct str word =
			view_spelling(&w->s->view, str_split(&left, ' '), &known);

		w->new_bytes += known ? 0 : word.len + 1;
		ok = (known || imap_may_be_keyword(word)) &&
		     (!buf_len(&all) || buf_byte(&all, ' ') == 0) &&
		     buf_append(&all, word) == 0;
	}
	if (ok) {
		w->keywords =
			imap_keywords_add(&w->s->arena, STR_LIT(""), buf_view(&all));
		ok = w->keywords.ptr;
	}
	buf_fini(&all);
	return ok;
}

static bool are_too_many(const struct storing *w)
{
	size_t all = buf_len(&w->s->view.keywords) + w->new_bytes;

	if (w->row->change == REMOVE)
		return false;
	return w->keywords.len > IMAP_KEYWORDS_LENGTH_MAX ||
	       (w->new_bytes && all > IMAP_MAILBOX_KEYWORDS_MAX);
}

/* RFC 3501, 7.2.6: a new word is announced before it is shown. */
static void announce_keywords(struct storing *w)
{
	int r = 0;

	if (w->row->change != REMOVE && view_add_keywords(&w->s->view, w->keywords, &r) &&
		r == 0)
		r = view_put_flags(&w->s->view, imap_out(w->s));
	imap_wrote(w->s, r);
}

/* A set may be longer than an answer's text: it is written by itself. */
static void answer_modified(struct storing *w)
{
	struct imap *s = w->s;

	imap_sync(s, s->uid);
	if (s->phase == IMAP_PHASE_END)
		return;
	imap_wrote(s, buf_printf(imap_out(s), "%.*s OK [MODIFIED ", STR_ARG(s->tag)));
	imap_wrote(s, buf_append(imap_out(s), buf_view(&w->modified)));
	imap_wrote(s, buf_append_c(imap_out(s), "] Conditional store failed.\r\n"));
	imap_answered(s);
}

static void answer(struct storing *w)
{
	if (buf_len(&w->modified))
		answer_modified(w);
	else if (w->gone)
		imap_done(w->s, IMAP_OK,
			"[EXPUNGEISSUED] Some messages do not exist any more.");
	else
		imap_done(w->s, IMAP_OK, "Store completed.");
}

/* Each message is changed as it is then. */
static enum service_need step(struct imap *s)
{
	struct storing *w = s->job.data;
	struct error err = { 0 };
	int code = imap_piece(s, store_piece, w, &err);

	if (code == 0 && !s->contexts) /* nobody else has written since */
		view_is_in_step(&s->view);
	if (code == 0 && w->all)
		answer(w);
	else if (code < 0 && code != -ESHUTDOWN)
		imap_failed(s, &err);
	return SERVICE_AGAIN;
}

static void end(struct imap *s)
{
	struct storing *w = s->job.data;

	buf_fini(&w->modified);
}

static void begin(struct imap *s, struct storing *w, bool was_in_step)
{
	s->job = (struct imap_job){ .step = step, .end = end, .data = w };
	s->phase = IMAP_PHASE_JOB;
	if (!is_simple(w))
		return;
	if (imap_transaction(s, store_at_once, w) < 0 || !w->all)
		return;
	if (was_in_step) /* and still is: nobody else has written */
		view_is_in_step(&s->view);
	answer(w);
}

void cmd_store(struct imap *s, struct imap_cursor *args)
{
	struct storing *w = arena_alloc(&s->arena, sizeof(*w));
	bool was_in_step;

	if (!w) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	w->s = s;
	imap_sync(s, s->uid);
	was_in_step = !s->view.dirty && !s->contexts;
	if (s->phase == IMAP_PHASE_END)
		return;
	if (!parse(w, args)) {
		imap_bad_arguments(s);
		return;
	}
	if (!spell_keywords(w)) {
		imap_done(s, IMAP_BAD, "Unknown flag.");
		return;
	}
	if (are_too_many(w)) {
		imap_done(s, IMAP_NO, "[LIMIT] There are too many keywords.");
		return;
	}
	if (w->conditional)
		imap_enable_condstore(s);
	announce_keywords(w);
	buf_init(&w->modified, 0);
	w->modified_writer.out = &w->modified;
	begin(s, w, was_in_step);
}
