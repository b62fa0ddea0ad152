/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/address.h"

#include "wire/mime/lex.h"

#include <string.h>

/* Words gathered into one string; grows in the arena by doubling. */
struct gather {
	struct arena *arena;
	char *bytes;
	size_t len, cap;
	size_t words;
	bool failed;
};

static void put(struct gather *g, struct str s)
{
	if (g->len + s.len > g->cap) {
		size_t cap = (g->len + s.len) * 2;
		char *more = arena_alloc(g->arena, cap);

		if (!more) {
			g->failed = true;
			return;
		}
		if (g->len)
			memcpy(more, g->bytes, g->len);
		g->bytes = more;
		g->cap = cap;
	}
	if (s.len)
		memcpy(g->bytes + g->len, s.ptr, s.len);
	g->len += s.len;
}

static struct str gathered(const struct gather *g)
{
	return g->bytes && !g->failed ? str_of(g->bytes, g->len) : STR_LIT("");
}

void mime_addresses_init(struct mime_addresses *a, struct str value, struct arena *arena)
{
	*a = (struct mime_addresses){ .rest = value, .arena = arena };
}

static bool take_word(struct mime_addresses *a, struct str *ret)
{
	return mime_quoted(&a->rest, a->arena, ret) ||
	       mime_atom(&a->rest, MIME_ATOM_STOPS, ret);
}

/* What may begin an address ends at one of these; anything else alone is rubbish. */
static bool at_delimiter(struct str rest)
{
	const struct str delimiters = STR("<>@,:;");

	return !rest.len || str_index(delimiters, rest.ptr[0]) < delimiters.len;
}

/* Words up to a delimiter. What follows decides what they were: a display name ("A. B.
   Smith <"), or a local part ("dora . d @"), in which white space around a dot is none
   (RFC 5322, 4.4). */
struct phrase {
	struct gather name, local;
};

static struct phrase take_phrase(struct mime_addresses *a, struct str *comment)
{
	struct phrase p = { .name.arena = a->arena, .local.arena = a->arena };
	struct str word;
	bool after_dot = true;

	for (;;) {
		size_t before = a->rest.len;
		bool spaced, dot;

		mime_skip_space(&a->rest, comment);
		spaced = a->rest.len < before && p.name.words;
		if (at_delimiter(a->rest))
			return p;
		dot = a->rest.ptr[0] == '.';
		if (!take_word(a, &word)) { /* "." "[" ")" … */
			word = str_take(a->rest, 1);
			a->rest = str_skip(a->rest, 1);
		}
		if (spaced)
			put(&p.name, STR_LIT(" "));
		if (spaced && !dot && !after_dot)
			put(&p.local, STR_LIT(" "));
		put(&p.name, word);
		put(&p.local, word);
		p.name.words++;
		after_dot = dot;
	}
}

#define LITERAL_MAX 256 /* a name's length; and no search to the end for each "[" */

/* "[IPv6:2001:db8::1]" with its brackets (RFC 5322, 3.4.1 domain-literal); delimiters
   inside are none. */
static bool take_literal(struct str *rest, struct str *ret)
{
	struct str near = str_take(*rest, LITERAL_MAX);
	size_t n = str_index(near, ']');

	if (!rest->len || rest->ptr[0] != '[' || n == near.len)
		return false;
	*ret = str_take(*rest, n + 1);
	*rest = str_skip(*rest, n + 1);
	return true;
}

/* White space may stand around the dots only: two atoms side by side are not one, and
   what follows the first belongs to another address. */
static struct str take_domain(struct mime_addresses *a, struct str *comment)
{
	struct gather g = { .arena = a->arena };
	struct str word;
	bool after_dot = true;

	for (;;) {
		mime_skip_space(&a->rest, comment);
		if (at_delimiter(a->rest) || (!after_dot && a->rest.ptr[0] != '.'))
			return gathered(&g);
		if (!take_literal(&a->rest, &word) &&
			!mime_atom(&a->rest, STR_LIT("()<>@,:;\""), &word)) {
			word = str_take(a->rest, 1);
			a->rest = str_skip(a->rest, 1);
		}
		put(&g, word);
		after_dot = word.ptr[word.len - 1] == '.';
	}
}

/* "@a,@b:" before an address in angle brackets (RFC 5322, 4.4). */
static struct str take_route(struct mime_addresses *a)
{
	struct gather g = { .arena = a->arena };

	for (;;) {
		mime_skip_space(&a->rest, NULL);
		if (mime_take(&a->rest, '@')) {
			put(&g, g.len ? STR_LIT(",@") : STR_LIT("@"));
			put(&g, take_domain(a, NULL));
		} else if (!g.len || !mime_take(&a->rest, ',')) {
			break;
		}
	}
	(void)mime_take(&a->rest, ':');
	return g.len ? gathered(&g) : (struct str){ 0 };
}

static struct str take_local_part(struct mime_addresses *a)
{
	struct gather g = { .arena = a->arena };
	struct str word;

	for (;;) {
		mime_skip_space(&a->rest, NULL);
		if (!a->rest.len || a->rest.ptr[0] == '@' || a->rest.ptr[0] == '>')
			return gathered(&g);
		if (!take_word(a, &word)) {
			word = str_take(a->rest, 1);
			a->rest = str_skip(a->rest, 1);
		}
		put(&g, word);
	}
}

static void take_angle_address(struct mime_addresses *a, struct mime_address *ret)
{
	while (mime_take(&a->rest, '<')) /* some write "<<a@b>>" */
		;
	ret->route = take_route(a);
	ret->mailbox = take_local_part(a);
	ret->host = STR_LIT("");
	if (mime_take(&a->rest, '@'))
		ret->host = take_domain(a, NULL);
	/* nothing but ">" may follow: step over what does */
	a->rest = str_skip(a->rest, str_index(a->rest, '>') < a->rest.len
					    ? str_index(a->rest, '>') + 1
					    : a->rest.len);
}

static void skip_to_next(struct mime_addresses *a, struct str *comment)
{
	for (;;) {
		mime_skip_space(&a->rest, comment);
		if (!a->rest.len || a->rest.ptr[0] == ';' || mime_take(&a->rest, ','))
			return;
		a->rest = str_skip(a->rest, 1);
	}
}

static struct str comment_or_none(struct str s, struct arena *arena)
{
	struct str clean =
		s.ptr ? mime_unfold(mime_comment_text(s, arena), arena, s.len) : s;

	return clean.len ? clean : (struct str){ 0 };
}

/* One address, its phrase already read. An empty display name is none: clients show the
   address only then. */
static void finish_address(struct mime_addresses *a, const struct phrase *phrase,
	struct str comment, struct mime_address *ret)
{
	struct str name = gathered(&phrase->name);

	*ret = (struct mime_address){ .kind = MIME_ADDRESS, .host = STR_LIT("") };
	if (mime_take(&a->rest, '<')) {
		ret->name = str_trim(name).len ? name : (struct str){ 0 };
		take_angle_address(a, ret);
	} else {
		ret->mailbox = name;
		if (mime_take(&a->rest, '@')) {
			ret->mailbox = gathered(&phrase->local);
			ret->host = take_domain(a, &comment);
		}
	}
	skip_to_next(a, &comment);
	if (!ret->name.ptr)
		ret->name = comment_or_none(comment, a->arena);
}

/* What separates addresses: true when it was the end of a group. */
static bool skip_separators(struct mime_addresses *a)
{
	for (;;) {
		mime_skip_space(&a->rest, NULL);
		if (mime_take(&a->rest, ';') && a->in_group)
			return true;
		if (!a->rest.len)
			return false;
		if (a->rest.ptr[0] != ',' && a->rest.ptr[0] != ';' &&
			a->rest.ptr[0] != '>' && a->rest.ptr[0] != ':')
			return false;
		if (a->rest.ptr[0] != ';')
			a->rest = str_skip(a->rest, 1);
	}
}

bool mime_next_address(struct mime_addresses *a, struct mime_address *ret)
{
	struct str comment = { 0 };
	struct phrase phrase;
	bool ends = skip_separators(a);

	if (ends || (!a->rest.len && a->in_group)) {
		a->in_group = false;
		*ret = (struct mime_address){ .kind = MIME_GROUP_END };
		return true;
	}
	if (!a->rest.len)
		return false;
	phrase = take_phrase(a, &comment);
	if (!a->in_group && mime_take(&a->rest, ':')) {
		a->in_group = true;
		*ret = (struct mime_address){ .kind = MIME_GROUP_START,
			.mailbox = gathered(&phrase.name) };
		return true;
	}
	finish_address(a, &phrase, comment, ret);
	return true;
}
