/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/copy/namespaces.h"

#define NAMESPACES 3 /* the user's own, other users', shared */

/* A quoted string; false: it has no end. */
static bool take_quoted(struct str *text, char *ret, size_t size, size_t *ret_len)
{
	size_t i = 1, n = 0;

	for (; i < text->len && text->ptr[i] != '"' && n < size; i++) {
		if (text->ptr[i] == '\\' && i + 1 < text->len)
			i++;
		ret[n++] = text->ptr[i];
	}
	if (i >= text->len || text->ptr[i] != '"')
		return false;
	*text = str_skip(*text, i + 1);
	*ret_len = n;
	return true;
}

struct namespaces {
	int group, depth;
	bool at_prefix; /* the next string is one */
};

/* One step over it that is no string; false: it is not understood. */
static bool step(struct namespaces *n, struct str *text)
{
	char c = *text->ptr;

	if (c == '(') {
		n->at_prefix = ++n->depth == 2;
	} else if (c == ')') {
		n->group += --n->depth == 0;
	} else if (str_istarts(*text, STR_LIT("NIL"))) {
		n->group += n->depth == 0;
		*text = str_skip(*text, 3);
		return true;
	} else if (c != ' ') {
		return false;
	}
	*text = str_skip(*text, 1);
	return n->depth >= 0 && n->depth <= 3;
}

/* The longest prefix says whose it is: Cyrus has "INBOX." beside a shared "". */
bool namespaces_has_own(struct str text, struct str name)
{
	struct namespaces n = { 0 };
	size_t len, own = 0, others = 0; /* of the longest ones, and one more; 0: none */
	char prefix[NAMESPACE_PREFIX_MAX];

	while (text.len && n.group < NAMESPACES) {
		if (*text.ptr != '"') {
			if (!step(&n, &text))
				return false;
			continue;
		}
		if (!take_quoted(&text, prefix, sizeof(prefix), &len))
			return false;
		if (n.at_prefix && str_starts(name, str_of(prefix, len))) {
			size_t *longest = n.group ? &others : &own;

			*longest = len >= *longest ? len + 1 : *longest;
		}
		n.at_prefix = false;
	}
	return n.group == NAMESPACES && (own > others || str_ieq(name, STR_LIT("INBOX")));
}

/* Of two, which Cyrus has with altnamespace, the first one. */
struct str namespaces_own_prefix(struct str text, char room[static NAMESPACE_PREFIX_MAX])
{
	struct namespaces n = { 0 };
	size_t len;

	while (text.len && n.group == 0) {
		if (*text.ptr != '"') {
			if (!step(&n, &text))
				break;
			continue;
		}
		if (!take_quoted(&text, room, NAMESPACE_PREFIX_MAX, &len))
			break;
		if (n.at_prefix)
			return str_of(room, len);
	}
	return STR_LIT("");
}
