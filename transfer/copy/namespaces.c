/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/copy/namespaces.h"

#include <errno.h>

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

int namespaces_each(struct str text, namespace_fn *each, void *context)
{
	struct namespaces n = { 0 };
	size_t len;
	char prefix[NAMESPACE_PREFIX_MAX];
	int r = 0;

	while (r == 0 && text.len && n.group < NAMESPACE_KINDS) {
		if (*text.ptr != '"') {
			if (!step(&n, &text))
				return -EPROTO;
			continue;
		}
		if (!take_quoted(&text, prefix, sizeof(prefix), &len))
			return -EPROTO;
		if (n.at_prefix)
			r = each(context, (enum namespace_kind)n.group,
				str_of(prefix, len));
		n.at_prefix = false;
	}
	return r || n.group == NAMESPACE_KINDS ? r : -EPROTO;
}

struct longest {
	struct str name;
	size_t len[NAMESPACE_KINDS]; /* of the longest prefix, and one more; 0: none */
};

static int compare(void *context, enum namespace_kind kind, struct str prefix)
{
	struct longest *l = context;

	if (str_starts(l->name, prefix) && prefix.len >= l->len[kind])
		l->len[kind] = prefix.len + 1;
	return 0;
}

enum namespace_kind namespaces_kind(struct str text, struct str name)
{
	struct longest l = { .name = name };
	size_t *len = l.len;

	if (namespaces_each(text, compare, &l) < 0)
		return NAMESPACE_UNKNOWN;
	if ((len[NAMESPACE_OWN] > len[NAMESPACE_OTHERS] &&
		    len[NAMESPACE_OWN] > len[NAMESPACE_SHARED]) ||
		str_ieq(name, STR_LIT("INBOX")))
		return NAMESPACE_OWN;
	if (!len[NAMESPACE_OTHERS] && !len[NAMESPACE_SHARED])
		return NAMESPACE_UNKNOWN;
	return len[NAMESPACE_OTHERS] >= len[NAMESPACE_SHARED] ? NAMESPACE_OTHERS
	                                                      : NAMESPACE_SHARED;
}

bool namespaces_has_own(struct str text, struct str name)
{
	return namespaces_kind(text, name) == NAMESPACE_OWN;
}

bool namespaces_is_of_others(struct str text, struct str name)
{
	struct longest l = { .name = name };
	const size_t *len = l.len;

	return namespaces_each(text, compare, &l) == 0 &&
	       !str_ieq(name, STR_LIT("INBOX")) &&
	       (len[NAMESPACE_OTHERS] > len[NAMESPACE_OWN] ||
		       len[NAMESPACE_SHARED] > len[NAMESPACE_OWN]);
}

struct first_own {
	char *room;
	size_t len;
};

/* Of two, which Cyrus has with altnamespace, the first one. */
static int take_first(void *context, enum namespace_kind kind, struct str prefix)
{
	struct first_own *f = context;

	if (kind != NAMESPACE_OWN)
		return 1;
	for (size_t i = 0; i < prefix.len; i++)
		f->room[i] = prefix.ptr[i];
	f->len = prefix.len;
	return 1;
}

struct str namespaces_own_prefix(struct str text, char room[static NAMESPACE_PREFIX_MAX])
{
	struct first_own f = { .room = room };

	(void)namespaces_each(text, take_first, &f);
	return str_of(room, f.len);
}
