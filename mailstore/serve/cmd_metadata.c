/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GETMETADATA and SETMETADATA (RFC 5464). Entries are the owner's, "/private" and
   "/shared" alike, since nobody else is let in. */
#include "mailstore/serve/imap_commands.h"
#include "mailstore/serve/notify.h"
#include "wire/imap/encode.h"

#include <errno.h>
#include <inttypes.h>

#define ENTRIES_MAX 64                   /* in one command */
#define VALUE_MAX 65536                  /* clients store settings and signatures */
#define KEPT_MAX 1000                    /* of one mailbox, or of the account */
#define KEPT_BYTES_MAX ((size_t)4 << 20) /* all of them: one answer may have them all */
#define ACCOUNT_BYTES_MAX ((size_t)32 << 20) /* of all its mailboxes */
#define NAME_MAX_BYTES 1024                  /* of an entry */
#define INFINITE UINT32_MAX

struct entry {
	struct str name; /* in lower case */
	struct str value;
	bool found; /* by GETMETADATA */
};

struct entries {
	struct imap *s;
	struct str mailbox; /* "": of the account */
	int64_t id;         /* 0 */
	struct entry list[ENTRIES_MAX];
	size_t count;
	/* of GETMETADATA */
	uint32_t depth;
	bool has_maxsize;
	uint64_t maxsize, longest;
	bool some; /* an answer is begun */
	size_t kept, is_new, bytes;
	int result;
};

/* ── names ─────────────────────────────────────────────────────────────────────────── */

static struct str lower(struct imap *s, struct str name)
{
	struct str copy = arena_str(&s->arena, name);
	char *bytes = (char *)(uintptr_t)copy.ptr;

	for (size_t i = 0; bytes && i < copy.len; i++)
		if (bytes[i] >= 'A' && bytes[i] <= 'Z')
			bytes[i] |= 0x20;
	return copy;
}

/* RFC 5464, 3.2 */
static bool is_entry_name(struct str name)
{
	bool slash = false;

	if (!str_starts(name, STR_LIT("/private/")) &&
		!str_starts(name, STR_LIT("/shared/")))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];

		if (c <= 0x19 || c >= 0x7f || c == '*' || c == '%' || (c == '/' && slash))
			return false;
		slash = c == '/';
	}
	return !slash && name.len <= NAME_MAX_BYTES;
}

static bool take_name(struct entries *e, struct imap_cursor *c, bool any)
{
	struct str name;

	if (e->count == ENTRIES_MAX || !imap_astring(c, &e->s->arena, &name))
		return false;
	name = lower(e->s, name);
	e->list[e->count++] = (struct entry){ .name = name };
	return name.ptr && (any ? name.len && name.ptr[0] == '/' : is_entry_name(name));
}

static bool take_mailbox(struct entries *e, struct imap_cursor *c)
{
	return imap_space(c) && imap_mailbox(e->s, c, &e->mailbox) && imap_space(c);
}

static bool find_mailbox(struct entries *e)
{
	struct mailbox m;

	if (!e->mailbox.len)
		return true;
	if (!imap_find_name(e->s, e->mailbox, "NONEXISTENT", &m))
		return false;
	e->id = m.id;
	e->mailbox = m.name;
	return true;
}

static struct entries *begin(struct imap *s)
{
	struct entries *e = arena_alloc(&s->arena, sizeof(*e));

	if (e)
		e->s = s;
	else
		imap_wrote(s, -ENOMEM);
	return e;
}

/* ── GETMETADATA ───────────────────────────────────────────────────────────────────── */

static bool take_option(struct entries *e, struct imap_cursor *c)
{
	if (imap_keyword(c, STR_LIT("MAXSIZE"))) {
		e->has_maxsize = true;
		return imap_space(c) && imap_number64(c, &e->maxsize);
	}
	if (!imap_keyword(c, STR_LIT("DEPTH")) || !imap_space(c))
		return false;
	if (imap_keyword(c, STR_LIT("infinity"))) {
		e->depth = INFINITE;
		return true;
	}
	return imap_number(c, &e->depth) && e->depth <= 1;
}

static bool take_options(struct entries *e, struct imap_cursor *c)
{
	if (!imap_char(c, '('))
		return false;
	do {
		if (!take_option(e, c))
			return false;
	} while (imap_space(c));
	return imap_char(c, ')');
}

static bool take_names(struct entries *e, struct imap_cursor *c)
{
	if (!imap_char(c, '('))
		return take_name(e, c, true);
	do {
		if (!take_name(e, c, true))
			return false;
	} while (imap_space(c));
	return imap_char(c, ')');
}

/* "(options) mailbox entries" is the form of the errata, "mailbox (options) entries" that
   of the examples; a list of options does not begin with "/". */
static bool parse_get(struct entries *e, struct imap_cursor *c)
{
	struct imap_cursor at = *c;

	if (imap_space(&at) && imap_peek(&at) == '(') {
		if (!take_options(e, &at))
			return false;
		*c = at;
	}
	if (!take_mailbox(e, c))
		return false;
	at = *c;
	if (imap_peek(c) == '(' && take_options(e, &at)) {
		*c = at;
		if (!imap_space(c))
			return false;
	}
	return take_names(e, c) && imap_end(c);
}

static bool is_asked_for(struct entries *e, struct str name)
{
	for (size_t i = 0; i < e->count; i++) {
		struct str asked = e->list[i].name, below;

		if (str_eq(name, asked)) {
			e->list[i].found = true;
			return true;
		}
		if (!e->depth || !str_starts(name, asked))
			continue;
		below = str_skip(name, asked.len);
		if (below.ptr[0] != '/')
			continue;
		below = str_skip(below, 1);
		if (e->depth == INFINITE || str_index(below, '/') == below.len)
			return true;
	}
	return false;
}

/* A value with a NUL is a literal8 (RFC 5464, 5). */
static int put_value(struct buf *out, struct str value)
{
	if (!value.ptr || str_index(value, '\0') == value.len)
		return imap_put_nstring(out, value);
	if (buf_byte(out, '~') < 0)
		return -ENOMEM;
	return imap_put_literal(out, value, false);
}

/* value ptr NULL: there is none. */
static int put_entry(struct entries *e, struct str name, struct str value)
{
	struct buf *out = imap_out(e->s);
	int r = 0;

	if (!e->some) {
		r = buf_append_c(out, "* METADATA ");
		if (r == 0)
			r = e->mailbox.len ? imap_put_mailbox(e->s, e->mailbox)
			                   : buf_append_c(out, "\"\"");
	}
	if (r == 0)
		r = buf_append_c(out, e->some ? " " : " (");
	e->some = true;
	if (r == 0)
		r = imap_put_astring(out, name);
	if (r == 0)
		r = buf_byte(out, ' ');
	return r < 0 ? r : put_value(out, value);
}

static int see_entry(void *context, struct str name, struct str value)
{
	struct entries *e = context;

	if (!is_asked_for(e, name))
		return 0;
	if (!e->has_maxsize || value.len <= e->maxsize)
		return put_entry(e, name, value);
	if (value.len > e->longest)
		e->longest = value.len;
	return 0;
}

/* An answer is required (4.2): NIL for what there is not. */
static int put_missing(struct entries *e)
{
	const struct str none = { 0 };
	int r = 0;

	for (size_t i = 0; i < e->count && r == 0 && !e->depth; i++)
		if (!e->list[i].found)
			r = put_entry(e, e->list[i].name, none);
	return r;
}

void cmd_getmetadata(struct imap *s, struct imap_cursor *args)
{
	struct entries *e = begin(s);
	struct error err = { 0 };

	if (!e)
		return;
	if (!parse_get(e, args)) {
		imap_bad_arguments(s);
		return;
	}
	if (!find_mailbox(e))
		return;
	if (store_each_metadata(s->serve->store, e->id, see_entry, e, &err) < 0) {
		imap_failed(s, &err);
		return;
	}
	imap_wrote(s, put_missing(e));
	if (e->some)
		imap_wrote(s, buf_append_c(imap_out(s), ")\r\n"));
	if (e->longest)
		imap_done(s, IMAP_OK,
			"[METADATA LONGENTRIES %" PRIu64 "] Getmetadata completed.",
			e->longest);
	else
		imap_done(s, IMAP_OK, "Getmetadata completed.");
}

/* ── SETMETADATA ───────────────────────────────────────────────────────────────────── */

static bool parse_set(struct entries *e, struct imap_cursor *c)
{
	if (!take_mailbox(e, c) || !imap_char(c, '('))
		return false;
	do {
		if (!take_name(e, c, false) || !imap_space(c) ||
			!imap_nstring(c, &e->s->arena, &e->list[e->count - 1].value))
			return false;
	} while (imap_space(c));
	return imap_char(c, ')') && imap_end(c);
}

static int count_kept(void *context, struct str name, struct str value)
{
	struct entries *e = context;

	for (size_t i = 0; i < e->count; i++)
		if (str_eq(e->list[i].name, name))
			return 0; /* it is replaced */
	e->kept++;
	e->bytes += value.len;
	return 0;
}

static bool check_values(struct entries *e)
{
	struct store_counts counts;
	struct error err = { 0 };
	size_t new_bytes = 0;

	for (size_t i = 0; i < e->count; i++) {
		new_bytes += e->list[i].value.len;
		e->is_new += e->list[i].value.ptr != NULL;
		e->bytes += e->list[i].value.len;
		if (e->list[i].value.len <= VALUE_MAX)
			continue;
		imap_done(e->s, IMAP_NO, "[METADATA MAXSIZE %d] Value is too long.",
			VALUE_MAX);
		return false;
	}
	if (store_each_metadata(e->s->serve->store, e->id, count_kept, e, &err) < 0) {
		imap_failed(e->s, &err);
		return false;
	}
	if (store_counts(e->s->serve->store, &counts, &err) < 0) {
		imap_failed(e->s, &err);
		return false;
	}
	if (!e->is_new ||
		(e->kept + e->is_new <= KEPT_MAX && e->bytes <= KEPT_BYTES_MAX &&
			counts.metadata_bytes + new_bytes <= ACCOUNT_BYTES_MAX))
		return true;
	imap_done(e->s, IMAP_NO, "[METADATA TOOMANY] Too many entries.");
	return false;
}

static int set_all(void *context, struct error *err)
{
	struct entries *e = context;
	int code = 0;

	for (size_t i = 0; i < e->count && code == 0; i++)
		code = store_set_metadata(e->s->serve->store, e->id, e->list[i].name,
			e->list[i].value, err);
	return code;
}

/* RFC 5465, 5.6 and 5.7 */
static void tell_others(struct entries *e)
{
	struct str names[ENTRIES_MAX];

	for (size_t i = 0; i < e->count; i++)
		names[i] = e->list[i].name;
	notify_metadata(e->s, e->mailbox, names, e->count);
}

void cmd_setmetadata(struct imap *s, struct imap_cursor *args)
{
	struct entries *e = begin(s);

	if (!e)
		return;
	if (!parse_set(e, args)) {
		imap_bad_arguments(s);
		return;
	}
	if (!find_mailbox(e) || !check_values(e) || imap_transaction(s, set_all, e) < 0)
		return;
	tell_others(e);
	imap_done(s, IMAP_OK, "Setmetadata completed.");
}
