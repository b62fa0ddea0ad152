/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/imap_answers.h"

#include <errno.h>
#include <stdio.h>

_Static_assert((int)IMAP_LIST_NOSELECT == FOLDER_NOSELECT &&
		       (int)IMAP_LIST_NOINFERIORS == FOLDER_NOINFERIORS &&
		       (int)IMAP_LIST_NONEXISTENT == FOLDER_NONEXISTENT,
	"the same bits");
#define KEPT_ATTRIBUTES                                                                  \
	(unsigned)(IMAP_LIST_NOSELECT | IMAP_LIST_NOINFERIORS | IMAP_LIST_NONEXISTENT)

struct answer {
	const struct source_events *events;
	bool *careful;
	struct imap_connection *imap;
	unsigned number; /* of the connection */
	const struct imap_command *command;
	struct error *err;
};

static int nonsense(struct answer *a, const char *what)
{
	return error_set(a->err, -EPROTO, "the source sent %s that makes no sense", what);
}

/* ---- data: what comes untagged ---- */

static int list_data(struct answer *a, struct imap_response *is)
{
	struct mail_folder folder;
	struct imap_list list;

	if (!str_ieq(is->name, STR_LIT("LIST")))
		return 0;
	if (!imap_response_list(is->rest, &a->imap->arena, &list))
		return nonsense(a, "a folder");
	folder = (struct mail_folder){ .name = list.name,
		.separator = list.separator,
		.attributes = list.attributes & KEPT_ATTRIBUTES,
		.special_use = list.special_use };
	return a->events->folder(a->events->context, &folder);
}

static int lsub_data(struct answer *a, struct imap_response *is)
{
	struct imap_list list;

	if (!str_ieq(is->name, STR_LIT("LSUB")))
		return 0;
	if (!imap_response_list(is->rest, &a->imap->arena, &list))
		return nonsense(a, "a subscription");
	return a->events->subscription(a->events->context, list.name);
}

static int namespace_data(struct answer *a, struct imap_response *is)
{
	if (!str_ieq(is->name, STR_LIT("NAMESPACE")))
		return 0;
	return a->events->namespaces(a->events->context, str_trim(is->rest.rest));
}

static int examine_data(struct answer *a, struct imap_response *is)
{
	if (str_ieq(is->name, STR_LIT("EXISTS")))
		a->imap->status.messages = is->number;
	return 0;
}

/* What goes while the folder is open is not missed in its listing; what comes is not
   asked for. */
static int mailbox_data(struct answer *a, struct imap_response *is)
{
	struct source_status *status = &a->imap->status;

	if (str_ieq(is->name, STR_LIT("EXPUNGE")) && status->messages)
		status->messages--;
	return 0;
}

static void examine_code(struct answer *a, const struct imap_response *is)
{
	struct source_status *status = &a->imap->status;

	if (str_ieq(is->code, STR_LIT("UIDVALIDITY")))
		(void)str_to_u32(is->code_value, &status->uidvalidity);
	else if (str_ieq(is->code, STR_LIT("UIDNEXT")))
		(void)str_to_u32(is->code_value, &status->uidnext);
	else if (str_ieq(is->code, STR_LIT("HIGHESTMODSEQ")))
		(void)str_to_u64(is->code_value, &status->highestmodseq);
}

static struct mail message_of(const struct imap_fetched *f)
{
	return (struct mail){ .uid = f->uid,
		.flags = f->flags,
		.keywords = f->keywords,
		.date = f->date.seconds,
		.zone = f->date.zone,
		.size = f->size };
}

#define ROW_ITEMS                                                                        \
	(unsigned)(IMAP_FETCHED_UID | IMAP_FETCHED_FLAGS | IMAP_FETCHED_DATE |           \
		   IMAP_FETCHED_SIZE)

static bool has_all(const struct imap_fetched *f, unsigned items)
{
	return (f->has & items) == items;
}

/* Whether the folder that this command is about is the one that is open. */
static bool is_open(const struct answer *a)
{
	return a->imap->open_folder == a->command->folder;
}

static bool is_unchanged(const struct answer *a)
{
	return is_open(a) && a->imap->status.uidvalidity == a->command->uidvalidity;
}

static int row(struct answer *a)
{
	struct mail m = message_of(&a->imap->fetched);

	if (!is_open(a) || !has_all(&a->imap->fetched, ROW_ITEMS))
		return 0;
	a->imap->rows++;
	return a->events->row(a->events->context, a->command->folder, &m);
}

static int kept_body(struct answer *a)
{
	struct str body = a->imap->fetched.body;
	int r = a->events->body(a->events->context, a->number, body.len);

	return r || !body.len ? r : a->events->bytes(a->events->context, a->number, body);
}

static int whole_message(struct answer *a, bool was_streamed)
{
	struct mail m = message_of(&a->imap->fetched);
	int r = 0;

	if (!is_unchanged(a) || !has_all(&a->imap->fetched, IMAP_FETCHED_BODY))
		return 0;
	if (!has_all(&a->imap->fetched, ROW_ITEMS))
		return nonsense(a, "a message without UID, flags, date or size");
	if (!was_streamed)
		r = kept_body(a);
	return r ? r
	         : a->events->message(
			   a->events->context, a->number, a->command->folder, &m);
}

/* ---- the tagged end ---- */

static int list_end(struct answer *a, const struct imap_response *is)
{
	if (is->status == IMAP_STATUS_OK)
		return 0;
	return error_set(a->err, -EPERM,
		"the login was accepted, but LIST is refused: %.*s", STR_ARG(is->text));
}

/* Extensions and subscriptions: a server that has none has told so. */
static int ignored_end(struct answer *a, const struct imap_response *is)
{
	(void)a;
	(void)is;
	return 0;
}

static int examine_end(struct answer *a, const struct imap_response *is)
{
	struct imap_connection *imap = a->imap;

	if (is->status == IMAP_STATUS_OK && imap->status.uidvalidity) {
		imap->open_folder = a->command->folder;
		return a->events->opened(
			a->events->context, a->command->folder, &imap->status);
	}
	if (imap->examined == a->command->folder)
		imap->examined = IMAP_NO_FOLDER;
	(void)snprintf(imap->why, sizeof(imap->why), "%.*s",
		STR_ARG(is->status == IMAP_STATUS_OK ? STR_LIT("it has no UIDVALIDITY")
						     : is->text));
	return 0;
}

/* Several servers answer BAD to "1:*" in an empty mailbox. */
static int rows_end(struct answer *a, const struct imap_response *is)
{
	struct imap_connection *imap = a->imap;
	bool ok = is->status == IMAP_STATUS_OK || !imap->status.messages;
	char text[80];

	if (!is_open(a))
		return a->events->listed(a->events->context, a->command->folder,
			SOURCE_REFUSED, str_from(imap->why));
	if (!ok)
		return a->events->listed(
			a->events->context, a->command->folder, SOURCE_REFUSED, is->text);
	(void)snprintf(text, sizeof(text), "only %u of %u messages are listed",
		imap->rows, imap->status.messages);
	return a->events->listed(a->events->context, a->command->folder,
		imap->rows < imap->status.messages ? SOURCE_REFUSED : SOURCE_DONE,
		str_from(text));
}

static int bodies_end(struct answer *a, const struct imap_response *is)
{
	const struct imap_command *c = a->command;
	enum source_end end = SOURCE_DONE;
	struct str text = is->text;

	if (!is_open(a)) {
		end = SOURCE_REFUSED;
		text = str_from(a->imap->why);
	} else if (!is_unchanged(a)) {
		end = SOURCE_CHANGED;
	} else if (is->status != IMAP_STATUS_OK) {
		end = SOURCE_REFUSED;
	}
	return a->events->fetched(
		a->events->context, c->folder, c->first, c->n, end, text);
}

/* ---- one row for each kind of command ---- */

static const struct asked_row {
	int (*data)(struct answer *a, struct imap_response *is);
	int (*end)(struct answer *a, const struct imap_response *is);
} asked_rows[] = {
	[IMAP_ASKED_NAMESPACE] = { namespace_data, ignored_end },
	[IMAP_ASKED_LIST] = { list_data, list_end },
	[IMAP_ASKED_SPECIAL_USE] = { list_data, ignored_end },
	[IMAP_ASKED_LSUB] = { lsub_data, ignored_end },
	[IMAP_ASKED_EXAMINE] = { examine_data, examine_end },
	[IMAP_ASKED_ROWS] = { mailbox_data, rows_end },
	[IMAP_ASKED_BODIES] = { mailbox_data, bodies_end },
};
_Static_assert(
	sizeof(asked_rows) / sizeof(asked_rows[0]) == IMAP_ASKED_COUNT, "one for each");

static bool is_fetch(const struct imap_response *is)
{
	return is->kind == IMAP_IS_DATA && str_ieq(is->name, STR_LIT("FETCH"));
}

/* ---- FETCH responses, whole or in parts ---- */

static int fetch_complete(struct answer *a, bool was_streamed)
{
	a->imap->in_fetch = false;
	if (a->command->asked == IMAP_ASKED_ROWS)
		return row(a);
	if (a->command->asked == IMAP_ASKED_BODIES)
		return whole_message(a, was_streamed);
	return 0;
}

static int begin_body(struct answer *a)
{
	a->imap->in_body = a->command->asked == IMAP_ASKED_BODIES && is_unchanged(a);
	if (!a->imap->in_body)
		return 0;
	return a->events->body(a->events->context, a->number, a->imap->reader.left);
}

static int fetch_part(struct answer *a, struct imap_cursor *rest, bool was_streamed)
{
	switch (imap_response_fetch(rest, &a->imap->arena, &a->imap->fetched)) {
	case IMAP_FETCH_IS_COMPLETE:
		return fetch_complete(a, was_streamed);
	case IMAP_FETCH_IS_IN_BODY:
		a->imap->in_fetch = true;
		return begin_body(a);
	case IMAP_FETCH_IS_IN_LITERAL:
		a->imap->in_fetch = true;
		return 0;
	case IMAP_FETCH_IS_BAD:
		break;
	}
	return nonsense(a, "a FETCH response");
}

/* Keywords stand before the body and are needed after it; the line is gone by then. */
static int keep_strings(struct answer *a)
{
	struct imap_fetched *f = &a->imap->fetched;

	if (!f->keywords.len)
		return 0;
	f->keywords = arena_str(&a->imap->arena, f->keywords);
	return f->keywords.ptr ? 0 : error_set(a->err, -ENOMEM, "no memory");
}

static int fetch_begin(struct answer *a, struct imap_response *is)
{
	int r;

	a->imap->fetched = (struct imap_fetched){ .keywords = STR_LIT("") };
	r = fetch_part(a, &is->rest, false);
	return r == 0 && a->imap->in_fetch ? keep_strings(a) : r;
}

static int fetch_rest(struct answer *a, struct str part)
{
	struct imap_cursor rest = imap_cursor(part);
	bool was_streamed = has_all(&a->imap->fetched, IMAP_FETCHED_BODY);

	a->imap->in_body = false;
	return fetch_part(a, &rest, was_streamed);
}

/* ---- dispatch ---- */

static int status_untagged(struct answer *a, const struct imap_response *is)
{
	if (is->status == IMAP_STATUS_BYE)
		return error_set(a->err, -ECONNRESET, "the source says BYE: %.*s",
			STR_ARG(is->text));
	if (a->command->asked == IMAP_ASKED_EXAMINE)
		examine_code(a, is);
	return 0;
}

static int end_of_command(struct answer *a, const struct imap_response *is)
{
	uint32_t tag;
	int r;

	if (!str_to_u32(str_skip(is->tag, 1), &tag) || tag != a->command->tag)
		return nonsense(a, "an answer to a question");
	/* some servers cannot have a second command before the first is answered */
	if (is->status == IMAP_STATUS_BAD && a->imap->n_sent > 1 && !*a->careful &&
		(a->command->asked < IMAP_ASKED_ROWS || is_open(a))) {
		*a->careful = true;
		return error_set(a->err, -EAGAIN,
			"the source does not take commands ahead of its answers: %.*s",
			STR_ARG(is->text));
	}
	r = asked_rows[a->command->asked].end(a, is);
	imap_connection_answered(a->imap);
	return r;
}

static int response(struct answer *a, struct str line)
{
	struct imap_response is;

	if (!imap_response_parse(line, &is) || is.kind == IMAP_IS_CONTINUATION)
		return nonsense(a, "a line");
	if (is.kind == IMAP_IS_STATUS)
		return is.tag.len ? end_of_command(a, &is) : status_untagged(a, &is);
	if (is_fetch(&is))
		return fetch_begin(a, &is);
	return asked_rows[a->command->asked].data(a, &is);
}

static int bytes(struct answer *a, struct str piece)
{
	if (!a->imap->in_body)
		return 0;
	return a->events->bytes(a->events->context, a->number, piece);
}

static int take(struct answer *a, enum imap_response_event event, struct str part)
{
	switch (event) {
	case IMAP_RESPONSE_BYTES:
		return bytes(a, part);
	case IMAP_RESPONSE_LITERAL:
	case IMAP_RESPONSE_COMPLETE:
		return a->imap->in_fetch ? fetch_rest(a, part) : response(a, part);
	case IMAP_RESPONSE_NEED_MORE:
	case IMAP_RESPONSE_TOO_LONG:
	case IMAP_RESPONSE_BAD:
		break;
	}
	return nonsense(a, "a line of a length");
}

/* What comes from here on is about another command than before. */
static void look_at_head(struct answer *a)
{
	struct imap_connection *imap = a->imap;

	a->command = imap_connection_head(imap);
	if (!a->command || a->command->tag == imap->current_tag)
		return;
	imap->current_tag = a->command->tag;
	imap->rows = 0;
	if (a->command->asked != IMAP_ASKED_EXAMINE)
		return;
	imap->open_folder = IMAP_NO_FOLDER;
	imap->status = (struct source_status){ 0 };
}

int imap_answers_take(const struct imap_answers *answers, struct imap_connection *imap,
	unsigned number, struct error *err)
{
	struct answer a = { .events = answers->events,
		.careful = answers->ret_careful,
		.imap = imap,
		.number = number,
		.err = err };
	enum imap_response_event event;
	struct str part;
	size_t used;
	int r = 0;

	for (;;) {
		look_at_head(&a);
		if (r || !a.command)
			break;
		event = imap_connection_next(imap, &part, &used);
		if (event == IMAP_RESPONSE_NEED_MORE)
			break;
		r = take(&a, event, part);
		buf_consume(&imap->net.in, used);
		if (!imap->in_fetch)
			arena_fini(&imap->arena);
	}
	return r;
}
