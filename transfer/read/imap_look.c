/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/imap_look.h"

#include "base/clock.h"
#include "transfer/read/imap_dialogue.h"

#include <errno.h>

/* Of all answers: 10,000 folders of others have names of some 50 bytes. */
#define LOOK_LINES_MAX 20000
#define LOOK_BYTES_MAX ((size_t)4 << 20)
#define LOOK_MS 10000 /* nobody waits for it, but for the place of this process */

struct look {
	struct imap_connection *imap;
	struct source_question *questions;
	size_t n;
	const struct source_look_events *events;
	struct arena arena; /* of one line */
	size_t lines, bytes;
	uint64_t ends_at;
	struct error *err;
};

/* ---- asking ---- */

static const struct look_row {
	struct str needs; /* capability; "": each server has it */
	const char *command, *behind;
} look_rows[] = {
	[LOOK_FOLDERS] = { { NULL, 0 }, "LIST \"\" ", "*" },
	[LOOK_QUOTA] = { STR("QUOTA"), "GETQUOTAROOT ", "" },
	[LOOK_ACL] = { STR("ACL"), "GETACL ", "" },
	[LOOK_RIGHTS] = { STR("ACL"), "MYRIGHTS ", "" },
};
_Static_assert(sizeof(look_rows) / sizeof(look_rows[0]) == LOOK_COUNT, "one for each");

static bool is_offered(const struct imap_connection *imap, const struct look_row *row)
{
	return !row->needs.len || imap_connection_has(imap, row->needs);
}

static int put_question(struct look *l, const struct source_question *q)
{
	const struct look_row *row = &look_rows[q->kind];
	struct imap_connection *imap = l->imap;
	struct buf name;
	int r;

	buf_init(&name, 0);
	r = buf_append(&name, q->name);
	if (r == 0)
		r = buf_append_c(&name, row->behind);
	if (r == 0)
		r = buf_printf(&imap->net.out, "m%u %s", ++imap->next_tag, row->command);
	if (r == 0)
		r = imap_connection_put_name(imap, buf_view(&name));
	if (r == 0)
		r = buf_append_c(&imap->net.out, "\r\n");
	buf_fini(&name);
	return r;
}

/* Those that are asked come first: the nth answer is the nth question's. */
static int ask(struct look *l, uint32_t *ret_asked)
{
	int r = 0;

	*ret_asked = 0;
	for (size_t i = 0; r == 0 && i < l->n; i++) {
		l->questions[i].answer = LOOK_NOT_OFFERED;
		if (!is_offered(l->imap, &look_rows[l->questions[i].kind]))
			continue;
		l->questions[i].answer = LOOK_ASKED;
		r = put_question(l, &l->questions[i]);
		++*ret_asked;
	}
	return r < 0 ? error_set(l->err, r, "no memory") : 0;
}

static struct source_question *asked(struct look *l, uint32_t nth)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->questions[i].answer != LOOK_NOT_OFFERED && !nth--)
			return &l->questions[i];
	return NULL;
}

/* ---- what comes ---- */

/* "* LIST (\HasNoChildren) "/" shared/team" */
static int take_folder(struct look *l, struct imap_cursor c)
{
	struct imap_list list;
	struct mail_folder folder;

	if (!imap_response_list(c, &l->arena, &list))
		return 0;
	folder = (struct mail_folder){ .name = list.name,
		.separator = list.separator,
		.attributes = list.attributes &
		              (unsigned)(IMAP_LIST_NOSELECT | IMAP_LIST_NONEXISTENT),
		.special_use = STR("") };
	return l->events->folder(l->events->context, &folder);
}

static bool take_name(struct look *l, struct imap_cursor *c, struct str *ret)
{
	return imap_astring(c, &l->arena, ret);
}

static bool take_next(struct look *l, struct imap_cursor *c, struct str *ret)
{
	return imap_space(c) && imap_astring(c, &l->arena, ret);
}

/* "* ACL INBOX alice lrswipkxtea bob lr" */
static int take_acl(struct look *l, struct imap_cursor c)
{
	struct str folder, who, rights;
	int r = 0;

	if (!take_name(l, &c, &folder))
		return 0;
	while (r == 0 && take_next(l, &c, &who) && take_next(l, &c, &rights))
		r = l->events->acl(l->events->context, folder, who, rights);
	return r;
}

/* "* MYRIGHTS shared/team lrs" */
static int take_rights(struct look *l, struct imap_cursor c)
{
	struct str folder, rights;

	if (!take_name(l, &c, &folder) || !take_next(l, &c, &rights))
		return 0;
	return l->events->rights(l->events->context, folder, rights);
}

/* "* QUOTA "User quota" (STORAGE 10 512 MESSAGE 1 100)" */
static int take_quota(struct look *l, struct imap_cursor c)
{
	struct str root, resource;
	uint64_t used, limit;
	int r = 0;

	if (!take_name(l, &c, &root) || !imap_space(&c) || !imap_char(&c, '('))
		return 0;
	while (r == 0 && imap_atom(&c, &resource) && imap_space(&c) &&
		imap_number64(&c, &used) && imap_space(&c) && imap_number64(&c, &limit)) {
		r = l->events->quota(l->events->context, root, resource, used, limit);
		(void)imap_space(&c);
	}
	return r;
}

static const struct data_row {
	struct str name;
	int (*take)(struct look *l, struct imap_cursor c);
} data_rows[] = {
	{ STR("LIST"), take_folder },
	{ STR("ACL"), take_acl },
	{ STR("MYRIGHTS"), take_rights },
	{ STR("QUOTA"), take_quota },
};

static bool is_too_much(struct look *l, const struct imap_response *is)
{
	l->bytes += is->rest.rest.len + is->text.len;
	return ++l->lines > LOOK_LINES_MAX || l->bytes > LOOK_BYTES_MAX ||
	       clock_monotonic_ms() > l->ends_at;
}

static int too_much(struct look *l)
{
	return error_set(l->err, -E2BIG,
		"the source says more than %d lines or %u seconds of what it has besides "
		"mail",
		LOOK_LINES_MAX, LOOK_MS / 1000);
}

/* What else a server says meanwhile is not about this. */
static int on_line(void *context, const struct imap_response *is)
{
	struct look *l = context;
	struct imap_cursor c = imap_lenient_cursor(is->rest.rest);
	int r = 0;

	if (is_too_much(l, is))
		return too_much(l);
	if (is->kind != IMAP_IS_DATA)
		return 0;
	for (size_t i = 0; r == 0 && i < sizeof(data_rows) / sizeof(data_rows[0]); i++)
		if (str_ieq(is->name, data_rows[i].name))
			r = data_rows[i].take(l, c);
	arena_fini(&l->arena);
	return r;
}

static int on_answer(void *context, uint32_t nth, const struct imap_response *is)
{
	struct source_question *q = asked(context, nth);

	if (!q || q->answer != LOOK_ASKED)
		return -EPROTO;
	q->answer = is->status == IMAP_STATUS_OK ? LOOK_ANSWERED : LOOK_REFUSED;
	return 0;
}

static int on_tick(void *context)
{
	struct look *l = context;

	return clock_monotonic_ms() > l->ends_at ? too_much(l) : 0;
}

/* Some of the questions, ahead of the answers. */
static int turn(struct look *l, struct source_question *questions, size_t n)
{
	struct imap_connection *imap = l->imap;
	struct imap_dialogue d = { .untagged = on_line,
		.tagged = on_answer,
		.context = l,
		.tick = on_tick,
		.tick_context = l };
	struct imap_response is;
	uint32_t n_asked = 0;
	int r;

	l->questions = questions;
	l->n = n;
	r = ask(l, &n_asked);
	if (r < 0 || !n_asked)
		return r;
	imap->net.heard_at = clock_monotonic_ms(); /* it owed nothing before */
	d.ahead = n_asked - 1;
	r = imap_dialogue(imap, &d, LOOK_MS, &is, l->err);
	if (r == -E2BIG) /* that is the dialogue's sentence */
		r = too_much(l);
	if (r == 0 && is.status == IMAP_STATUS_BYE)
		r = error_set(l->err, -ECONNRESET, "the source says BYE: %.*s",
			STR_ARG(is.text));
	arena_fini(&imap->arena);
	return r;
}

int imap_look(struct imap_connection *imap, bool one_by_one,
	struct source_question *questions, size_t n,
	const struct source_look_events *events, struct error *err)
{
	struct look l = { .imap = imap,
		.events = events,
		.ends_at = clock_monotonic_ms() + LOOK_MS,
		.err = err };
	size_t at_once = one_by_one ? 1 : n;
	int r = 0;

	imap->examined = imap->open_folder = IMAP_NO_FOLDER;
	imap->is_fresh = false;
	for (size_t i = 0; r == 0 && i < n; i += at_once)
		r = turn(&l, &questions[i], at_once);
	arena_fini(&l.arena);
	return r;
}
