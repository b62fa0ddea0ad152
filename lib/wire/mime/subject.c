/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/subject.h"

/* ── the base subject ──────────────────────────────────────────────────────────────── */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Step 1: tabs and folds are spaces, several are one. */
static struct str join_spaces(struct buf *text)
{
	char *bytes = text->data + text->start;
	size_t len = buf_len(text), out = 0;

	for (size_t i = 0; i < len; i++) {
		char c = is_space(bytes[i]) ? ' ' : bytes[i];

		if (c != ' ' || !out || bytes[out - 1] != ' ')
			bytes[out++] = c;
	}
	return str_of(bytes, out);
}

static bool take_spaces(struct str *s)
{
	bool some = s->len && s->ptr[0] == ' ';

	while (s->len && s->ptr[0] == ' ')
		*s = str_skip(*s, 1);
	return some;
}

static bool drop_end(struct str *s, struct str end)
{
	if (s->len < end.len || !str_ieq(str_skip(*s, s->len - end.len), end))
		return false;
	s->len -= end.len;
	return true;
}

/* Step 2: subj-trailer. */
static void drop_trailers(struct str *s, bool *reply)
{
	bool again = true;

	while (again) {
		again = drop_end(s, STR_LIT(" "));
		if (drop_end(s, STR_LIT("(fwd)")))
			again = *reply = true;
	}
}

/* subj-blob: "[list] ". */
static bool take_blob(struct str *s)
{
	struct str at = *s;
	size_t n = 1;

	if (!at.len || at.ptr[0] != '[')
		return false;
	while (n < at.len && at.ptr[n] != '[' && at.ptr[n] != ']')
		n++;
	if (n == at.len || at.ptr[n] != ']')
		return false;
	*s = str_skip(at, n + 1);
	(void)take_spaces(s);
	return true;
}

/* subj-refwd: "Re [2]: ". */
static bool take_refwd(struct str *s)
{
	static const struct str words[] = { STR("fwd"), STR("re"), STR("fw") };
	struct str at = *s;

	while (take_blob(&at))
		;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct str rest = str_skip(at, words[i].len);

		if (!str_istarts(at, words[i]))
			continue;
		(void)take_spaces(&rest);
		(void)take_blob(&rest);
		if (!rest.len || rest.ptr[0] != ':')
			continue;
		*s = str_skip(rest, 1);
		return true;
	}
	return false;
}

/* Steps 3 to 5. Behind blobs that no subj-refwd follows none follows when there is one
   less: they are not tried again one by one, or 64 KiB of "[a]" take seconds. */
static void drop_leaders(struct str *s, bool *reply)
{
	struct str without;

	(void)take_spaces(s);
	while (take_refwd(s)) {
		*reply = true;
		(void)take_spaces(s);
	}
	for (without = *s; take_blob(&without) && without.len;)
		*s = without;
}

struct str mime_base_subject(struct buf *utf8, bool *ret_reply)
{
	struct str s = buf_len(utf8) ? join_spaces(utf8) : STR_LIT("");
	const struct str forward = STR("[fwd:");

	*ret_reply = false;
	for (;;) {
		drop_trailers(&s, ret_reply);
		drop_leaders(&s, ret_reply);
		if (!str_istarts(s, forward) || s.ptr[s.len - 1] != ']') /* step 6 */
			return s;
		s = str_of(s.ptr + forward.len, s.len - forward.len - 1);
		*ret_reply = true;
	}
}

/* ── message-ids ───────────────────────────────────────────────────────────────────── */

static bool is_dropped(char c)
{
	return is_space(c) || c == '"' || c == '\\';
}

/* RFC 5256, 3: <"a"@b> is <a@b>. */
static struct str normal_id(struct str id, struct arena *arena)
{
	size_t out = 0;
	char *copy;
	bool clean = true;

	for (size_t i = 0; i < id.len; i++)
		clean &= !is_dropped(id.ptr[i]);
	if (clean)
		return id;
	copy = arena_alloc(arena, id.len);
	if (!copy)
		return (struct str){ 0 };
	for (size_t i = 0; i < id.len; i++)
		if (!is_dropped(id.ptr[i]))
			copy[out++] = id.ptr[i];
	return str_of(copy, out);
}

bool mime_next_message_id(struct str *value, struct arena *arena, struct str *ret)
{
	for (;;) {
		struct str id = str_skip(*value, str_index(*value, '<') + 1);
		size_t end = str_index(id, '>');
		size_t again = str_index(str_take(id, end), '<');

		if (end == id.len) {
			*value = STR_LIT("");
			return false;
		}
		if (again < end) { /* "<broken <a@b>" */
			*value = str_skip(id, again);
			continue;
		}
		*value = str_skip(id, end + 1);
		id = normal_id(str_take(id, end), arena);
		if (id.ptr && str_index(id, '@') < id.len) {
			*ret = id;
			return true;
		}
	}
}
