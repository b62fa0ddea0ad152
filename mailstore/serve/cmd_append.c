/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * APPEND (RFC 3501, 6.3.11), of several messages too (RFC 3502), with APPENDUID (RFC
 * 4315), literal8 (RFC 3516), CATENATE (RFC 4469), UTF8 (RFC 6855); and REPLACE (RFC
 * 8508). A message passes through to the store as it comes; what is refused while it
 * comes anyway (LITERAL+) is dropped byte by byte.
 *
 *   A APPEND box (flags) "date" {n}   imap_append_begin()   → PHASE_MESSAGE
 *   n bytes                           imap_append_data()    → PHASE_APPEND
 *   what follows                      imap_append_line()    → PHASE_MESSAGE, or all came:
 *                                     append_queue_add()      the next command
 *
 * A CATENATE of URLs alone is a command without a literal: cmd_append().
 */
#include "mailstore/serve/append.h"
#include "mailstore/serve/append_queue.h"
#include "mailstore/serve/imap_commands.h"
#include "mailstore/store/rows.h"
#include "wire/imap/flags.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define MESSAGES_MAX 4096 /* in one command: its list lies in memory */
#define URL_MAX 4096      /* one that comes as a literal */

void imap_append_end(struct imap *s)
{
	if (s->append)
		append_free(s->append);
	s->append = NULL;
}

static void answer_refusal(struct imap *s)
{
	struct error refusal = s->append->refusal;

	imap_append_end(s);
	if (refusal.code)
		imap_failed(s, &refusal);
	else
		imap_done(s, IMAP_NO, "%s", refusal.text);
}

/* ── a message ─────────────────────────────────────────────────────────────────────── */

/* "now" as this server's clock on the wall shows it. */
static struct imap_date now(void)
{
	time_t seconds = time(NULL);
	struct tm local;

	if (!localtime_r(&seconds, &local))
		return (struct imap_date){ .seconds = (int64_t)seconds };
	return (struct imap_date){ .seconds = (int64_t)seconds,
		.zone = (int16_t)(local.tm_gmtoff / 60) };
}

static bool parse_date(struct imap_cursor *c, struct arena *arena, struct imap_date *ret)
{
	struct imap_cursor at = *c;
	struct str text;

	if (!imap_quoted(&at, arena, &text))
		return true;
	if (!imap_date_time(text, ret) || !imap_space(&at))
		return false;
	*c = at;
	return true;
}

static bool flags_are_known(const struct append_message *m)
{
	struct str words = m->keywords;

	while (words.len)
		if (!imap_may_be_keyword(str_split(&words, ' ')))
			return false;
	return true;
}

/* Its flags and date are read; the message itself follows. */
static bool new_message(struct imap *s, struct imap_cursor *c)
{
	struct append *a = s->append;
	struct append_message *m = arena_alloc(&s->arena, sizeof(*m));

	if (!m)
		return false;
	m->keywords = STR_LIT("");
	m->date = now();
	if (imap_flags(c, &s->arena, &m->flags, &m->keywords) && !imap_space(c))
		return false;
	m->flags &= ~(unsigned)FLAG_RECENT;
	if (!parse_date(c, &s->arena, &m->date))
		return false;
	if (++a->count > MESSAGES_MAX)
		append_refuse(a, "[LIMIT] Too many messages in one command.");
	else if (m->keywords.len > IMAP_KEYWORDS_LENGTH_MAX)
		append_refuse(a, "[LIMIT] A message cannot have so many keywords.");
	else if (!flags_are_known(m))
		append_refuse(a, "[CANNOT] Unknown flag.");
	a->current = m;
	*a->last = m;
	a->last = &m->next;
	return true;
}

static void begin_single(struct imap *s, struct append *a, uint64_t size, bool binary)
{
	struct append_message *m = a->current;

	m->size = size;
	m->binary = binary;
	if (!size)
		append_refuse(a, "[CANNOT] A message of no bytes.");
	else if (size > s->serve->message_bytes)
		append_refuse(a, "[TOOBIG] Message is too large.");
	else /* before it comes */
		append_check_quota(s, a, size);
	if (!a->refused && !binary)
		append_begin_body(s, a, m);
}

/* ── the grammar, in pieces that end with a literal ────────────────────────────────── */

/* A line that ends with a literal's announcement (NULL: with the command). */
struct piece {
	struct imap_cursor c;
	const struct imap_literal *literal;
};

/* "{5}" or "~{5}" is all that is left. */
static bool at_literal(const struct piece *p, bool *ret_binary)
{
	struct imap_literal literal;
	struct str before;

	if (!p->literal || imap_literal_announced(str_trim(p->c.rest), &literal,
				   &before) != IMAP_FRAME_LITERAL)
		return false;
	*ret_binary = str_eq(before, STR_LIT("~"));
	return *ret_binary || !before.len;
}

/* "UTF8 (~{5}" */
static bool take_utf8(struct append *a, struct piece *p)
{
	if (!imap_keyword(&p->c, STR_LIT("UTF8")))
		return false;
	a->in_parentheses = imap_space(&p->c) && imap_char(&p->c, '(');
	return a->in_parentheses;
}

enum taken { TAKEN, TAKEN_LITERAL, TAKEN_WRONG };

static enum taken take_data(struct imap *s, struct append *a, struct piece *p)
{
	struct imap_cursor at;
	bool binary;

	if (!new_message(s, &p->c))
		return TAKEN_WRONG;
	at = p->c;
	if (imap_keyword(&at, STR_LIT("CATENATE"))) {
		append_queue_settle(s); /* a URL may mean what waits */
		p->c = at;
		a->current->catenate = true;
		a->state = APPEND_PART;
		return imap_space(&p->c) && imap_char(&p->c, '(') ? TAKEN : TAKEN_WRONG;
	}
	(void)take_utf8(a, p);
	if (!at_literal(p, &binary))
		return TAKEN_WRONG;
	begin_single(s, a, p->literal->size, binary);
	a->state = APPEND_AFTER_MESSAGE;
	return TAKEN_LITERAL;
}

static enum taken take_url(struct imap *s, struct append *a, struct piece *p)
{
	struct str url;
	bool binary;

	if (!imap_space(&p->c))
		return TAKEN_WRONG;
	if (imap_astring(&p->c, &s->arena, &url)) {
		append_take_url(s, a, url);
		return TAKEN;
	}
	if (!at_literal(p, &binary) || binary || p->literal->size > URL_MAX)
		return TAKEN_WRONG;
	a->in_url = true;
	a->url = STR_LIT("");
	return TAKEN_LITERAL;
}

static enum taken take_part(struct imap *s, struct append *a, struct piece *p)
{
	bool binary;

	a->state = APPEND_AFTER_PART;
	if (imap_keyword(&p->c, STR_LIT("URL")))
		return take_url(s, a, p);
	if (!take_utf8(a, p) &&
		(!imap_keyword(&p->c, STR_LIT("TEXT")) || !imap_space(&p->c)))
		return TAKEN_WRONG;
	if (!at_literal(p, &binary))
		return TAKEN_WRONG;
	/* what will not fit is refused before it comes */
	if (p->literal->size > s->serve->message_bytes)
		append_refuse(a, "[TOOBIG] Message is too large.");
	a->current->binary |= binary;
	return TAKEN_LITERAL;
}

static enum taken take_after_part(struct imap *s, struct append *a, struct piece *p)
{
	if (imap_char(&p->c, ')')) {
		append_end_message(s, a);
		a->state = APPEND_AFTER_MESSAGE;
		return TAKEN;
	}
	a->state = APPEND_PART;
	return imap_space(&p->c) ? TAKEN : TAKEN_WRONG;
}

static enum taken take_after_message(struct append *a, struct piece *p)
{
	if (a->replace || !imap_space(&p->c)) /* RFC 8508, 4.7: one alone */
		return TAKEN_WRONG;
	a->state = APPEND_DATA;
	return TAKEN;
}

static bool take_close(struct append *a, struct piece *p)
{
	bool closed = !a->in_parentheses || imap_char(&p->c, ')');

	a->in_parentheses = false;
	return closed;
}

static enum taken take_next(struct imap *s, struct append *a, struct piece *p)
{
	switch (a->state) {
	case APPEND_DATA:
		return take_data(s, a, p);
	case APPEND_PART:
		return take_part(s, a, p);
	case APPEND_AFTER_PART:
		return take_after_part(s, a, p);
	case APPEND_AFTER_MESSAGE:
		return take_after_message(a, p);
	}
	return TAKEN_WRONG;
}

/* To the literal, or to the end of the command. */
static enum taken take_piece(struct imap *s, struct piece *p)
{
	struct append *a = s->append;
	enum taken taken = take_close(a, p) ? TAKEN : TAKEN_WRONG;

	while (taken == TAKEN) {
		if (!p->literal && a->state == APPEND_AFTER_MESSAGE && imap_end(&p->c))
			return TAKEN;
		taken = take_next(s, a, p);
	}
	return taken;
}

/* ── the end ───────────────────────────────────────────────────────────────────────── */

static void finish(struct imap *s)
{
	if (s->append->refused)
		answer_refusal(s);
	else
		append_queue_add(s);
}

/* What was announced comes next, unless it waits for a "+" that it will not get. */
static void await_literal(struct imap *s, const struct imap_literal *literal)
{
	if (s->append->refused && literal->synchronizing) {
		answer_refusal(s);
		return;
	}
	if (literal->synchronizing)
		imap_say_go_on(s);
	if (s->phase == IMAP_PHASE_END) /* what waited was answered, and that ended it */
		return;
	s->append->left = literal->size;
	s->phase = IMAP_PHASE_MESSAGE;
}

/* ── the beginning ─────────────────────────────────────────────────────────────────── */

static void find_target(struct imap *s, struct str name)
{
	struct append *a = s->append;
	struct error err = { 0 };
	int code = store_find_mailbox(s->serve->store, name, &s->arena, &a->to, &err);

	if (code == -ENOENT)
		append_refuse(a, "[TRYCREATE] Mailbox does not exist.");
	else if (code < 0)
		append_refuse_error(a, &err);
	else if (a->to.attributes & (MAILBOX_NOSELECT | MAILBOX_NONEXISTENT))
		append_refuse(a, "[CANNOT] Mailbox holds no messages.");
}

static void find_replaced(struct imap *s, uint32_t number)
{
	struct append *a = s->append;
	uint32_t index = s->uid ? view_index(&s->view, number) : number - 1;

	if (s->view.read_only)
		append_refuse(a, "[READ-ONLY] Mailbox is read-only.");
	else if (index >= s->view.count ||
		 (s->uid && s->view.messages[index].uid != number))
		append_refuse(a, "[NONEXISTENT] No such message.");
	else
		a->replaced = s->view.messages[index].uid;
}

/* " mailbox " of APPEND, " number mailbox " of REPLACE. */
static bool take_head(struct imap *s, bool replace, struct piece *p)
{
	uint32_t number = 1;
	struct str name;

	if (!imap_space(&p->c) ||
		(replace && (!imap_number(&p->c, &number) || !number ||
				    !imap_space(&p->c))) ||
		!imap_mailbox(s, &p->c, &name) || !imap_space(&p->c))
		return false;
	if (replace) /* what waits may change the numbers */
		append_queue_settle(s);
	s->append = calloc(1, sizeof(*s->append));
	if (!s->append)
		return false;
	s->append->session = s;
	s->append->last = &s->append->first;
	s->append->replace = replace;
	spool_init(&s->append->spool);
	find_target(s, name);
	if (replace)
		find_replaced(s, number);
	return true;
}

/* A REPLACE that is not allowed is answered when all of it came. */
static bool is_append(
	struct imap *s, struct imap_cursor *c, bool *ret_uid, bool *ret_replace)
{
	*ret_uid = imap_keyword(c, STR_LIT("UID"));
	if (*ret_uid && !imap_space(c))
		return false;
	*ret_replace = imap_keyword(c, STR_LIT("REPLACE"));
	if (!*ret_replace)
		return !*ret_uid && imap_keyword(c, STR_LIT("APPEND"));
	return s->state == IMAP_SELECTED && (*ret_uid || !(s->enabled & IMAP_UIDONLY));
}

bool imap_append_begin(
	struct imap *s, struct str line, const struct imap_literal *literal)
{
	struct str copy = arena_str(&s->arena, line); /* the line goes before the end */
	struct piece p = { .c = imap_lenient_cursor(copy), .literal = literal };
	bool uid, replace, begun;
	struct str tag;

	if (!copy.ptr || !imap_tag(&p.c, &tag) || !imap_space(&p.c) ||
		!is_append(s, &p.c, &uid, &replace))
		return false;
	s->uid = uid;
	(void)store_read_begin(s->serve->store, NULL); /* else each question is one */
	begun = take_head(s, replace, &p) && take_piece(s, &p) == TAKEN_LITERAL;
	store_read_end(s->serve->store);
	if (!begun) {
		imap_append_end(s); /* BAD when all of the command came */
		s->uid = false;
		return false;
	}
	s->tag = tag;
	await_literal(s, literal);
	return true;
}

static void append_whole(struct imap *s, struct imap_cursor *args, bool replace)
{
	struct piece p = { .c = *args };

	if (take_head(s, replace, &p) && take_piece(s, &p) == TAKEN) {
		finish(s);
		return;
	}
	imap_append_end(s);
	imap_bad_arguments(s);
}

void cmd_append(struct imap *s, struct imap_cursor *args)
{
	append_whole(s, args, false);
}

void cmd_replace(struct imap *s, struct imap_cursor *args)
{
	append_whole(s, args, true);
}

/* ── what follows a literal ────────────────────────────────────────────────────────── */

static void take_url_bytes(struct imap *s, struct append *a, struct str bytes)
{
	struct buf joined;

	buf_init(&joined, 0);
	if (buf_append(&joined, a->url) == 0 && buf_append(&joined, bytes) == 0)
		a->url = arena_str(&s->arena, buf_view(&joined));
	buf_fini(&joined);
}

static void end_literal(struct imap *s)
{
	struct append *a = s->append;

	s->phase = IMAP_PHASE_APPEND;
	if (a->in_url)
		append_take_url(s, a, a->url);
	else if (a->state == APPEND_AFTER_MESSAGE)
		append_end_message(s, a);
	a->in_url = false;
}

enum service_need imap_append_data(struct imap *s)
{
	struct append *a = s->append;
	struct buf *in = &s->session->in;
	struct str bytes = buf_view(in);

	if (!bytes.len && a->left)
		return SERVICE_INPUT;
	if (bytes.len > a->left)
		bytes.len = (size_t)a->left;
	if (a->in_url)
		take_url_bytes(s, a, bytes);
	else if (bytes.len)
		append_take(s, a, bytes);
	a->left -= bytes.len;
	buf_consume(in, bytes.len);
	if (!a->left)
		end_literal(s);
	return SERVICE_AGAIN;
}

static void take_line(struct imap *s, struct str line, const struct imap_literal *literal)
{
	struct str copy = arena_str(&s->arena, line);
	struct piece p = { .c = imap_lenient_cursor(copy), .literal = literal };
	enum taken taken = copy.ptr ? take_piece(s, &p) : TAKEN_WRONG;

	if (taken == TAKEN_LITERAL) {
		await_literal(s, literal);
	} else if (taken == TAKEN) {
		finish(s);
	} else if (!literal || literal->synchronizing) {
		imap_append_end(s);
		imap_bad_arguments(s);
	} else {
		s->session->end = "bad append";
		imap_bye(s, "Error in arguments.");
	}
}

enum service_need imap_append_line(struct imap *s)
{
	struct buf *in = &s->session->in;
	struct imap_literal literal;
	struct str line;
	enum imap_frame frame = imap_frame_next(&s->framer, buf_view(in), &literal);

	if (frame == IMAP_FRAME_NEED_MORE)
		return SERVICE_INPUT;
	if (frame == IMAP_FRAME_TOO_LONG || frame == IMAP_FRAME_BAD) {
		s->session->end = "line too long";
		imap_bye(s, "[TOOBIG] Command line too long.");
		return SERVICE_AGAIN;
	}
	line = str_take(buf_view(in), literal.offset);
	take_line(s, line, frame == IMAP_FRAME_LITERAL ? &literal : NULL);
	buf_consume(in, literal.offset);
	imap_frame_reset(&s->framer);
	return SERVICE_AGAIN;
}
