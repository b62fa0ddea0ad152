/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/export.h"
#include "base/buf.h"
#include "base/fd.h"
#include "mailstore/store/internal.h"
#include "mailstore/store/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LETTERS 26
#define FILE_MAX 256 /* our names of files: numbers and flags */

struct export
{
	struct snapshot snapshot;
	const struct export_target *to;
	store_finding_fn *each;
	void *context;
	struct store_exported *count;
	struct error *err;
};

/* One mailbox on its way out. */
struct folder {
	int64_t id;
	struct str name;
	uint32_t uidvalidity, uidnext;
	bool is_inbox;
	struct buf uidlist;
	struct buf words; /* keywords with a letter, one a line */
	uint64_t words_left, hidden;
};

static int tell(struct export *x, const char *kind, struct str mailbox, uint32_t uid,
	struct str text)
{
	struct store_finding f = {
		.kind = kind, .mailbox = mailbox, .uid = uid, .text = text
	};

	x->count->notes++;
	return x->each(x->context, &f);
}

const char *export_file_name(enum export_file f)
{
	static const char *const names[] = { "dovecot-uidlist", "dovecot-keywords",
		"subscriptions" };

	_Static_assert(sizeof(names) / sizeof(names[0]) == EXPORT_FILES, "one for each");
	return names[f];
}

/* ── names ─────────────────────────────────────────────────────────────────────────── */

/* As Dovecot's listescape writes what its Maildir++ cannot have in a name. */
static int put_part(struct buf *out, struct str part, bool *escaped)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < part.len; i++) {
		unsigned char c = (unsigned char)part.ptr[i];

		if (c != '.' && c != '/' && c != '\\' && c >= ' ') {
			code = buf_byte(out, (char)c);
			continue;
		}
		*escaped = true;
		code = buf_printf(out, "\\%02x", c);
	}
	return code;
}

/* The parts of a name with `glue` between them. */
static int put_name(
	struct buf *out, struct str name, char separator, char glue, bool *escaped)
{
	int code = 0;
	bool more = true;

	while (code == 0 && more) {
		size_t len = separator ? str_index(name, separator) : name.len;

		more = len < name.len;
		code = put_part(out, str_take(name, len), escaped);
		name = str_skip(name, len + 1);
		if (code == 0 && more)
			code = buf_byte(out, glue);
	}
	return code;
}

/* ── keywords ──────────────────────────────────────────────────────────────────────── */

/* Its letter; 0: it has none. */
static char letter_of(const struct folder *f, struct str word)
{
	struct str all = buf_view(&f->words);

	for (char letter = 'a'; all.len; letter++)
		if (str_eq(str_split(&all, '\n'), word))
			return letter;
	return 0;
}

static int add_word(struct folder *f, struct str word, unsigned *count)
{
	int code;

	if (!word.len || letter_of(f, word))
		return 0;
	if (*count == LETTERS) {
		f->words_left++;
		return 0;
	}
	++*count;
	code = buf_append(&f->words, word);
	return code < 0 ? code : buf_byte(&f->words, '\n');
}

/* Those that messages have come before those that FLAGS alone shows. */
static int gather_words(struct export *x, struct folder *f, unsigned *count)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_begin(x->snapshot.db, SQL_EACH_KEYWORDS,
		SQL_VALUES(sql_signed(f->id)), &q, x->err);

	while (n == 0 && (n = query_next(&q, x->err)) == 1) {
		struct str words = query_bytes(&q, 0);

		for (n = 0; n == 0 && words.len;)
			n = add_word(f, str_split(&words, ' '), count);
	}
	return n;
}

static int write_words(struct export *x, struct folder *f)
{
	struct str words = buf_view(&f->words);
	struct buf lines;
	int code = 0;

	buf_init(&lines, 0);
	for (unsigned i = 0; code == 0 && words.len; i++) {
		struct str word = str_split(&words, '\n');

		code = buf_printf(&lines, "%u %.*s\n", i, STR_ARG(word));
	}
	if (code == 0 && buf_len(&lines))
		code = x->to->ops->file(
			x->to->self, EXPORT_KEYWORDS, buf_view(&lines), x->err);
	buf_fini(&lines);
	return code;
}

static int keywords(struct export *x, struct folder *f)
{
	unsigned count = 0;
	int code = gather_words(x, f, &count);

	if (code == 0)
		code = write_words(x, f);
	if (code == 0 && f->words_left)
		code = tell(x, "keyword", f->name, 0,
			STR_LIT("it has more than 26 keywords; the others are left out"));
	return code;
}

/* ── messages ──────────────────────────────────────────────────────────────────────── */

/* The flags' letters in Maildir's order, then those of keywords. */
static void put_flags(const struct folder *f, unsigned flags, struct str words, char *to)
{
	static const struct {
		enum message_flag flag;
		char letter;
	} letters[] = { { FLAG_DRAFT, 'D' }, { FLAG_FLAGGED, 'F' },
		{ FLAG_ANSWERED, 'R' }, { FLAG_SEEN, 'S' }, { FLAG_DELETED, 'T' } };
	bool has[LETTERS] = { false };

	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (flags & letters[i].flag)
			*to++ = letters[i].letter;
	while (words.len) {
		char letter = letter_of(f, str_split(&words, ' '));

		if (letter)
			has[letter - 'a'] = true;
	}
	for (int i = 0; i < LETTERS; i++)
		if (has[i])
			*to++ = (char)('a' + i);
	*to = '\0';
}

struct row {
	uint32_t uid, order;
	unsigned flags;
	struct str keywords, uidl;
	int64_t date, checksum;
	int zone;
	struct body_place place;
};

static struct row row_of(const struct query *q)
{
	return (struct row){ .uid = (uint32_t)query_number(q, 0),
		.flags = (unsigned)query_number(q, 1),
		.keywords = query_bytes(q, 2),
		.date = (int64_t)query_number(q, 3),
		.uidl = query_bytes(q, 4),
		.order = (uint32_t)query_number(q, 5),
		.place = { .pack = (uint32_t)query_number(q, 6),
			.offset = query_number(q, 7),
			.len = query_number(q, 8) },
		.checksum = query_is_null(q, 9) ? -1 : (int64_t)query_number(q, 9),
		.zone = (int)(int64_t)query_number(q, 10) };
}

/* What POP3 shows of INBOX is written out, whatever format Dovecot is configured for. */
static int put_uidlist(struct folder *f, const struct row *r, const char *base)
{
	char made[STORE_UIDL_SIZE];
	int code = buf_printf(&f->uidlist, "%u ", r->uid);

	if (code == 0 && f->is_inbox && r->uidl.len)
		code = buf_printf(&f->uidlist, "P%.*s ", STR_ARG(r->uidl));
	else if (code == 0 && f->is_inbox) {
		store_make_uidl(r->uid, f->uidvalidity, made);
		code = buf_printf(&f->uidlist, "P%s ", made);
	}
	if (code == 0 && f->is_inbox && r->order && r->order != STORE_POP3_HIDDEN)
		code = buf_printf(&f->uidlist, "O%u ", r->order);
	f->hidden += f->is_inbox && r->order == STORE_POP3_HIDDEN;
	return code < 0 ? code : buf_printf(&f->uidlist, ":%s\n", base);
}

struct file {
	char base[FILE_MAX / 2], flags[LETTERS + 6];
	struct export_message is;
};

static void name_file(const struct folder *f, const struct row *r, struct file *ret)
{
	char zone[16] = "";

	put_flags(f, r->flags, r->keywords, ret->flags);
	if (r->zone) /* Dovecot keeps such words, and has a zone of its own */
		(void)snprintf(zone, sizeof(zone), ",Z=%d", r->zone);
	(void)snprintf(ret->base, sizeof(ret->base),
		"%" PRIu64 ".M%uP%" PRIi64 ".mailferry,S=%" PRIu64 "%s",
		(uint64_t)(r->date > 0 ? r->date : 0), r->uid, f->id, r->place.len, zone);
	ret->is = (struct export_message){ .base = ret->base,
		.flags = ret->flags,
		.is_new = r->flags & FLAG_RECENT && !ret->flags[0],
		.len = r->place.len,
		.date = r->date };
}

/* -ESTALE: it was deleted while we were at it. -EIO: it is lost, and was told. */
static int export_body(
	struct export *x, struct folder *f, const struct row *r, struct file *file)
{
	struct snapshot_body body;
	struct error why = { 0 };
	int code = snapshot_body(&x->snapshot, &r->place, r->checksum, &body, &why);

	if (code == -EIO) {
		x->count->lost++;
		code = tell(x, "lost", f->name, r->uid, str_from(why.text));
		return code < 0 ? code : -EIO;
	}
	if (code < 0) {
		if (x->err)
			*x->err = why;
		return code;
	}
	x->count->bytes += body.bytes.len;
	code = x->to->ops->body(x->to->self, &file->is, body.bytes, x->err);
	snapshot_body_release(&body);
	return code;
}

static int export_message(struct export *x, struct folder *f, const struct row *r)
{
	struct file file;
	int code;

	name_file(f, r, &file);
	code = x->to->ops->message(x->to->self, &file.is, x->err);
	if (code == 1)
		code = export_body(x, f, r, &file);
	if (code == -ESTALE || code == -EIO)
		return 0;
	if (code == 0)
		code = put_uidlist(f, r, file.base);
	x->count->messages += code == 0;
	return code;
}

static int export_messages(struct export *x, struct folder *f)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_begin(x->snapshot.db, SQL_EACH_TO_EXPORT,
		SQL_VALUES(sql_signed(f->id)), &q, x->err);

	while (n == 0 && (n = query_next(&q, x->err)) == 1) {
		struct row r = row_of(&q);

		n = export_message(x, f, &r);
	}
	return n;
}

/* ── mailboxes ─────────────────────────────────────────────────────────────────────── */

static int fill_folder(struct export *x, struct folder *f)
{
	/* the same at each export of the account, and no two mailboxes' */
	int code =
		buf_printf(&f->uidlist, "3 V%u N%u G" EXPORT_GUID "%08x%016" PRIx64 "\n",
			f->uidvalidity, f->uidnext, f->uidvalidity, (uint64_t)f->id);

	if (code == 0)
		code = keywords(x, f);
	if (code == 0)
		code = export_messages(x, f);
	if (code == 0)
		code = x->to->ops->file(
			x->to->self, EXPORT_UIDLIST, buf_view(&f->uidlist), x->err);
	if (code == 0 && f->hidden)
		code = tell(x, "hidden", f->name, 0,
			STR_LIT("some of its messages are not shown by POP3 here; "
				"Dovecot will show them"));
	return code;
}

static int name_folder(
	struct export *x, const struct folder *f, char separator, struct buf *name)
{
	bool escaped = false;
	int code = buf_byte(name, '.');

	if (code == 0 && !f->is_inbox)
		code = put_name(name, f->name, separator, '.', &escaped);
	if (code == 0)
		code = buf_byte(name, '\0');
	if (code == 0 && escaped)
		code = tell(x, "name", f->name, 0,
			STR_LIT("Dovecot shows this name with its plugin listescape"));
	return code;
}

static int export_folder(struct export *x, struct folder *f, char separator)
{
	struct buf name;
	int code;

	buf_init(&name, 0);
	buf_init(&f->uidlist, 0);
	buf_init(&f->words, 0);
	code = name_folder(x, f, separator, &name);
	if (code == 0)
		code = x->to->ops->folder(x->to->self, buf_view(&name).ptr, x->err);
	if (code == 0)
		code = fill_folder(x, f);
	x->count->mailboxes++;
	buf_fini(&name);
	buf_fini(&f->uidlist);
	buf_fini(&f->words);
	return code;
}

/* One that holds no mail has no folder: its children say that it is there. */
static int export_mailbox(struct export *x, const struct query *q)
{
	struct str separator = query_bytes(q, 2);
	struct folder f = { .id = (int64_t)query_number(q, 0),
		.name = query_bytes(q, 1),
		.uidvalidity = (uint32_t)query_number(q, 5),
		.uidnext = (uint32_t)query_number(q, 6) };

	if (query_number(q, 3) & (MAILBOX_NOSELECT | MAILBOX_NONEXISTENT))
		return 0;
	f.is_inbox = store_is_inbox(f.name);
	if (separator.len && (f.is_inbox || !x->count->separator))
		x->count->separator = separator.ptr[0];
	return export_folder(x, &f, separator.len ? separator.ptr[0] : '\0');
}

static int export_mailboxes(struct export *x)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_begin(x->snapshot.db, SQL_EACH_MAILBOX, SQL_NO_VALUES, &q, x->err);

	while (n == 0 && (n = query_next(&q, x->err)) == 1)
		n = export_mailbox(x, &q);
	return n;
}

static int export_subscriptions(struct export *x)
{
	CLEANUP(query_end) struct query q = { 0 };
	struct buf lines;
	bool escaped = false;
	int n;

	buf_init(&lines, 0);
	n = buf_append_c(&lines, "V\t2\n\n");
	if (n == 0)
		n = query_begin(
			x->snapshot.db, SQL_EACH_SUBSCRIPTION, SQL_NO_VALUES, &q, x->err);
	while (n == 0 && (n = query_next(&q, x->err)) == 1) {
		n = put_name(
			&lines, query_bytes(&q, 0), x->count->separator, '\t', &escaped);
		if (n == 0)
			n = buf_byte(&lines, '\n');
	}
	if (n == 0)
		n = x->to->ops->file(
			x->to->self, EXPORT_SUBSCRIPTIONS, buf_view(&lines), x->err);
	buf_fini(&lines);
	return n;
}

int store_export(const char *folder, const struct export_target *to,
	store_finding_fn *each, void *context, struct store_exported *ret,
	struct error *err)
{
	struct export x = {
		.to = to, .each = each, .context = context, .count = ret, .err = err
	};
	int code;

	*ret = (struct store_exported){ 0 };
	code = snapshot_open(folder, &x.snapshot, err);
	if (code == 0)
		code = export_mailboxes(&x);
	if (code == 0)
		code = export_subscriptions(&x);
	if (code == 0)
		code = to->ops->finish(to->self, err);
	if (code == -ENOMEM)
		(void)error_set(err, code, "no memory");
	snapshot_close(&x.snapshot);
	return code;
}
