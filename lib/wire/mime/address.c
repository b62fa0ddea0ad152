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

/* Words up to a delimiter: a display name ("A. B. Smith"), or a local part, whose words
   are joined as they stand. */
static struct gather take_phrase(struct mime_addresses *a, struct str *comment)
{
	struct gather g = { .arena = a->arena };
	struct str word;
	bool spaced = false;

	for (;;) {
		size_t before = a->rest.len;

		mime_skip_space(&a->rest, comment);
		spaced = a->rest.len < before;
		if (at_delimiter(a->rest))
			return g;
		if (!take_word(a, &word)) { /* "." "[" ")" … */
			word = str_take(a->rest, 1);
			a->rest = str_skip(a->rest, 1);
		}
		if (spaced && g.words)
			put(&g, STR_LIT(" "));
		put(&g, word);
		g.words++;
	}
}

static struct str take_domain(struct mime_addresses *a, struct str *comment)
{
	struct gather g = { .arena = a->arena };
	struct str word;

	for (;;) {
		mime_skip_space(&a->rest, comment);
		if (at_delimiter(a->rest))
			return gathered(&g);
		if (!mime_atom(&a->rest, STR_LIT("()<>@,:;\""), &word)) {
			word = str_take(a->rest, 1);
			a->rest = str_skip(a->rest, 1);
		}
		put(&g, word);
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

static struct str unfolded_or_none(struct str s, struct arena *arena)
{
	struct str clean = s.ptr ? mime_unfold(s, arena, s.len) : s;

	return clean.len ? clean : (struct str){ 0 };
}

/* One address, its phrase already read. */
static void finish_address(struct mime_addresses *a, const struct gather *phrase,
	struct str comment, struct mime_address *ret)
{
	struct str words = gathered(phrase);

	*ret = (struct mime_address){ .kind = MIME_ADDRESS, .host = STR_LIT("") };
	if (mime_take(&a->rest, '<')) {
		ret->name = phrase->words ? words : (struct str){ 0 };
		take_angle_address(a, ret);
	} else {
		ret->mailbox = words;
		if (mime_take(&a->rest, '@'))
			ret->host = take_domain(a, &comment);
	}
	skip_to_next(a, &comment);
	if (!ret->name.ptr)
		ret->name = unfolded_or_none(comment, a->arena);
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
	struct gather phrase;
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
			.mailbox = gathered(&phrase) };
		return true;
	}
	finish_address(a, &phrase, comment, ret);
	return true;
}
