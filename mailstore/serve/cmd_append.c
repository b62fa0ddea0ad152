/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * APPEND (RFC 3501, 6.3.11), of several messages too (RFC 3502), with APPENDUID (RFC
 * 4315). A message passes through to the store as it comes; what is refused while it
 * comes anyway (LITERAL+) is dropped byte by byte.
 *
 *   A APPEND box (flags) "date" {n}   imap_append_begin()   → PHASE_MESSAGE
 *   n bytes                           imap_append_data()    → PHASE_APPEND
 *   end of line, or the next message  imap_append_line()    → done, or PHASE_MESSAGE
 */
#include "mailstore/serve/imap_commands.h"
#include "wire/imap/date.h"
#include "wire/imap/flags.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define MESSAGES_MAX 4096        /* in one command: its list lies in memory */
#define INLINE_TOTAL_MAX 1048576 /* small bodies that wait for the commit in memory */

struct append_message {
	unsigned flags;
	struct str keywords;
	struct imap_date date;
	uint64_t size;
	bool in_memory;
	struct buf bytes;          /* in_memory */
	struct body_writer writer; /* else */
	bool added;
	struct append_message *next;
};

struct append {
	struct mailbox to;
	struct append_message *first, **last;
	struct append_message *current;
	size_t count, in_memory;
	uint64_t left; /* of the current one, still to come */
	bool refused;
	struct error refusal; /* code 0: the text is the answer */
	uint32_t uid;         /* of the first one */
};

static void release_message(struct imap *s, struct append_message *m)
{
	if (m->in_memory)
		buf_fini(&m->bytes);
	else if (!m->added)
		store_body_abort(s->serve->store, &m->writer);
}

void imap_append_end(struct imap *s)
{
	if (!s->append)
		return;
	for (struct append_message *m = s->append->first; m; m = m->next)
		release_message(s, m);
	free(s->append);
	s->append = NULL;
}

/* ── refusing ──────────────────────────────────────────────────────────────────────── */

static void refuse(struct append *a, const char *answer)
{
	if (!a->refused)
		(void)error_set(&a->refusal, 0, "%s", answer);
	a->refused = true;
}

static void refuse_error(struct append *a, const struct error *err)
{
	if (!a->refused)
		a->refusal = *err;
	a->refused = true;
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

/* ── arguments ─────────────────────────────────────────────────────────────────────── */

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

/* " (flags) "date" " up to the literal that ends the line. */
static bool parse_message(
	struct imap_cursor c, struct arena *arena, struct append_message *ret)
{
	struct imap_literal literal;
	struct str before;

	ret->keywords = STR_LIT("");
	ret->date = now();
	if (!imap_space(&c))
		return false;
	if (imap_flags(&c, arena, &ret->flags, &ret->keywords) && !imap_space(&c))
		return false;
	ret->flags &= ~(unsigned)FLAG_RECENT;
	if (!parse_date(&c, arena, &ret->date))
		return false;
	return imap_literal_announced(str_trim(c.rest), &literal, &before) ==
	               IMAP_FRAME_LITERAL &&
	       (!before.len || str_eq(before, STR_LIT("~")));
}

static bool flags_are_known(const struct append_message *m)
{
	struct str words = m->keywords;

	while (words.len)
		if (!imap_may_be_keyword(str_split(&words, ' ')))
			return false;
	return true;
}

/* ── a message ─────────────────────────────────────────────────────────────────────── */

static void begin_body(struct imap *s, struct append *a, struct append_message *m)
{
	struct error err = { 0 };

	m->in_memory =
		m->size <= STORE_INLINE_MAX && a->in_memory + m->size <= INLINE_TOTAL_MAX;
	if (m->in_memory) {
		a->in_memory += m->size;
		buf_init(&m->bytes, 0);
	} else if (store_body_begin(s->serve->store, m->size, &m->writer, &err) < 0) {
		refuse_error(a, &err);
	}
}

static void check_message(struct imap *s, struct append *a, struct append_message *m)
{
	if (!m->size)
		refuse(a, "[CANNOT] A message of no bytes.");
	else if (m->size > s->serve->message_bytes)
		refuse(a, "[TOOBIG] Message is too large.");
	else if (++a->count > MESSAGES_MAX)
		refuse(a, "[LIMIT] Too many messages in one command.");
	else if (!flags_are_known(m))
		refuse(a, "[CANNOT] Unknown flag.");
}

/* The literal that was announced comes next, unless it waits for a "+" it will not get.
 */
static void begin_message(struct imap *s, const struct append_message *parsed,
	const struct imap_literal *literal)
{
	struct append *a = s->append;
	struct append_message *m = arena_alloc(&s->arena, sizeof(*m));

	if (!m) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	*m = *parsed;
	m->size = literal->size;
	check_message(s, a, m);
	if (!a->refused)
		begin_body(s, a, m);
	if (a->refused && literal->synchronizing) {
		answer_refusal(s);
		return;
	}
	if (!a->refused) {
		*a->last = m;
		a->last = &m->next;
	}
	a->current = m;
	a->left = literal->size;
	s->phase = IMAP_PHASE_MESSAGE;
	if (literal->synchronizing)
		imap_wrote(s, buf_append_c(imap_out(s), "+ OK\r\n"));
}

static void find_target(struct imap *s, struct str name)
{
	struct append *a = s->append;
	struct error err = { 0 };
	int code = store_find_mailbox(s->serve->store, name, &s->arena, &a->to, &err);

	if (code == -ENOENT)
		refuse(a, "[TRYCREATE] Mailbox does not exist.");
	else if (code < 0)
		refuse_error(a, &err);
	else if (a->to.attributes & (MAILBOX_NOSELECT | MAILBOX_NONEXISTENT))
		refuse(a, "[CANNOT] Mailbox holds no messages.");
}

bool imap_append_begin(
	struct imap *s, struct str line, const struct imap_literal *literal)
{
	struct imap_cursor c = imap_cursor(line);
	struct append_message m = { 0 };
	struct str tag, name;

	if (!imap_tag(&c, &tag) || !imap_space(&c) ||
		!imap_keyword(&c, STR_LIT("APPEND")) || !imap_space(&c))
		return false;
	/* the line goes before the command ends */
	c = imap_cursor(arena_str(&s->arena, c.rest));
	s->tag = arena_str(&s->arena, tag);
	if (!imap_astring(&c, &s->arena, &name) || !parse_message(c, &s->arena, &m))
		return false;
	s->append = calloc(1, sizeof(*s->append));
	if (!s->append) {
		imap_wrote(s, -ENOMEM);
		return true;
	}
	s->append->last = &s->append->first;
	find_target(s, name);
	begin_message(s, &m, literal);
	return true;
}

static void take_bytes(struct imap *s, struct str bytes)
{
	struct append *a = s->append;
	struct append_message *m = a->current;
	struct error err = { 0 };
	int code;

	if (a->refused)
		return;
	code = m->in_memory ? buf_append(&m->bytes, bytes)
	                    : store_body_write(s->serve->store, &m->writer, bytes, &err);
	if (code < 0) {
		err.code = code;
		refuse_error(a, &err);
	}
}

enum service_need imap_append_data(struct imap *s)
{
	struct buf *in = &s->session->in;
	struct str bytes = buf_view(in);

	if (!bytes.len && s->append->left)
		return SERVICE_INPUT;
	if (bytes.len > s->append->left)
		bytes.len = (size_t)s->append->left;
	take_bytes(s, bytes);
	s->append->left -= bytes.len;
	buf_consume(in, bytes.len);
	if (!s->append->left)
		s->phase = IMAP_PHASE_APPEND;
	return SERVICE_AGAIN;
}

/* ── the end ───────────────────────────────────────────────────────────────────────── */

static int add_one(struct imap *s, struct append_message *m, struct error *err)
{
	struct append *a = s->append;
	struct store_message row = { .flags = m->flags | FLAG_RECENT,
		.keywords = m->keywords,
		.date = m->date.seconds,
		.zone = m->date.zone,
		.size = m->size };
	struct body_place place;
	uint32_t uid;
	int code = 0;

	if (m->in_memory)
		place = store_body_inline(buf_view(&m->bytes));
	else
		code = store_body_end(s->serve->store, &m->writer, &place, err);
	if (code == 0)
		code = store_add(s->serve->store, a->to.id, &row, &place, &uid, err);
	if (code < 0)
		return code;
	m->added = true;
	if (m == a->first)
		a->uid = uid;
	return 0;
}

static int add_all(void *context, struct error *err)
{
	struct imap *s = context;
	int code = 0;

	for (struct append_message *m = s->append->first; m && code == 0; m = m->next)
		code = add_one(s, m, err);
	return code;
}

/* Their UIDs follow one another: the transaction is the only one. */
static void finish(struct imap *s)
{
	uint32_t first, last, validity = s->append->to.uidvalidity;

	if (s->append->refused) {
		answer_refusal(s);
		return;
	}
	if (imap_transaction(s, add_all, s) < 0)
		return;
	first = s->append->uid;
	last = first + (uint32_t)s->append->count - 1;
	imap_append_end(s);
	if (first == last)
		imap_done(s, IMAP_OK,
			"[APPENDUID %" PRIu32 " %" PRIu32 "] Append completed.", validity,
			first);
	else
		imap_done(s, IMAP_OK,
			"[APPENDUID %" PRIu32 " %" PRIu32 ":%" PRIu32
			"] Append completed.",
			validity, first, last);
}

static void next_message(
	struct imap *s, struct str line, const struct imap_literal *literal)
{
	struct append_message m = { 0 };
	struct str copy = arena_str(&s->arena, line);

	if (copy.ptr && parse_message(imap_cursor(copy), &s->arena, &m)) {
		begin_message(s, &m, literal);
	} else if (literal->synchronizing) {
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
	if (frame == IMAP_FRAME_LITERAL) {
		next_message(s, line, &literal);
	} else if (str_trim(line).len) {
		imap_append_end(s);
		imap_bad_arguments(s);
	} else {
		finish(s);
	}
	buf_consume(in, literal.offset);
	imap_frame_reset(&s->framer);
	return SERVICE_AGAIN;
}

void cmd_append_incomplete(struct imap *s, struct imap_cursor *args)
{
	(void)args;
	imap_bad_arguments(s);
}
