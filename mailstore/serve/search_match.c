/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/search_match.h"

#include "mailstore/serve/kept.h"
#include "wire/mime/date.h"
#include "wire/mime/fold.h"
#include "wire/mime/header.h"
#include "wire/mime/search.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define DAY ((int64_t)86400)

enum answer { NO, YES, OPEN /* more has to be known */ };

struct subject {
	const struct search_match *match;
	const struct view_message *view;
	uint32_t number;
	bool has_row, has_body;
	int64_t date, day, saved_day; /* of INTERNALDATE, of SAVEDATE */
	uint64_t size, email;
	struct str keywords;
	struct body body;
	struct str header; /* of the body, or what is kept of it */
	int result;        /* -errno of a search in it */
};

static enum answer yes_if(bool condition)
{
	return condition ? YES : NO;
}

/* ── one key ───────────────────────────────────────────────────────────────────────── */

static unsigned flags_of(const struct subject *m)
{
	return m->view->flags | (m->view->recent ? FLAG_RECENT : 0u);
}

static enum answer ask_view(const struct subject *m, const struct imap_search_key *key)
{
	switch (key->kind) {
	case IMAP_SEARCH_ALL:
		return YES;
	case IMAP_SEARCH_SEQUENCE:
		return yes_if(imap_set_has(&key->set, m->number));
	case IMAP_SEARCH_UID:
		return yes_if(imap_set_has(&key->set, m->view->uid));
	case IMAP_SEARCH_MODSEQ:
		return yes_if(m->view->modseq >= key->number);
	case IMAP_SEARCH_THREADID:
		return NO; /* no message has one */
	case IMAP_SEARCH_FLAG:
		return yes_if(flags_of(m) & key->flags);
	case IMAP_SEARCH_NO_FLAG:
		return yes_if(!(flags_of(m) & key->flags));
	case IMAP_SEARCH_NEW:
		return yes_if(m->view->recent && !(m->view->flags & FLAG_SEEN));
	case IMAP_SEARCH_KEYWORD:
		return m->view->keywords ? OPEN : NO;
	case IMAP_SEARCH_UNKEYWORD:
		return m->view->keywords ? OPEN : YES;
	case IMAP_SEARCH_AND:
	case IMAP_SEARCH_OR:
	case IMAP_SEARCH_NOT:
	case IMAP_SEARCH_LARGER:
	case IMAP_SEARCH_SMALLER:
	case IMAP_SEARCH_OLDER:
	case IMAP_SEARCH_YOUNGER:
	case IMAP_SEARCH_BEFORE:
	case IMAP_SEARCH_ON:
	case IMAP_SEARCH_SINCE:
	case IMAP_SEARCH_SAVEDBEFORE:
	case IMAP_SEARCH_SAVEDON:
	case IMAP_SEARCH_SAVEDSINCE:
	case IMAP_SEARCH_EMAILID:
	case IMAP_SEARCH_SENTBEFORE:
	case IMAP_SEARCH_SENTON:
	case IMAP_SEARCH_SENTSINCE:
	case IMAP_SEARCH_HEADER:
	case IMAP_SEARCH_BODY:
	case IMAP_SEARCH_TEXT:
		break;
	}
	return OPEN;
}

/* "M2a" as FETCH shows it; ids are compared with case (RFC 8474, 7). */
static bool has_email_id(const struct subject *m, struct str id)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "M%" PRIx64, m->email);
	return str_eq(str_from(text), id);
}

static enum answer ask_row(const struct subject *m, const struct imap_search_key *key)
{
	switch (key->kind) {
	case IMAP_SEARCH_KEYWORD:
		return yes_if(str_has_word(m->keywords, key->text));
	case IMAP_SEARCH_UNKEYWORD:
		return yes_if(!str_has_word(m->keywords, key->text));
	case IMAP_SEARCH_LARGER:
		return yes_if(m->size > key->number);
	case IMAP_SEARCH_SMALLER:
		return yes_if(m->size < key->number);
	case IMAP_SEARCH_OLDER:
		return yes_if(m->date <= m->match->now - (int64_t)key->number);
	case IMAP_SEARCH_YOUNGER:
		return yes_if(m->date >= m->match->now - (int64_t)key->number);
	case IMAP_SEARCH_SAVEDBEFORE:
		return yes_if(m->saved_day < key->day);
	case IMAP_SEARCH_SAVEDON:
		return yes_if(m->saved_day == key->day);
	case IMAP_SEARCH_SAVEDSINCE:
		return yes_if(m->saved_day >= key->day);
	case IMAP_SEARCH_EMAILID:
		return yes_if(has_email_id(m, key->text));
	case IMAP_SEARCH_BEFORE:
		return yes_if(m->day < key->day);
	case IMAP_SEARCH_ON:
		return yes_if(m->day == key->day);
	case IMAP_SEARCH_SINCE:
		return yes_if(m->day >= key->day);
	case IMAP_SEARCH_AND:
	case IMAP_SEARCH_OR:
	case IMAP_SEARCH_NOT:
	case IMAP_SEARCH_ALL:
	case IMAP_SEARCH_SEQUENCE:
	case IMAP_SEARCH_UID:
	case IMAP_SEARCH_MODSEQ:
	case IMAP_SEARCH_THREADID:
	case IMAP_SEARCH_FLAG:
	case IMAP_SEARCH_NO_FLAG:
	case IMAP_SEARCH_NEW:
	case IMAP_SEARCH_SENTBEFORE:
	case IMAP_SEARCH_SENTON:
	case IMAP_SEARCH_SENTSINCE:
	case IMAP_SEARCH_HEADER:
	case IMAP_SEARCH_BODY:
	case IMAP_SEARCH_TEXT:
		break;
	}
	return OPEN;
}

static enum answer ask_sent(const struct subject *m, const struct imap_search_key *key)
{
	struct str header = m->header;
	struct mime_field field;
	int64_t day;

	if (!mime_find_field(header, STR_LIT("Date"), &field) ||
		!mime_day(field.value, &day))
		return NO;
	if (key->kind == IMAP_SEARCH_SENTBEFORE)
		return yes_if(day < key->day);
	return yes_if(
		key->kind == IMAP_SEARCH_SENTON ? day == key->day : day >= key->day);
}

static bool is_of_dates(const struct imap_search_key *key)
{
	return key->kind >= IMAP_SEARCH_SENTBEFORE && key->kind <= IMAP_SEARCH_SENTSINCE;
}

static bool is_kept(const struct imap_search_key *key)
{
	return is_of_dates(key) ||
	       (key->kind == IMAP_SEARCH_HEADER && kept_has_field(key->name));
}

static enum answer ask_header(struct subject *m, const struct imap_search_key *key)
{
	bool found = false;

	if (is_of_dates(key))
		return ask_sent(m, key);
	m->result = mime_search_header(m->header, key->name, key->text, &found);
	return yes_if(found && m->result == 0);
}

static enum answer ask_body(struct subject *m, const struct imap_search_key *key)
{
	bool found = false;

	if (is_of_dates(key) || key->kind == IMAP_SEARCH_HEADER)
		return ask_header(m, key);
	m->result = mime_search_message(
		m->body.bytes, key->kind == IMAP_SEARCH_TEXT, key->text, &found);
	return yes_if(found && m->result == 0);
}

/* ── the tree ──────────────────────────────────────────────────────────────────────── */

static enum answer ask(struct subject *m, const struct imap_search_key *key);

/* AND ends at the first NO, OR at the first YES; an open one leaves all open. */
static enum answer ask_all(
	struct subject *m, const struct imap_search_key *first, enum answer decides)
{
	bool open = false;

	for (const struct imap_search_key *key = first; key; key = key->next) {
		enum answer a = ask(m, key);

		if (a == decides)
			return a;
		open |= a == OPEN;
	}
	if (open)
		return OPEN;
	return decides == NO ? YES : NO;
}

static enum answer ask(struct subject *m, const struct imap_search_key *key)
{
	enum answer a;

	if (key->kind == IMAP_SEARCH_AND)
		return ask_all(m, key->first, NO);
	if (key->kind == IMAP_SEARCH_OR)
		return ask_all(m, key->first, YES);
	if (key->kind == IMAP_SEARCH_NOT) {
		a = ask(m, key->first);
		return a == OPEN ? OPEN : yes_if(a == NO);
	}
	a = ask_view(m, key);
	if (a == OPEN && m->has_row)
		a = ask_row(m, key);
	if (a == OPEN && m->has_row &&
		text_hints_exclude(&m->match->hints, key, m->email))
		return NO;
	if (a == OPEN && m->has_body)
		return ask_body(m, key);
	if (a == OPEN && m->header.ptr && is_kept(key))
		return ask_header(m, key);
	return a;
}

unsigned search_wants(const struct imap_search_key *program)
{
	for (const struct imap_search_key *key = program; key; key = key->next)
		if (is_kept(key) || search_wants(key->first))
			return STORE_FIELDS;
	return 0;
}

static int64_t day_of(int64_t seconds)
{
	int64_t day = seconds / DAY * DAY;

	return seconds % DAY < 0 ? day - DAY : day;
}

static void take_row(struct subject *m, const struct store_row *row)
{
	m->has_row = true;
	m->size = row->size;
	/* the day as INTERNALDATE shows it (RFC 3501: "disregarding time and timezone")
	 */
	m->day = day_of(row->date + (int64_t)row->zone * 60);
	m->saved_day = day_of(row->saved + (int64_t)row->zone * 60);
	m->date = row->date;
	m->email = row->email;
	m->keywords = row->keywords;
	m->header = row->header.fields;
}

static int look_into_body(struct subject *m, const struct view *v, enum answer *answer,
	size_t *ret_bytes, struct error *err)
{
	int code = store_body(v->store, v->mailbox, m->view->uid, &m->body, err);
	struct str bytes = m->body.bytes;

	if (code < 0)
		return code;
	m->has_body = true;
	m->header = str_take(bytes, mime_header_length(bytes));
	*ret_bytes = bytes.len;
	*answer = ask(m, m->match->program);
	return m->result;
}

/* 1, 0: it is not there, or -errno. */
static int look_into_row(struct subject *m, const struct view *v, struct store_rows *rows,
	enum answer *answer, struct error *err)
{
	struct store_row row;
	int n = store_rows_find(rows, m->view->uid, view_last_uid(v), &row, err);

	*answer = NO;
	if (n <= 0)
		return n;
	take_row(m, &row);
	*answer = ask(m, m->match->program);
	return m->result < 0 ? m->result : 1;
}

static int look_closer(struct subject *m, const struct view *v, struct store_rows *rows,
	enum answer *answer, size_t *ret_bytes, struct error *err)
{
	int n = look_into_row(m, v, rows, answer, err);

	if (n == 1 && *answer == OPEN && m->match->kept)
		n = look_into_row(m, v, m->match->kept, answer, err);
	if (n <= 0 || *answer != OPEN)
		return n < 0 ? n : 0;
	return look_into_body(m, v, answer, ret_bytes, err);
}

int search_match(const struct search_match *w, const struct view *v, uint32_t index,
	bool *ret_found, size_t *ret_bytes, struct error *err)
{
	struct subject m = { .match = w,
		.view = &v->messages[index],
		.number = index + 1,
		.body = { .bytes = STR(""), .fd = -1 } };
	enum answer answer = ask(&m, w->program);
	int code = 0;

	*ret_bytes = answer == OPEN;
	if (answer == OPEN) {
		struct store_rows one = { 0 };

		if (!w->rows)
			store_rows_begin(&one, v->store, v->mailbox, KEPT_VERSION,
				search_wants(w->program));
		code = look_closer(
			&m, v, w->rows ? w->rows : &one, &answer, ret_bytes, err);
		store_body_release(&m.body);
		store_rows_end(&one);
	}
	*ret_found = answer == YES;
	return code;
}

int search_fold(const struct buf *utf8, struct arena *arena, struct str *ret)
{
	struct buf folded;
	int r;

	buf_init(&folded, 0);
	r = mime_fold(buf_view(utf8), &folded);
	if (r == 0)
		*ret = arena_str(arena, buf_view(&folded));
	buf_fini(&folded);
	if (r < 0)
		return r;
	return ret->ptr ? 0 : -ENOMEM;
}
