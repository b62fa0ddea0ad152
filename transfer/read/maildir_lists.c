/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/maildir_lists.h"

#include "base/hex.h"
#include "transfer/read/source.h"
#include "wire/imap/cursor.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST 64

/* A line without its end; false: there is none, or its end is missing. */
static bool next_line(struct str *text, struct str *ret)
{
	size_t end = str_index(*text, '\n');

	if (end == text->len)
		return false;
	*ret = str_take(*text, end);
	*text = str_skip(*text, end + 1);
	return true;
}

/* ---- dovecot-uidlist ---- */

static int wrong(struct error *err, size_t line, const char *what)
{
	return error_set(err, -EINVAL, "line %zu: %s", line, what);
}

static int read_header(struct str line, struct maildir_uidlist *l, struct error *err)
{
	if (!str_eq(str_split(&line, ' '), STR_LIT("3")))
		return wrong(err, 1, "it is no uidlist of version 3");
	while (line.len) {
		struct str word = str_split(&line, ' ');
		uint32_t *to = str_starts(word, STR_LIT("V"))   ? &l->uidvalidity
		               : str_starts(word, STR_LIT("N")) ? &l->uidnext
		                                                : NULL;

		if (to && !str_to_u32(str_skip(word, 1), to))
			return wrong(err, 1, "a number is none");
	}
	return l->uidvalidity && l->uidnext
	               ? 0
	               : wrong(err, 1, "it says no UIDVALIDITY or no next UID");
}

/* RFC 1939, 7: visible characters of ASCII. */
static bool is_uidl(struct str s)
{
	if (!s.len || s.len > MAILDIR_UIDL_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '!' || s.ptr[i] > '~')
			return false;
	return true;
}

static int read_word(struct str word, struct maildir_uid *u, const char **ret_wrong)
{
	char key = word.len ? word.ptr[0] : '\0';
	struct str value = str_skip(word, 1);

	if (key == 'P' && is_uidl(value))
		u->uidl = value;
	else if (key == 'P')
		*ret_wrong = "its POP3 unique-id is none";
	else if (key == 'O' && !str_to_u32(value, &u->order))
		*ret_wrong = "its POP3 order is no number";
	return *ret_wrong ? -EINVAL : 0;
}

static int read_record(struct str line, struct maildir_uid *u, const char **ret_wrong)
{
	*u = (struct maildir_uid){ .uidl = STR("") };
	if (!str_to_u32(str_split(&line, ' '), &u->uid) || !u->uid)
		*ret_wrong = "its UID is no number";
	while (!*ret_wrong && line.len && line.ptr[0] != ':')
		(void)read_word(str_split(&line, ' '), u, ret_wrong);
	line = str_skip(line, 1);
	u->base = str_take(line, str_index(line, ':'));
	if (!*ret_wrong && (!u->base.len || str_index(u->base, '/') < u->base.len))
		*ret_wrong = "it names no file";
	return *ret_wrong ? -EINVAL : 0;
}

static int add_record(
	struct maildir_uidlist *l, const struct maildir_uid *u, const char **ret_wrong)
{
	if (l->count && l->at[l->count - 1].uid >= u->uid) {
		*ret_wrong = "its UID is not above the one before";
		return -EINVAL;
	}
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : FIRST;
		struct maildir_uid *at = reallocarray(l->at, cap, sizeof(*at));

		if (!at)
			return -ENOMEM;
		l->at = at;
		l->cap = cap;
	}
	l->at[l->count++] = *u;
	return 0;
}

static int by_base(const void *a, const void *b)
{
	return str_cmp(((const struct maildir_uid *)a)->base,
		((const struct maildir_uid *)b)->base);
}

static int by_uidl(const void *a, const void *b)
{
	return str_cmp(((const struct maildir_uid *)a)->uidl,
		((const struct maildir_uid *)b)->uidl);
}

/* Sorts by what compare() looks at; then two of one are neighbours. */
static const struct maildir_uid *twice(
	struct maildir_uidlist *l, int (*compare)(const void *a, const void *b))
{
	if (l->count < 2)
		return NULL;
	qsort(l->at, l->count, sizeof(*l->at), compare);
	for (size_t i = 1; i < l->count; i++)
		if (compare(&l->at[i - 1], &l->at[i]) == 0 &&
			(compare == by_base || l->at[i].uidl.len))
			return &l->at[i];
	return NULL;
}

static int check_doubles(struct maildir_uidlist *l, struct error *err)
{
	const struct maildir_uid *u = twice(l, by_uidl);

	if (u)
		return error_set(err, -EINVAL,
			"UID %u has the POP3 unique-id of another one", u->uid);
	u = twice(l, by_base);
	return u ? error_set(err, -EINVAL, "UID %u has the file of another one", u->uid)
	         : 0;
}

static int read_all(struct str text, struct maildir_uidlist *l, struct error *err)
{
	struct str line = STR("");
	size_t number = 1;
	uint32_t last;
	int r = next_line(&text, &line) ? read_header(line, l, err)
	                                : wrong(err, 1, "it has no first line");

	while (r == 0 && next_line(&text, &line)) {
		const char *why = NULL;
		struct maildir_uid u;

		number++;
		r = read_record(line, &u, &why);
		if (r == 0)
			r = add_record(l, &u, &why);
		if (r < 0)
			return r == -ENOMEM ? error_set(err, r, "no memory")
			                    : wrong(err, number, why);
	}
	if (r == 0 && text.len)
		return wrong(err, number + 1, "it has no end");
	last = l->count ? l->at[l->count - 1].uid : 0;
	if (last >= l->uidnext)
		l->uidnext = last + 1; /* 0 after the last of all */
	return r ? r : check_doubles(l, err);
}

int maildir_uidlist_read(struct str text, struct maildir_uidlist *ret, struct error *err)
{
	struct maildir_uidlist l = { 0 };
	int r = read_all(text, &l, err);

	if (r < 0)
		maildir_uidlist_fini(&l);
	*ret = l;
	return r;
}

void maildir_uidlist_fini(struct maildir_uidlist *l)
{
	free(l->at);
	*l = (struct maildir_uidlist){ 0 };
}

const struct maildir_uid *maildir_uidlist_find(
	const struct maildir_uidlist *l, struct str base)
{
	const struct maildir_uid key = { .base = base };

	return l->count ? bsearch(&key, l->at, l->count, sizeof(*l->at), by_base) : NULL;
}

/* ---- dovecot-keywords ---- */

static bool is_keyword(struct str word)
{
	struct imap_cursor c = imap_cursor(word);
	struct str atom;

	return imap_atom(&c, &atom) && imap_end(&c);
}

int maildir_keywords_read(
	struct str text, struct str words[static MAILDIR_LETTERS], struct error *err)
{
	struct str line;

	for (size_t i = 0; i < MAILDIR_LETTERS; i++)
		words[i] = STR_LIT("");
	for (size_t number = 1; next_line(&text, &line); number++) {
		uint32_t place;

		if (!str_to_u32(str_split(&line, ' '), &place) ||
			place >= MAILDIR_LETTERS)
			return wrong(err, number, "it begins with no number below 26");
		if (!is_keyword(line))
			return wrong(err, number, "its word is no keyword");
		if (words[place].len)
			return wrong(err, number, "its number was there before");
		words[place] = line;
	}
	return text.len ? error_set(err, -EINVAL, "its last line has no end") : 0;
}

/* ---- names of files ---- */

/* The value of ",K=" in a base name. */
static bool field(struct str base, char key, struct str *ret)
{
	(void)str_split(&base, ',');
	while (base.len) {
		struct str word = str_split(&base, ',');

		if (word.len > 2 && word.ptr[0] == key && word.ptr[1] == '=') {
			*ret = str_skip(word, 2);
			return true;
		}
	}
	return false;
}

static unsigned flag_of(char letter)
{
	switch (letter) {
	case 'D':
		return MAIL_DRAFT;
	case 'F':
		return MAIL_FLAGGED;
	case 'R':
		return MAIL_ANSWERED;
	case 'S':
		return MAIL_SEEN;
	case 'T':
		return MAIL_DELETED;
	default: /* "passed", which IMAP does not show */
		return 0;
	}
}

static void read_flags(struct str info, struct maildir_name *n)
{
	if (!str_starts(info, STR_LIT("2,")))
		return;
	info = str_skip(info, 2);
	info = str_take(info, str_index(info, ','));
	for (size_t i = 0; i < info.len; i++) {
		char c = info.ptr[i];

		if (c >= 'a' && c <= 'z')
			n->letters |= UINT32_C(1) << (c - 'a');
		else
			n->flags |= flag_of(c);
	}
}

#define ZONE_MAX (15 * 60)

/* ",Z=-90" */
static int16_t zone_of(struct str base)
{
	struct str value;
	bool west;
	uint32_t minutes;

	if (!field(base, 'Z', &value))
		return 0;
	west = value.ptr[0] == '-';
	if (!str_to_u32(str_skip(value, west), &minutes) || minutes > ZONE_MAX)
		return 0;
	return (int16_t)(west ? -(int)minutes : (int)minutes);
}

static bool is_exported(struct str base)
{
	struct str host = str_take(base, str_index(base, ','));

	return host.len > 10 &&
	       str_eq(str_skip(host, host.len - 10), STR_LIT(".mailferry"));
}

void maildir_name_read(struct str file, struct maildir_name *ret)
{
	struct str info = file, size;

	*ret = (struct maildir_name){ .base = str_split(&info, ':') };
	read_flags(info, ret);
	ret->has_size = field(ret->base, 'S', &size) && str_to_u64(size, &ret->size);
	ret->is_exact = ret->has_size && is_exported(ret->base);
	if (ret->is_exact)
		ret->zone = zone_of(ret->base);
}

static uint64_t leading_number(struct str *s)
{
	size_t len = 0;
	uint64_t n = 0;

	while (len < s->len && s->ptr[len] >= '0' && s->ptr[len] <= '9')
		len++;
	if (!str_to_u64(str_take(*s, len), &n))
		n = 0;
	*s = str_skip(*s, len);
	return n;
}

int maildir_name_cmp(struct str a, struct str b)
{
	struct str x = a, y = b;
	uint64_t m = leading_number(&x), n = leading_number(&y);
	int rest = 0;

	if (m == n && str_starts(x, STR_LIT(".M")) && str_starts(y, STR_LIT(".M"))) {
		x = str_skip(x, 2);
		y = str_skip(y, 2);
		m = leading_number(&x);
		n = leading_number(&y);
	} else if (m == n) { /* not the whole: "01" and "1" are the same second */
		rest = str_cmp(x, y);
	}
	if (m != n)
		return (m > n) - (m < n);
	return rest ? rest : str_cmp(a, b);
}

/* ---- names of mailboxes ---- */

/* The byte that an escape means; 0: it is none. Only what cannot be in a name is escaped,
   so "\41" is three characters and a backslash. */
static char escaped(struct str s, char separator)
{
	int byte = s.ptr[0] == '\\' ? hex_byte_of(HEX_LOWER, str_skip(s, 1)) : -1;
	char c = (char)(byte < 0 ? 0 : byte);
	bool needs = c == '.' || c == '/' || c == '\\' || (c > 0 && c < ' ');

	return needs && c != separator ? c : '\0';
}

static int put_part(struct buf *to, struct str part, char separator, bool *ret_bad)
{
	int r = 0;

	*ret_bad = *ret_bad || !part.len;
	for (size_t i = 0; r == 0 && i < part.len; i++) {
		char c = escaped(str_skip(part, i), separator);

		if (c)
			i += 2;
		else
			c = part.ptr[i];
		*ret_bad = *ret_bad || part.ptr[i] == separator ||
		           (unsigned char)part.ptr[i] < ' ' || part.ptr[i] == 0x7f;
		r = buf_byte(to, c);
	}
	return r;
}

static int put_name(
	struct buf *to, struct str name, char glue, char separator, bool *ret_bad)
{
	int r = 0;
	bool more = true;

	*ret_bad = false;
	while (r == 0 && more) {
		size_t len = str_index(name, glue);

		more = len < name.len;
		r = put_part(to, str_take(name, len), separator, ret_bad);
		name = str_skip(name, len + 1);
		if (r == 0 && more)
			r = buf_byte(to, separator);
	}
	return r;
}

int maildir_folder_name(
	struct str directory, char separator, struct buf *ret, struct error *err)
{
	bool bad;
	int r = put_name(ret, str_skip(directory, 1), '.', separator, &bad);

	if (r < 0)
		return error_set(err, r, "no memory");
	return bad ? error_set(err, -EINVAL,
			     "\"%.*s\" is no name of a mailbox: a part of it is empty, or "
			     "has the separator %c or a control character",
			     STR_ARG(directory), separator)
	           : 0;
}

int maildir_subscriptions_read(struct str text, char separator, maildir_name_fn *each,
	void *context, struct error *err)
{
	bool tabs = str_starts(text, STR_LIT("V\t2\n"));
	struct str line;
	struct buf name;
	int r = 0;

	if (tabs)
		(void)next_line(&text, &line);
	buf_init(&name, 0);
	while (r == 0 && next_line(&text, &line)) {
		bool bad;

		if (!line.len)
			continue;
		buf_clear(&name);
		r = put_name(&name, line, tabs ? '\t' : '.', separator, &bad);
		if (r < 0)
			r = error_set(err, r, "no memory");
		else if (!bad) /* what is no name of a mailbox names none */
			r = each(context, buf_view(&name));
	}
	buf_fini(&name);
	return r;
}
