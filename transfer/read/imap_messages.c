/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * FETCH responses: the rows of a listing, and bodies.
 *
 * What cannot be read of one message costs that message only. In a listing it is asked
 * for alone, when the folder is listed once more for it; a body is asked for alone by the
 * copy (SOURCE_DONE without it). What then still makes no sense is named.
 */
#include "transfer/read/imap_answers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_all(const struct imap_fetched *f, unsigned items)
{
	return (f->has & items) == items;
}

static bool is_unchanged(const struct answer *a)
{
	return imap_is_open(a) && a->imap->status.uidvalidity == a->command->uidvalidity;
}

static bool is_for_rows(const struct answer *a)
{
	return a->command->asked == IMAP_ASKED_ROWS ||
	       a->command->asked == IMAP_ASKED_ROW;
}

static int no_memory(struct answer *a)
{
	return error_set(a->err, -ENOMEM, "no memory");
}

/* ---- a message that makes no sense ---- */

static int odd_row(struct answer *a, struct str line)
{
	if (!is_for_rows(a) || !imap_is_open(a))
		return 0;
	return imap_rows_bad(&a->imap->rows, a->imap->fetched_number, &a->imap->fetched,
		       str_trim(line)) < 0
	               ? no_memory(a)
	               : 0;
}

static void note_odd_body(struct answer *a, struct str line)
{
	(void)snprintf(a->imap->odd, sizeof(a->imap->odd), "no %s in \"%.*s\"",
		imap_lacks(a->imap->fetched.has, true),
		STR_ARG(str_take(str_trim(line), IMAP_LINE_MAX)));
}

/* "{12} " is no literal for the framing, and what follows may be mail all the same: lines
   of mail must not be taken for answers. */
static bool announces_literal(struct str line)
{
	struct imap_literal literal;
	struct str before;

	return imap_literal_announced(str_trim(line), &literal, &before) !=
	       IMAP_FRAME_COMMAND;
}

static int odd(struct answer *a, struct str line)
{
	if (announces_literal(line))
		return imap_nonsense(a, "a literal", line);
	a->imap->in_fetch = false;
	a->imap->in_body = false;
	note_odd_body(a, line);
	return odd_row(a, line);
}

/* ---- a row ---- */

static int row(struct answer *a, struct str line)
{
	struct imap_connection *imap = a->imap;
	bool is_complete = false;
	struct mail m;

	if (!imap_is_open(a))
		return 0;
	if (imap_rows_take(&imap->rows, imap->fetched_number, &imap->fetched,
		    str_trim(line), &m, &is_complete) < 0)
		return no_memory(a);
	return is_complete ? a->events->row(a->events->context, a->command->folder, &m)
	                   : 0;
}

/* ---- a body, and what belongs to it ---- */

static int kept_body(struct answer *a)
{
	struct str body = a->imap->fetched.body;
	int r = a->events->body(a->events->context, a->number, body.len);

	return r || !body.len ? r : a->events->bytes(a->events->context, a->number, body);
}

/* Two responses for one message: the second finds here what the first one said. The body
   itself is with whoever gets the events. */
static int keep_pending(struct answer *a)
{
	struct imap_connection *imap = a->imap;

	buf_clear(&imap->pending_keywords);
	if (buf_append(&imap->pending_keywords, imap->fetched.keywords) < 0)
		return no_memory(a);
	imap->pending = imap->fetched;
	imap->pending.is_begun = false;
	imap->pending.body = STR_LIT("");
	imap->pending.keywords = buf_view(&imap->pending_keywords);
	imap->pending_number = imap->fetched_number;
	return 0;
}

static bool is_about_pending(const struct imap_connection *imap)
{
	const struct imap_fetched *f = &imap->fetched, *p = &imap->pending;

	if (!p->has)
		return false;
	if (f->has & p->has & IMAP_FETCHED_UID)
		return f->uid == p->uid;
	return imap->pending_number == imap->fetched_number;
}

static void add_pending(struct imap_connection *imap)
{
	struct imap_fetched *f = &imap->fetched;
	const struct imap_fetched *p = &imap->pending;

	if (!(f->has & IMAP_FETCHED_UID))
		f->uid = p->uid;
	if (!(f->has & IMAP_FETCHED_DATE))
		f->date = p->date;
	if (!(f->has & IMAP_FETCHED_SIZE))
		f->size = p->size;
	if (!(f->has & IMAP_FETCHED_FLAGS)) {
		f->flags = p->flags;
		f->keywords = p->keywords;
	}
	f->has |= p->has;
}

static int whole_message(struct answer *a, bool was_streamed, struct str line)
{
	struct imap_connection *imap = a->imap;
	bool has_body = imap->fetched.has & IMAP_FETCHED_BODY;
	struct mail m;
	int r = 0;

	if (!is_unchanged(a))
		return 0;
	if (has_body && !was_streamed)
		r = kept_body(a);
	if (r)
		return r;
	if (is_about_pending(imap))
		add_pending(imap);
	if (!has_all(&imap->fetched, IMAP_ROW_NEEDS | (unsigned)IMAP_FETCHED_BODY)) {
		note_odd_body(a, line);
		return keep_pending(a);
	}
	m = imap_mail_of(&imap->fetched);
	r = a->events->message(a->events->context, a->number, a->command->folder, &m);
	imap->pending.has = 0;
	return r;
}

/* ---- responses, whole or in parts ---- */

static int complete(struct answer *a, bool was_streamed, struct str line)
{
	a->imap->in_fetch = false;
	if (is_for_rows(a))
		return row(a, line);
	if (a->command->asked == IMAP_ASKED_BODIES)
		return whole_message(a, was_streamed, line);
	return 0;
}

static int begin_body(struct answer *a)
{
	a->imap->in_body = a->command->asked == IMAP_ASKED_BODIES && is_unchanged(a);
	if (!a->imap->in_body)
		return 0;
	return a->events->body(a->events->context, a->number, a->imap->reader.left);
}

/* What is needed behind this line, which is gone by then. */
static int keep_strings(struct answer *a)
{
	struct imap_fetched *f = &a->imap->fetched;

	if (f->keywords.len)
		f->keywords = arena_str(&a->imap->arena, f->keywords);
	if (f->body.len)
		f->body = arena_str(&a->imap->arena, f->body);
	return (f->keywords.len && !f->keywords.ptr) || (f->body.len && !f->body.ptr)
	               ? no_memory(a)
	               : 0;
}

static int part(
	struct answer *a, struct imap_cursor *rest, bool was_streamed, struct str line)
{
	struct imap_connection *imap = a->imap;

	imap->is_left_open = false;
	switch (imap_response_fetch(rest, &imap->arena, &imap->fetched)) {
	case IMAP_FETCH_IS_COMPLETE:
		return complete(a, was_streamed, line);
	case IMAP_FETCH_IS_IN_BODY:
		if (!imap->reader.left)
			break;
		imap->in_fetch = imap->is_streamed = true;
		return begin_body(a);
	case IMAP_FETCH_IS_OPEN:
		imap->in_fetch = imap->is_left_open = true;
		return 0;
	case IMAP_FETCH_IS_IN_LITERAL:
		if (!imap->reader.left)
			break;
		imap->in_fetch = true;
		return 0;
	case IMAP_FETCH_IS_BAD:
		break;
	}
	return odd(a, line);
}

int imap_fetch_begin(struct answer *a, struct imap_response *is, struct str line)
{
	struct imap_connection *imap = a->imap;
	int r;

	imap->fetched =
		(struct imap_fetched){ .keywords = STR_LIT(""), .body = STR_LIT("") };
	imap->fetched_number = is->number;
	imap->is_streamed = false;
	r = part(a, &is->rest, false, line);
	return r == 0 && imap->in_fetch ? keep_strings(a) : r;
}

int imap_fetch_rest(struct answer *a, struct str line)
{
	struct imap_cursor rest = imap_cursor(line);
	int r;

	a->imap->in_body = false;
	r = part(a, &rest, a->imap->is_streamed, line);
	return r == 0 && a->imap->in_fetch ? keep_strings(a) : r;
}

/* As good as closed. */
int imap_fetch_over(struct answer *a)
{
	a->imap->in_body = false;
	return complete(a, a->imap->is_streamed, STR_LIT("(not closed)"));
}

/* ---- the end of a listing ---- */

static int tell_without_size(struct answer *a)
{
	struct mail m;
	size_t i = 0;
	int r = 0;

	while (r == 0 && imap_rows_next_without_size(&a->imap->rows, &i, &m))
		r = a->events->row(a->events->context, a->command->folder, &m);
	return r;
}

/* The folder once more, and then each of them by itself. */
static int list_again(struct answer *a)
{
	const struct imap_rows *rows = &a->imap->rows;
	struct imap_odd *odd = calloc(rows->count, sizeof(*odd));
	int r;

	if (!odd)
		return no_memory(a);
	for (size_t i = 0; i < rows->count; i++)
		odd[i] = (struct imap_odd){ .uid = rows->at[i].fetched.uid,
			.number = rows->at[i].number };
	r = imap_queue_list_again(a->queue, a->command->folder, a->command->name,
		a->command->from, odd, rows->count);
	if (r < 0)
		free(odd);
	return r < 0 ? no_memory(a) : 0;
}

static int name_odd_rows(struct answer *a)
{
	const struct imap_rows *rows = &a->imap->rows;
	char text[IMAP_LINE_MAX + 80];
	int r = 0;

	for (size_t i = 0; r == 0 && i < rows->count; i++) {
		imap_row_complaint(&rows->at[i], text, sizeof(text));
		r = a->events->unreadable(a->events->context, a->command->folder,
			rows->at[i].fetched.uid, str_from(text));
	}
	return r;
}

static int listed(struct answer *a, enum source_end end, struct str text)
{
	return a->events->listed(a->events->context, a->command->folder, end, text);
}

static int end_of_listing(struct answer *a)
{
	struct imap_connection *imap = a->imap;
	size_t n_odd, told;
	char text[80];
	int r = tell_without_size(a);

	if (r)
		return r;
	n_odd = imap->rows.count;
	told = imap_rows_told(&imap->rows);
	if (!a->command->from && told + n_odd < imap->status.messages) {
		(void)snprintf(text, sizeof(text), "only %zu of %u messages are listed",
			told + n_odd, imap->status.messages);
		return listed(a, SOURCE_REFUSED, str_from(text));
	}
	/* late news of a message that was told is no new one */
	if (told >= imap->status.messages)
		n_odd = 0;
	if (n_odd && !a->command->is_again && n_odd <= IMAP_ODD_MAX)
		return list_again(a);
	if (n_odd)
		r = name_odd_rows(a);
	return r ? r : listed(a, SOURCE_DONE, STR_LIT(""));
}

/* Some mailboxes open by SELECT alone. */
static int not_open(struct answer *a)
{
	const struct imap_command *c = a->command;
	enum imap_opening how = imap_queue_opening(a->queue, a->imap, c->folder);
	bool is_last =
		how == IMAP_SELECT || (how == IMAP_EXAMINE && !a->queue->allow_select);

	if (!a->imap->open_refused || is_last)
		return listed(a, a->imap->has_no_right ? SOURCE_NO_RIGHT : SOURCE_REFUSED,
			str_from(a->imap->why));
	if (imap_queue_open_by(a->queue, c->folder, how + 1) < 0 ||
		imap_queue_list_again(a->queue, c->folder, c->name, c->from, NULL, 0) < 0)
		return no_memory(a);
	return 0;
}

/* Several servers answer BAD to "1:*" in an empty mailbox. */
int imap_rows_end(struct answer *a, const struct imap_response *is)
{
	bool is_ok = is->status == IMAP_STATUS_OK || !a->imap->status.messages;

	if (!a->command->is_last) {
		a->imap->rows_refused = !is_ok;
		return 0;
	}
	if (!imap_is_open(a))
		return not_open(a);
	return is_ok ? end_of_listing(a) : listed(a, SOURCE_REFUSED, is->text);
}

/* A refusal of one message leaves it as it was. */
int imap_row_end(struct answer *a, const struct imap_response *is)
{
	if (!a->command->is_last)
		return 0;
	if (!imap_is_open(a))
		return listed(a, SOURCE_REFUSED, str_from(a->imap->why));
	if (a->imap->rows_refused)
		return listed(a, SOURCE_REFUSED, is->text);
	return end_of_listing(a);
}

/* ---- the end of bodies ---- */

int imap_bodies_end(struct answer *a, const struct imap_response *is)
{
	const struct imap_command *c = a->command;
	enum source_end end = SOURCE_DONE;
	struct str text = str_from(a->imap->odd);

	if (!imap_is_open(a)) {
		end = SOURCE_REFUSED;
		text = str_from(a->imap->why);
	} else if (!is_unchanged(a)) {
		end = SOURCE_CHANGED;
	} else if (is->status != IMAP_STATUS_OK) {
		end = SOURCE_REFUSED;
		text = is->text;
	}
	return a->events->fetched(
		a->events->context, c->folder, c->first, c->n, end, text);
}
