/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/imap_answers.h"

#include "wire/imap/flags.h"

#include <errno.h>
#include <stdio.h>

_Static_assert((int)IMAP_LIST_NOSELECT == FOLDER_NOSELECT &&
		       (int)IMAP_LIST_NOINFERIORS == FOLDER_NOINFERIORS &&
		       (int)IMAP_LIST_NONEXISTENT == FOLDER_NONEXISTENT,
	"the same bits");
#define KEPT_ATTRIBUTES                                                                  \
	(unsigned)(IMAP_LIST_NOSELECT | IMAP_LIST_NOINFERIORS | IMAP_LIST_NONEXISTENT)
#define INBOX STR_LIT("INBOX")

int imap_nonsense(struct answer *a, const char *what, struct str line)
{
	struct str name = a->command ? a->command->name : STR_LIT("");

	return error_set(a->err, -EPROTO,
		"the source sent %s that makes no sense%s%.*s%s: \"%.*s\"", what,
		name.len ? " in \"" : "", STR_ARG(name), name.len ? "\"" : "",
		STR_ARG(str_take(str_trim(line), IMAP_LINE_MAX)));
}

bool imap_is_open(const struct answer *a)
{
	return a->imap->open_folder == a->command->folder;
}

/* ---- data: what comes untagged ---- */

static int list_data(struct answer *a, struct imap_response *is, struct str line)
{
	struct mail_folder folder;
	struct imap_list list;

	if (!str_ieq(is->name, STR_LIT("LIST")))
		return 0;
	if (!imap_response_list(is->rest, &a->imap->arena, &list))
		return imap_nonsense(a, "a folder", line);
	a->imap->has_inbox = a->imap->has_inbox || str_ieq(list.name, INBOX);
	if (list.separator)
		a->imap->separator = list.separator;
	folder = (struct mail_folder){ .name = list.name,
		.separator = list.separator,
		.attributes = list.attributes & KEPT_ATTRIBUTES,
		.special_use = list.special_use };
	return a->events->folder(a->events->context, &folder);
}

static int lsub_data(struct answer *a, struct imap_response *is, struct str line)
{
	struct imap_list list;

	if (!str_ieq(is->name, STR_LIT("LSUB")))
		return 0;
	if (!imap_response_list(is->rest, &a->imap->arena, &list))
		return imap_nonsense(a, "a subscription", line);
	return a->events->subscription(a->events->context, list.name);
}

static int namespace_data(struct answer *a, struct imap_response *is, struct str line)
{
	(void)line;
	if (!str_ieq(is->name, STR_LIT("NAMESPACE")))
		return 0;
	return a->events->namespaces(a->events->context, str_trim(is->rest.rest));
}

/* Of the mailbox that INBOX is, though no list shows it. */
static int inbox_data(struct answer *a, struct imap_response *is, struct str line)
{
	struct mail_folder folder = {
		.name = INBOX, .separator = a->imap->separator, .special_use = STR("")
	};

	(void)line;
	if (!str_ieq(is->name, STR_LIT("STATUS")) || a->imap->has_inbox)
		return 0;
	a->imap->has_inbox = true;
	return a->events->folder(a->events->context, &folder);
}

/* A list that cannot be read costs only words that no message carries. */
static void keep_keywords(struct answer *a, const struct imap_response *is)
{
	struct imap_cursor c = imap_cursor(str_trim(is->rest.rest));
	struct str words;
	unsigned bits;

	buf_clear(&a->imap->keywords);
	if (imap_flags(&c, &a->imap->arena, &bits, &words))
		(void)buf_append(&a->imap->keywords, words);
}

static int examine_data(struct answer *a, struct imap_response *is, struct str line)
{
	(void)line;
	if (str_ieq(is->name, STR_LIT("FLAGS")))
		keep_keywords(a, is);
	if (str_ieq(is->name, STR_LIT("EXISTS")))
		a->imap->status.messages = is->number;
	return 0;
}

/* What goes while the folder is open is not missed in its listing; what comes is not
   asked for. */
int imap_mailbox_data(struct answer *a, struct imap_response *is, struct str line)
{
	struct source_status *status = &a->imap->status;

	(void)line;
	if (!str_ieq(is->name, STR_LIT("EXPUNGE")))
		return 0;
	if (status->messages)
		status->messages--;
	imap_rows_shift(&a->imap->rows);
	return 0;
}

static void uidvalidity(struct answer *a, struct str value)
{
	struct imap_connection *imap = a->imap;

	if (str_to_u32(value, &imap->status.uidvalidity) && imap->status.uidvalidity)
		return;
	(void)snprintf(imap->why, sizeof(imap->why),
		"its UIDVALIDITY \"%.*s\" is not a number from 1 to 4294967295",
		STR_ARG(str_take(value, IMAP_LINE_MAX)));
}

static void examine_code(struct answer *a, const struct imap_response *is)
{
	struct source_status *status = &a->imap->status;
	struct str value = str_trim(is->code_value);

	if (str_ieq(is->code, STR_LIT("UIDVALIDITY")))
		uidvalidity(a, value);
	else if (str_ieq(is->code, STR_LIT("UIDNEXT")))
		(void)str_to_u32(value, &status->uidnext);
	else if (str_ieq(is->code, STR_LIT("HIGHESTMODSEQ")))
		(void)str_to_u64(value, &status->highestmodseq);
	else if (str_ieq(is->code, STR_LIT("NOMODSEQ")))
		status->highestmodseq = 0;
}

/* "(MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7)": behind the name, which may hold anything. */
static int status_data(struct answer *a, struct imap_response *is, struct str line)
{
	struct source_status *looks = &a->imap->looks;
	struct str rest = str_trim(is->rest.rest);
	size_t at = rest.len;

	(void)line;
	if (!str_ieq(is->name, STR_LIT("STATUS")))
		return 0;
	while (at && rest.ptr[at - 1] != '(')
		at--;
	rest = str_skip(rest, at);
	rest = str_take(rest, str_index(rest, ')'));
	while ((rest = str_trim(rest)).len) {
		struct str item = str_split(&rest, ' '), value;

		rest = str_trim(rest);
		value = str_split(&rest, ' ');
		if (str_ieq(item, STR_LIT("UIDVALIDITY")))
			(void)str_to_u32(value, &looks->uidvalidity);
		else if (str_ieq(item, STR_LIT("UIDNEXT")))
			(void)str_to_u32(value, &looks->uidnext);
		else if (str_ieq(item, STR_LIT("MESSAGES")))
			(void)str_to_u32(value, &looks->messages);
		else if (str_ieq(item, STR_LIT("UNSEEN")))
			(void)str_to_u32(value, &looks->unseen);
		else if (str_ieq(item, STR_LIT("HIGHESTMODSEQ")))
			(void)str_to_u64(value, &looks->highestmodseq);
	}
	return 0;
}

/* Of the folder that is open. */
static int looks_data(struct answer *a, struct imap_response *is, struct str line)
{
	if (str_ieq(is->name, STR_LIT("FLAGS")))
		keep_keywords(a, is);
	return status_data(a, is, line);
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

static int tell_opened(struct answer *a)
{
	struct imap_connection *imap = a->imap;
	int r = a->events->opened(a->events->context, a->command->folder, &imap->status);

	if (r == 0 && buf_len(&imap->keywords))
		r = a->events->keywords(a->events->context, a->command->folder,
			buf_view(&imap->keywords));
	return r;
}

/* A code that is not one of these says that it is for now (RFC 5530: UNAVAILABLE, INUSE,
   LIMIT, SERVERBUG), or is about something else. Servers without codes have none. */
static bool is_no_right(const struct imap_response *is)
{
	if (is->status != IMAP_STATUS_NO)
		return false;
	return is->code.len ? str_ieq(is->code, STR_LIT("NOPERM")) ||
	                              str_ieq(is->code, STR_LIT("CANNOT"))
	                    : !str_starts(is->text, STR_LIT("["));
}

static int examine_end(struct answer *a, const struct imap_response *is)
{
	struct imap_connection *imap = a->imap;

	if (is->status == IMAP_STATUS_OK && imap->status.uidvalidity) {
		imap->open_folder = a->command->folder;
		buf_clear(&imap->open_name); /* without it, it is opened anew */
		(void)buf_append(&imap->open_name, a->command->name);
		return tell_opened(a);
	}
	if (imap->examined == a->command->folder)
		imap->examined = IMAP_NO_FOLDER;
	imap->open_refused = is->status != IMAP_STATUS_OK;
	imap->has_no_right = is_no_right(is);
	if (is->status != IMAP_STATUS_OK)
		(void)snprintf(imap->why, sizeof(imap->why), "%.*s", STR_ARG(is->text));
	else if (!*imap->why)
		(void)snprintf(imap->why, sizeof(imap->why), "it has no UIDVALIDITY");
	return 0;
}

static int status_end(struct answer *a, const struct imap_response *is)
{
	const struct source_status *looks = &a->imap->looks;

	if (is->status == IMAP_STATUS_OK && looks->uidvalidity && looks->uidnext)
		return a->events->opened(a->events->context, a->command->folder, looks);
	return a->events->listed(a->events->context, a->command->folder,
		is_no_right(is) ? SOURCE_NO_RIGHT : SOURCE_REFUSED, is->text);
}

static int noop_end(struct answer *a, const struct imap_response *is)
{
	a->imap->is_fresh = is->status == IMAP_STATUS_OK;
	return 0;
}

/* Whatever is not as it was with a folder that stayed open: it is listed as a whole. */
static int looks_end(struct answer *a, const struct imap_response *is)
{
	struct imap_connection *imap = a->imap;
	const struct source_status *looks = &imap->looks;

	if (is->status != IMAP_STATUS_OK || !looks->uidnext || !looks->highestmodseq ||
		looks->uidvalidity != imap->status.uidvalidity) {
		imap->uids_are_odd = true;
		return 0;
	}
	imap->status = *looks;
	return tell_opened(a);
}

/* ---- one row for each kind of command ---- */

static const struct asked_row {
	int (*data)(struct answer *a, struct imap_response *is, struct str line);
	int (*end)(struct answer *a, const struct imap_response *is);
} asked_rows[] = {
	[IMAP_ASKED_NAMESPACE] = { namespace_data, ignored_end },
	[IMAP_ASKED_LIST] = { list_data, list_end },
	[IMAP_ASKED_SPECIAL_USE] = { list_data, ignored_end },
	[IMAP_ASKED_LSUB] = { lsub_data, ignored_end },
	[IMAP_ASKED_LIST_INBOX] = { list_data, ignored_end },
	[IMAP_ASKED_STATUS_INBOX] = { inbox_data, ignored_end },
	[IMAP_ASKED_STATUS] = { status_data, status_end },
	[IMAP_ASKED_NOOP] = { looks_data, noop_end },
	[IMAP_ASKED_EXAMINE] = { examine_data, examine_end },
	[IMAP_ASKED_LOOKS] = { looks_data, looks_end },
	[IMAP_ASKED_ROWS] = { imap_uids_data, imap_rows_end },
	[IMAP_ASKED_ROW] = { imap_mailbox_data, imap_row_end },
	[IMAP_ASKED_UIDS] = { imap_uids_data, imap_uids_end },
	[IMAP_ASKED_BODIES] = { imap_mailbox_data, imap_bodies_end },
};
_Static_assert(
	sizeof(asked_rows) / sizeof(asked_rows[0]) == IMAP_ASKED_COUNT, "one for each");

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

/* About us, not about a message or a folder: Gmail says so after so many bytes of a day.
   What is refused so is asked for again, and never left behind. */
static bool is_not_now(const struct imap_response *is)
{
	return is->status == IMAP_STATUS_NO &&
	       (str_ieq(is->code, STR_LIT("THROTTLED")) ||
		       str_ieq(is->code, STR_LIT("OVERQUOTA")));
}

static int end_of_command(
	struct answer *a, const struct imap_response *is, struct str line)
{
	uint32_t tag;
	int r;

	if (!str_to_u32(str_skip(is->tag, 1), &tag) || tag != a->command->tag)
		return imap_nonsense(a, "an answer to a question", line);
	/* some servers cannot have a second command before the first is answered */
	if (is->status == IMAP_STATUS_BAD && a->imap->n_sent > 1 && !*a->careful &&
		!a->command->is_changes &&
		(a->command->asked < IMAP_ASKED_ROWS || imap_is_open(a))) {
		*a->careful = true;
		return error_set(a->err, -EAGAIN,
			"the source does not take commands ahead of its answers: %.*s",
			STR_ARG(is->text));
	}
	if (is_not_now(is))
		return error_set(a->err, -EAGAIN,
			"the source gives no more for now: %.*s", STR_ARG(is->text));
	r = asked_rows[a->command->asked].end(a, is);
	imap_connection_answered(a->imap);
	return r;
}

static int response(struct answer *a, struct str line)
{
	struct imap_response is;

	if (imap_response_is_blank(line))
		return 0;
	if (!imap_response_parse(line, &is) || is.kind == IMAP_IS_CONTINUATION)
		return imap_nonsense(a, "a line", line);
	if (is.kind == IMAP_IS_STATUS)
		return is.tag.len ? end_of_command(a, &is, line)
		                  : status_untagged(a, &is);
	if (str_ieq(is.name, STR_LIT("FETCH")))
		return imap_fetch_begin(a, &is, line);
	return asked_rows[a->command->asked].data(a, &is, line);
}

/* Behind a literal its response goes on; when it was left open, something else may
   begin. */
static int line_in_fetch(struct answer *a, struct str line)
{
	struct imap_response is;
	int r;

	if (!a->imap->is_left_open)
		return imap_fetch_rest(a, line);
	if (imap_response_is_blank(line))
		return 0;
	if (!imap_response_parse(line, &is) || is.kind == IMAP_IS_CONTINUATION)
		return imap_fetch_rest(a, line);
	r = imap_fetch_over(a);
	return r ? r : response(a, line);
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
		return a->imap->in_fetch ? line_in_fetch(a, part) : response(a, part);
	case IMAP_RESPONSE_NEED_MORE:
	case IMAP_RESPONSE_TOO_LONG:
	case IMAP_RESPONSE_BAD:
		break;
	}
	return imap_nonsense(a, "a line of a length", buf_view(&a->imap->net.in));
}

/* What comes from here on is about another command than before. */
static void look_at_head(struct answer *a)
{
	struct imap_connection *imap = a->imap;

	a->command = imap_connection_head(imap);
	if (!a->command || a->command->tag == imap->current_tag)
		return;
	imap->current_tag = a->command->tag;
	imap->odd[0] = '\0';
	imap->pending.has = 0;
	imap->looks = (struct source_status){ 0 };
	if (a->command->asked != IMAP_ASKED_EXAMINE &&
		a->command->asked != IMAP_ASKED_LOOKS)
		return;
	imap_rows_fini(&imap->rows);
	imap->n_uids = imap->last_uid = 0;
	imap->uids_are_odd = false;
	if (a->command->asked == IMAP_ASKED_LOOKS)
		return;
	imap->open_folder = IMAP_NO_FOLDER;
	imap->status = (struct source_status){ 0 };
	imap->why[0] = '\0';
	imap->has_no_right = false;
}

int imap_answers_take(const struct imap_answers *answers, struct imap_connection *imap,
	unsigned number, struct error *err)
{
	struct answer a = { .events = answers->events,
		.queue = answers->queue,
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
