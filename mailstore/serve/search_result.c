/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What was found, as the client wants to hear it: a list (RFC 3501, RFC 5256) or an
   ESEARCH (RFC 4731, RFC 9394); and what "$" is from then on (RFC 5182, RFC 9394, 3.2). */
#include "mailstore/serve/notify.h"
#include "wire/imap/encode.h"

#include <inttypes.h>

static uint32_t number_of(const struct imap *s, const struct searching *w, uint32_t i)
{
	uint32_t index = w->found[i];

	return s->uid ? s->view.messages[index].uid : index + 1;
}

/* ── modseq ────────────────────────────────────────────────────────────────────────── */

static uint64_t modseq_at(const struct imap *s, const struct searching *w, uint32_t i)
{
	return s->view.messages[w->found[i]].modseq;
}

/* RFC 4731, 3.2: of the messages that are shown: with MIN and MAX alone just those. */
static uint64_t highest_modseq(const struct imap *s, const struct searching *w)
{
	const unsigned ends = IMAP_RETURN_MIN | IMAP_RETURN_MAX;
	unsigned shown = w->returns.options & ~(unsigned)IMAP_RETURN_SAVE;
	uint64_t highest = 0;

	for (uint32_t i = 0; i < w->count; i++) {
		bool is_end = (i == 0 && (shown & IMAP_RETURN_MIN)) ||
		              (i == w->count - 1 && (shown & IMAP_RETURN_MAX));

		if (w->returns.given && !(shown & ~ends) && !is_end)
			continue;
		if (modseq_at(s, w, i) > highest)
			highest = modseq_at(s, w, i);
	}
	return highest;
}

/* ── the list ──────────────────────────────────────────────────────────────────────── */

static void put_list(struct imap *s, struct searching *w)
{
	struct buf *out = imap_out(s);
	int r = buf_printf(out, "* %.*s", STR_ARG(w->verb));

	for (uint32_t i = 0; i < w->count && r == 0; i++) {
		r = buf_byte(out, ' ');
		if (r == 0)
			r = buf_number(out, number_of(s, w, i));
	}
	if (r == 0 && w->search.has_modseq && w->count)
		r = buf_printf(out, " (MODSEQ %" PRIu64 ")", highest_modseq(s, w));
	imap_wrote(s, r < 0 ? r : buf_append_c(out, "\r\n"));
}

/* ── ESEARCH ───────────────────────────────────────────────────────────────────────── */

/* from..to of found[], to excluded. */
static int put_set(
	struct imap *s, struct searching *w, uint32_t from, uint32_t to, struct buf *out)
{
	struct imap_set_writer writer = { .out = out };
	int r = 0;

	for (uint32_t i = from; i < to && r == 0; i++)
		r = imap_set_put(&writer, number_of(s, w, i));
	return r < 0 ? r : imap_set_end(&writer);
}

/* Which of found[] PARTIAL means. */
static void partial_range(const struct searching *w, uint32_t *ret_from, uint32_t *ret_to)
{
	const struct imap_partial *p = &w->returns.partial;
	uint32_t from = p->first - 1, to = p->last;

	if (p->from_end) {
		from = w->count > p->last ? w->count - p->last : 0;
		to = w->count >= p->first ? w->count - p->first + 1 : 0;
	}
	*ret_to = to < w->count ? to : w->count;
	*ret_from = from < *ret_to ? from : *ret_to;
}

static int put_partial(struct imap *s, struct searching *w, struct buf *out)
{
	uint32_t from, to;
	const struct imap_partial *p = &w->returns.partial;
	const char *sign = p->from_end ? "-" : "";
	int r = buf_printf(out, " PARTIAL (%s%" PRIu32 ":%s%" PRIu32 " ", sign, p->first,
		sign, p->last);

	partial_range(w, &from, &to);
	if (r == 0)
		r = from < to ? put_set(s, w, from, to, out) : buf_append_c(out, "NIL");
	return r < 0 ? r : buf_byte(out, ')');
}

static int put_items(struct imap *s, struct searching *w, struct buf *out)
{
	unsigned options = w->returns.options;
	int r = 0;

	if (w->count && (options & IMAP_RETURN_MIN))
		r = buf_printf(out, " MIN %" PRIu32, number_of(s, w, 0));
	if (r == 0 && w->count && (options & IMAP_RETURN_MAX))
		r = buf_printf(out, " MAX %" PRIu32, number_of(s, w, w->count - 1));
	if (r == 0 && (options & IMAP_RETURN_COUNT))
		r = buf_printf(out, " COUNT %" PRIu32, w->count);
	if (r == 0 && (options & IMAP_RETURN_PARTIAL))
		r = put_partial(s, w, out);
	if (r == 0 && w->count && (options & IMAP_RETURN_ALL)) {
		r = buf_append_c(out, " ALL ");
		if (r == 0)
			r = put_set(s, w, 0, w->count, out);
	}
	if (r == 0 && w->count && w->search.has_modseq)
		r = buf_printf(out, " MODSEQ %" PRIu64, highest_modseq(s, w));
	return r;
}

static void put_esearch(struct imap *s, struct searching *w)
{
	struct buf *out = imap_out(s);
	int r = buf_append_c(out, "* ESEARCH (TAG ");

	if (r == 0)
		r = imap_put_quoted(out, s->tag);
	if (r == 0)
		r = buf_append_c(out, s->uid ? ") UID" : ")");
	if (r == 0)
		r = put_items(s, w, out);
	imap_wrote(s, r < 0 ? r : buf_append_c(out, "\r\n"));
}

/* ── "$" ───────────────────────────────────────────────────────────────────────────── */

static bool is_saved(const struct searching *w, uint32_t i)
{
	const unsigned some = IMAP_RETURN_MIN | IMAP_RETURN_MAX | IMAP_RETURN_PARTIAL;
	unsigned options = w->returns.options;
	uint32_t from, to;

	if ((options & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT)) || !(options & some))
		return true;
	if (i == 0 && (options & IMAP_RETURN_MIN))
		return true;
	if (i == w->count - 1 && (options & IMAP_RETURN_MAX))
		return true;
	if (!(options & IMAP_RETURN_PARTIAL))
		return false;
	partial_range(w, &from, &to);
	return i >= from && i < to;
}

static void save(struct imap *s, struct searching *w)
{
	struct imap_set_writer writer;
	struct buf uids;
	int r = 0;

	buf_init(&uids, 0);
	writer = (struct imap_set_writer){ .out = &uids };
	for (uint32_t i = 0; i < w->count && r == 0; i++)
		if (is_saved(w, i))
			r = imap_set_put(&writer, s->view.messages[w->found[i]].uid);
	if (r == 0)
		r = imap_set_end(&writer);
	if (r == 0)
		imap_save_result(s, buf_view(&uids));
	buf_fini(&uids);
	imap_wrote(s, r);
}

/* RFC 5267, 4.3.1; the results of SORT are not kept up to date. */
static void begin_updates(struct imap *s, struct searching *w)
{
	if (w->keys.len && context_begin(s, w, w->keys))
		return;
	imap_wrote(s, context_refuse(s, s->tag));
}

void search_finish(struct imap *s, struct searching *w)
{
	bool quiet = w->returns.given && w->returns.options == IMAP_RETURN_SAVE;

	if (w->returns.options & IMAP_RETURN_SAVE)
		save(s, w);
	if (w->returns.options & IMAP_RETURN_UPDATE)
		begin_updates(s, w);
	if (w->returns.given && !quiet)
		put_esearch(s, w);
	else if (!quiet)
		put_list(s, w);
	imap_done(s, IMAP_OK, "%s completed.", w->noun);
}
