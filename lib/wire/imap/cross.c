/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/cross.h"

#include "wire/imap/set.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = { "answers", "idle", "asking", "clean", "return",
	"over", "broken" };
_Static_assert(
	sizeof(names) / sizeof(names[0]) == IMAP_CROSS_STATE_COUNT, "a name for each");

const char *imap_cross_state_name(enum imap_cross_state s)
{
	return names[s];
}

void imap_cross_init(struct imap_cross *c, struct imap_follow *f, struct str unique)
{
	assert(unique.len && unique.len <= IMAP_CROSS_UNIQUE_MAX);
	memset(c, 0, sizeof(*c));
	c->follow = f;
	memcpy(c->unique, unique.ptr, unique.len);
	imap_frame_init(&c->framer, IMAP_CROSS_LINE_MAX);
}

/* ---- our commands ---- */

static bool has_mailbox(const struct imap_cross *c)
{
	return c->follow->selected.state == IMAP_SELECTION_KNOWN;
}

/* Of an empty mailbox nothing can be asked by numbers, and nothing can go. */
static bool has_messages(const struct imap_cross *c)
{
	return has_mailbox(c) && c->follow->selected.count;
}

static int send(struct imap_cross *c, char which, struct buf *to_source)
{
	c->asked = which;
	if (which == 'a')
		return buf_printf(to_source, "%s%ua NOOP\r\n", c->unique, c->rounds);
	/* the last that is known is asked for as well: it has to fit */
	c->from = c->follow->numbers.n ? c->follow->numbers.n : 1;
	return buf_printf(
		to_source, "%s%ub FETCH %u:* (UID)\r\n", c->unique, c->rounds, c->from);
}

static int ask(struct imap_cross *c, struct buf *to_source)
{
	c->rounds++;
	c->state = IMAP_CROSS_IN_ASKING;
	c->was_refused = c->has_changed = false;
	c->from = 1;
	if (c->rounds > 1)
		imap_numbers_clear(&c->follow->numbers);
	return send(c, c->idle_tag_len || !has_messages(c) ? 'a' : 'b', to_source);
}

int imap_cross_begin(struct imap_cross *c, struct buf *to_source)
{
	struct str tag = imap_follow_idle_tag(c->follow);

	if (!imap_follow_is_quiet(c->follow))
		return 0;
	if (!tag.len)
		return ask(c, to_source);
	memcpy(c->idle_tag, tag.ptr, tag.len);
	c->idle_tag_len = (uint8_t)tag.len;
	c->state = IMAP_CROSS_IN_IDLE;
	return buf_append_c(to_source, "DONE\r\n");
}

struct str imap_cross_idle_tag(const struct imap_cross *c)
{
	return str_of(c->idle_tag, c->idle_tag_len);
}

/* ---- UIDs ---- */

/* Each message that the client knows of has one. */
static bool uids_are_all(const struct imap_cross *c)
{
	const struct imap_selection *s = &c->follow->selected;

	return !has_mailbox(c) || (s->is_counted && s->count == c->follow->numbers.n &&
					  imap_numbers_are_all(&c->follow->numbers));
}

int imap_cross_uids(const struct imap_cross *c, struct buf *out)
{
	const struct imap_numbers *known = &c->follow->numbers;
	struct imap_set_writer w = { .out = out };
	int r = 0;

	for (uint32_t i = 0; i < known->n && r == 0; i++)
		r = imap_set_put(&w, known->uids[i]);
	return r < 0 ? r : imap_set_end(&w);
}

/* ---- one response of the server ---- */

static enum imap_cross_event broken(struct imap_cross *c)
{
	c->state = IMAP_CROSS_BROKEN;
	return IMAP_CROSS_FAILED;
}

static enum imap_cross_event forward(
	struct imap_cross *c, struct str response, struct str *ret_forward)
{
	imap_follow_source(c->follow, response);
	if (c->follow->lost)
		return broken(c);
	*ret_forward = response;
	return IMAP_CROSS_AGAIN;
}

static bool is_tagged(struct str response, struct str tag)
{
	struct imap_cursor at = imap_cursor(response);
	struct str is;

	return imap_tag(&at, &is) && str_eq(is, tag) && imap_peek(&at) == ' ';
}

/* NO of FETCH: some of the messages are gone, as it turned out (RFC 2180, 4.1). */
static bool is_answered(struct str response, char asked)
{
	struct imap_cursor at = imap_cursor(response);
	struct str tag;

	return imap_tag(&at, &tag) && imap_space(&at) &&
	       (imap_keyword(&at, STR_LIT("OK")) ||
		       (asked == 'b' && imap_keyword(&at, STR_LIT("NO"))));
}

static bool is_untagged(struct str response)
{
	return str_starts(response, STR_LIT("* "));
}

static enum imap_cross_event asked(enum imap_cross_event event, int r)
{
	return r < 0 ? IMAP_CROSS_FAILED : event;
}

static enum imap_cross_event in_idle(struct imap_cross *c, struct str response,
	struct str *ret_forward, struct buf *to_source)
{
	if (is_untagged(response))
		return forward(c, response, ret_forward);
	if (!is_tagged(response, imap_cross_idle_tag(c)))
		return broken(c);
	imap_follow_idle_ended(c->follow);
	return asked(IMAP_CROSS_AGAIN, ask(c, to_source));
}

enum row {
	ROW_NONE,  /* none of ours */
	ROW_OURS,  /* "* 5 FETCH (UID 9)" */
	ROW_BOTH,  /* with news for the client */
	ROW_WRONG, /* it makes no sense */
};

/* Items behind the parenthesis. */
static enum row read_items(struct imap_cross *c, struct imap_cursor *at, uint32_t n)
{
	enum row is = ROW_OURS;
	bool has_uid = false;
	struct str name;
	uint32_t uid;

	do {
		if (!imap_atom(at, &name) || !imap_space(at))
			return ROW_NONE;
		if (!str_ieq(name, STR_LIT("UID"))) {
			is = ROW_BOTH;
			if (!imap_skip_value(at))
				return ROW_NONE;
			continue;
		}
		if (!imap_number(at, &uid) ||
			!imap_numbers_set(&c->follow->numbers, n, uid))
			return ROW_WRONG;
		has_uid = true;
	} while (imap_space(at));
	return has_uid ? is : ROW_NONE;
}

static enum row read_row(struct imap_cross *c, struct str response)
{
	struct imap_cursor at = imap_lenient_cursor(str_skip(response, 1));
	uint32_t n;

	if (!imap_space(&at) || !imap_number(&at, &n) || !imap_space(&at) ||
		!imap_keyword(&at, STR_LIT("FETCH")) || !imap_space(&at) ||
		!imap_char(&at, '('))
		return ROW_NONE;
	return read_items(c, &at, n);
}

enum change { CHANGE_NONE, CHANGE_MORE, CHANGE_LESS };

/* Which numbers there are changes. */
static enum change change_of(struct str response)
{
	struct imap_cursor at = imap_lenient_cursor(str_skip(response, 1));
	uint32_t n;

	if (!imap_space(&at))
		return CHANGE_NONE;
	if (!imap_number(&at, &n))
		return imap_keyword(&at, STR_LIT("VANISHED")) ? CHANGE_LESS : CHANGE_NONE;
	if (!imap_space(&at))
		return CHANGE_NONE;
	return imap_keyword(&at, STR_LIT("EXPUNGE"))  ? CHANGE_LESS
	       : imap_keyword(&at, STR_LIT("EXISTS")) ? CHANGE_MORE
	                                              : CHANGE_NONE;
}

static enum imap_cross_event untagged(
	struct imap_cross *c, struct str response, struct str *ret_forward)
{
	enum row row = read_row(c, response);
	enum change change = change_of(response);

	c->was_refused |= row == ROW_WRONG;
	if (row == ROW_OURS || row == ROW_WRONG)
		return IMAP_CROSS_AGAIN;
	c->has_changed |= change == CHANGE_LESS && c->asked == 'b';
	/* it must not be told now, and cannot be told later */
	if (change == CHANGE_LESS && !c->idle_tag_len)
		return broken(c);
	return forward(c, response, ret_forward);
}

/* Else it stays at the server, and is not asked again. */
static bool uids_fit(const struct imap_cross *c)
{
	struct buf set;
	int r;

	buf_init(&set, IMAP_CROSS_UIDS_MAX);
	r = imap_cross_uids(c, &set);
	buf_fini(&set);
	c->follow->selected.is_too_scattered = r == -ENOBUFS;
	return r == 0;
}

static enum imap_cross_event failed(struct imap_cross *c)
{
	imap_numbers_clear(&c->follow->numbers);
	return IMAP_CROSS_FAILED;
}

static enum imap_cross_event round_ends(struct imap_cross *c, struct buf *to_source)
{
	bool was_part = c->from > 1;
	bool again = c->has_changed || !uids_are_all(c) || (was_part && c->was_refused);

	c->state = IMAP_CROSS_IN_CLEAN;
	if ((c->was_refused && !was_part) ||
		(again && c->rounds == IMAP_CROSS_ROUNDS_MAX) ||
		!imap_follow_is_quiet(c->follow))
		return failed(c);
	if (again)
		return asked(IMAP_CROSS_AGAIN, ask(c, to_source));
	return uids_fit(c) ? IMAP_CROSS_CLEAN : failed(c);
}

static enum imap_cross_event in_asking(struct imap_cross *c, struct str response,
	struct str *ret_forward, struct buf *to_source)
{
	char tag[IMAP_CROSS_UNIQUE_MAX + 16];

	if (is_untagged(response))
		return untagged(c, response, ret_forward);
	(void)snprintf(tag, sizeof(tag), "%s%u%c", c->unique, c->rounds, c->asked);
	if (!is_tagged(response, str_from(tag)))
		return broken(c);
	c->was_refused |= !is_answered(response, c->asked);
	if (c->asked == 'a' && has_messages(c))
		return asked(IMAP_CROSS_AGAIN, send(c, 'b', to_source));
	return round_ends(c, to_source);
}

static enum imap_cross_event in_return(
	struct imap_cross *c, struct str response, struct str *ret_forward)
{
	enum imap_cross_event event;

	if (is_untagged(response))
		return forward(c, response, ret_forward);
	event = forward(c, response, ret_forward);
	/* the client has had its "+" */
	if (str_starts(response, STR_LIT("+")))
		*ret_forward = STR_LIT("");
	if (event != IMAP_CROSS_AGAIN)
		return event;
	c->state = IMAP_CROSS_OVER;
	return IMAP_CROSS_BACK;
}

static enum imap_cross_event responded(struct imap_cross *c, struct str response,
	struct str *ret_forward, struct buf *to_source)
{
	switch (c->state) {
	case IMAP_CROSS_IN_IDLE:
		return in_idle(c, response, ret_forward, to_source);
	case IMAP_CROSS_IN_ASKING:
		return in_asking(c, response, ret_forward, to_source);
	case IMAP_CROSS_IN_RETURN:
		return in_return(c, response, ret_forward);
	case IMAP_CROSS_IN_ANSWERS:
	case IMAP_CROSS_IN_CLEAN:
	case IMAP_CROSS_OVER:
	case IMAP_CROSS_BROKEN:
	case IMAP_CROSS_STATE_COUNT:
		break;
	}
	return IMAP_CROSS_NEED_MORE;
}

/* What answers the client's commands passes as it comes. */
static enum imap_cross_event in_answers(struct imap_cross *c, struct str input,
	struct str *ret_forward, size_t *ret_used, struct buf *to_source)
{
	imap_follow_source(c->follow, input);
	*ret_forward = input;
	*ret_used = input.len;
	if (imap_follow_is_quiet(c->follow))
		return asked(input.len ? IMAP_CROSS_AGAIN : IMAP_CROSS_NEED_MORE,
			imap_cross_begin(c, to_source));
	if (!imap_follow_can_cross(c->follow))
		return IMAP_CROSS_FAILED;
	return input.len ? IMAP_CROSS_AGAIN : IMAP_CROSS_NEED_MORE;
}

static bool reads(const struct imap_cross *c)
{
	return c->state == IMAP_CROSS_IN_IDLE || c->state == IMAP_CROSS_IN_ASKING ||
	       c->state == IMAP_CROSS_IN_RETURN;
}

enum imap_cross_event imap_cross_next(struct imap_cross *c, struct str input,
	struct str *ret_forward, size_t *ret_used, struct buf *to_source)
{
	struct imap_literal end;

	*ret_forward = STR_LIT("");
	*ret_used = 0;
	if (c->state == IMAP_CROSS_IN_ANSWERS)
		return in_answers(c, input, ret_forward, ret_used, to_source);
	if (!reads(c))
		return IMAP_CROSS_NEED_MORE;
	switch (imap_frame_next(&c->framer, input, &end)) {
	case IMAP_FRAME_NEED_MORE:
		return IMAP_CROSS_NEED_MORE;
	case IMAP_FRAME_LITERAL:
		imap_frame_keep(&c->framer);
		return IMAP_CROSS_AGAIN;
	case IMAP_FRAME_TOO_LONG:
	case IMAP_FRAME_BAD:
		return broken(c);
	case IMAP_FRAME_COMMAND:
		break;
	}
	imap_frame_reset(&c->framer);
	*ret_used = end.offset;
	return responded(c, str_take(input, end.offset), ret_forward, to_source);
}

bool imap_cross_return(struct imap_cross *c, struct buf *to_source)
{
	struct buf line;
	bool ok;

	if (c->state != IMAP_CROSS_IN_ANSWERS && c->state != IMAP_CROSS_IN_CLEAN)
		return false;
	if (c->state == IMAP_CROSS_IN_ANSWERS || !c->idle_tag_len) {
		c->state = IMAP_CROSS_OVER;
		return true;
	}
	buf_init(&line, 0);
	ok = buf_printf(&line, "%.*s IDLE\r\n", STR_ARG(imap_cross_idle_tag(c))) == 0 &&
	     buf_append(to_source, buf_view(&line)) == 0;
	imap_follow_client(c->follow, buf_view(&line));
	buf_fini(&line);
	c->state = IMAP_CROSS_IN_RETURN;
	return ok;
}
