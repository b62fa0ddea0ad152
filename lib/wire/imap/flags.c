/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/flags.h"

#include <string.h>

static const struct system_flag {
	struct str name;
	enum imap_flag bit;
} system_flags[] = {
	{ STR("\\Answered"), IMAP_FLAG_ANSWERED },
	{ STR("\\Flagged"), IMAP_FLAG_FLAGGED },
	{ STR("\\Deleted"), IMAP_FLAG_DELETED },
	{ STR("\\Seen"), IMAP_FLAG_SEEN },
	{ STR("\\Draft"), IMAP_FLAG_DRAFT },
	{ STR("\\Recent"), IMAP_FLAG_RECENT },
};
#define N_SYSTEM_FLAGS (sizeof(system_flags) / sizeof(system_flags[0]))

struct words {
	struct str at[IMAP_KEYWORDS_MAX];
	size_t count;
};

static unsigned system_bit(struct str word)
{
	for (size_t i = 0; i < N_SYSTEM_FLAGS; i++)
		if (str_ieq(word, system_flags[i].name))
			return system_flags[i].bit;
	return 0;
}

/* Where it is, or would be: they are sorted. A client may send a thousand for each of a
   thousand messages. */
static size_t words_place(const struct words *w, struct str word)
{
	size_t low = 0, high = w->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (str_cmp(w->at[middle], word) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool words_add(struct words *w, struct str word)
{
	size_t i = words_place(w, word);

	if (i < w->count && str_eq(w->at[i], word))
		return true;
	if (w->count == IMAP_KEYWORDS_MAX)
		return false;
	memmove(&w->at[i + 1], &w->at[i], (w->count - i) * sizeof(w->at[0]));
	w->at[i] = word;
	w->count++;
	return true;
}

static struct str words_join(const struct words *w, struct arena *arena)
{
	size_t len = 0, at = 0;
	char *copy;

	for (size_t i = 0; i < w->count; i++)
		len += w->at[i].len + 1;
	copy = arena_alloc(arena, len + 1);
	if (!copy)
		return (struct str){ 0 };
	for (size_t i = 0; i < w->count; i++) {
		if (i)
			copy[at++] = ' ';
		memcpy(copy + at, w->at[i].ptr, w->at[i].len);
		at += w->at[i].len;
	}
	return str_of(copy, at);
}

static bool flag_word(struct imap_cursor *c, struct str *ret)
{
	struct imap_cursor at = *c;
	struct str word;
	bool system = imap_char(&at, '\\');

	if (system && imap_char(&at, '*')) {
		*ret = STR_LIT("");
		*c = at;
		return true;
	}
	if (!imap_atom(&at, &word))
		return false;
	*ret = system ? str_of(word.ptr - 1, word.len + 1) : word;
	*c = at;
	return true;
}

bool imap_bare_flags(struct imap_cursor *c, struct arena *arena, unsigned *ret_bits,
	struct str *ret_keywords)
{
	struct imap_cursor at = *c;
	struct words words; /* 16 KiB: not zeroed for each message of a listing */
	unsigned bits = 0;
	struct str word;

	words.count = 0;
	do {
		unsigned bit;

		if (!flag_word(&at, &word))
			return false;
		bit = system_bit(word);
		if (!bit && word.len && !words_add(&words, word))
			return false;
		bits |= bit;
	} while (imap_space(&at));
	word = words_join(&words, arena);
	if (!word.ptr)
		return false;
	*ret_keywords = word;
	*ret_bits = bits;
	*c = at;
	return true;
}

bool imap_flags(struct imap_cursor *c, struct arena *arena, unsigned *ret_bits,
	struct str *ret_keywords)
{
	struct imap_cursor at = *c;
	struct str keywords;
	unsigned bits;

	if (!imap_char(&at, '('))
		return false;
	if (imap_char(&at, ')')) {
		*ret_bits = 0;
		*ret_keywords = STR_LIT("");
		*c = at;
		return true;
	}
	if (!imap_bare_flags(&at, arena, &bits, &keywords) || !imap_char(&at, ')'))
		return false;
	*ret_bits = bits;
	*ret_keywords = keywords;
	*c = at;
	return true;
}

int imap_put_flags(struct buf *out, unsigned bits, struct str keywords)
{
	struct str gap = STR("");
	int r = 0;

	for (size_t i = 0; i < N_SYSTEM_FLAGS && r == 0; i++) {
		if (!(bits & system_flags[i].bit))
			continue;
		r = buf_append(out, gap);
		if (r == 0)
			r = buf_append(out, system_flags[i].name);
		gap = STR_LIT(" ");
	}
	if (r == 0 && keywords.len)
		r = buf_append(out, gap);
	return r < 0 ? r : buf_append(out, keywords);
}

bool imap_keywords_has(struct str have, struct str word)
{
	while (have.len)
		if (str_eq(str_split(&have, ' '), word))
			return true;
	return false;
}

struct str imap_keywords_add(struct arena *arena, struct str have, struct str more)
{
	struct words words;

	words.count = 0;
	while (have.len)
		if (!words_add(&words, str_split(&have, ' ')))
			return (struct str){ 0 };
	while (more.len)
		if (!words_add(&words, str_split(&more, ' ')))
			return (struct str){ 0 };
	return words_join(&words, arena);
}

struct str imap_keywords_remove(struct arena *arena, struct str have, struct str less)
{
	struct words words, gone;

	words.count = gone.count = 0;
	while (less.len)
		if (!words_add(&gone, str_split(&less, ' ')))
			return (struct str){ 0 };
	while (have.len) {
		struct str word = str_split(&have, ' ');
		size_t at = words_place(&gone, word);

		if (at < gone.count && str_eq(gone.at[at], word))
			continue;
		if (!words_add(&words, word))
			return (struct str){ 0 };
	}
	return words_join(&words, arena);
}
