/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What folders are called there. At the source as here. A destination has a separator of
   its own and may keep all folders below a prefix ("INBOX."), which the source may do as
   well: names are put together anew from what lies between the separators. */
#include "transfer/back/carry_parts.h"

#include <errno.h>
#include <string.h>

#define INBOX STR_LIT("INBOX")
#define REPLACEMENT '_'            /* for a separator of theirs in a name here */
#define NAMESPACE_NOTE "namespace" /* transfer/copy/sync.c */

/* Other name spaces may have another one than the user's own. */
static char separator_there(const struct carry *c)
{
	const struct folder *inbox = folders_find(&c->folders, INBOX);

	if (inbox && inbox->separator)
		return inbox->separator;
	for (size_t i = 0; i < c->folders.count; i++)
		if (c->folders.at[i].separator)
			return c->folders.at[i].separator;
	return '\0';
}

/* The source's prefix goes: "INBOX." of Courier, "" of most. */
static int without_prefix(struct carry *c, struct str *name)
{
	char prefix[NAMESPACE_PREFIX_MAX];
	struct str said, own;
	int r = store_checkpoint(
		c->store, STR_LIT(NAMESPACE_NOTE), &c->arena, &said, c->err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	own = namespaces_own_prefix(said, prefix);
	if (own.len && name->len > own.len && str_istarts(*name, own))
		*name = str_skip(*name, own.len);
	return 0;
}

static struct str put_together(
	struct carry *c, struct str prefix, struct str name, char separator)
{
	char theirs = separator_there(c);
	char *at = arena_alloc(&c->arena, prefix.len + name.len + 1);

	if (!at)
		return (struct str){ 0 };
	if (prefix.len)
		memcpy(at, prefix.ptr, prefix.len);
	for (size_t i = 0; i < name.len; i++) {
		char is = name.ptr[i];

		if (separator && is == separator)
			is = theirs ? theirs : REPLACEMENT;
		else if (theirs && is == theirs)
			is = REPLACEMENT;
		at[prefix.len + i] = is;
	}
	return str_of(at, prefix.len + name.len);
}

static struct str name_anew(struct carry *c, struct str name, char separator)
{
	struct str prefix = str_of(c->prefix, c->prefix_len);

	if (without_prefix(c, &name) < 0)
		return (struct str){ 0 };
	/* "INBOX/x" where everything lies below INBOX there */
	if (separator && name.len > INBOX.len + 1 && str_istarts(name, INBOX) &&
		name.ptr[INBOX.len] == separator && str_istarts(prefix, INBOX))
		name = str_skip(name, INBOX.len + 1);
	return put_together(c, prefix, name, separator);
}

/* A Maildir has the source's names; what its user has made there may be without the
   source's prefix. */
struct str carry_name_there(struct carry *c, struct str name, char separator)
{
	struct str anew;

	if (carry_side(c) == SIDE_SOURCE)
		return name;
	if (str_ieq(name, INBOX))
		return INBOX;
	if (c->keeps_names && folders_find(&c->folders, name))
		return name;
	anew = name_anew(c, name, separator);
	return !c->keeps_names || !anew.ptr || folders_find(&c->folders, anew) ? anew
	                                                                       : name;
}

/* The separator and the prefix of here. */
struct str carry_name_here(struct carry *c, struct str name, char *ret_separator)
{
	struct str said, own = STR_LIT(""), prefix = str_of(c->prefix, c->prefix_len);
	char room[NAMESPACE_PREFIX_MAX], theirs = separator_there(c), ours = '\0';
	char *at;
	int r = store_checkpoint(
		c->store, STR_LIT(NAMESPACE_NOTE), &c->arena, &said, c->err);

	if (r < 0 && r != -ENOENT)
		return (struct str){ 0 };
	if (r == 0)
		own = namespaces_own_prefix(said, room);
	if (c->keeps_names && str_istarts(name, own))
		own = STR_LIT("");
	for (size_t i = 0; !ours && i < c->n_boxes; i++)
		ours = c->boxes[i].separator;
	if (prefix.len && name.len > prefix.len && str_istarts(name, prefix))
		name = str_skip(name, prefix.len);
	at = arena_alloc(&c->arena, own.len + name.len + 1);
	if (!at)
		return (struct str){ 0 };
	if (own.len)
		memcpy(at, own.ptr, own.len);
	for (size_t i = 0; i < name.len; i++)
		at[own.len + i] = theirs && name.ptr[i] == theirs
		                          ? (ours ? ours : REPLACEMENT)
		                  : ours && name.ptr[i] == ours ? REPLACEMENT
		                                                : name.ptr[i];
	*ret_separator = ours;
	return str_of(at, own.len + name.len);
}

/* Of late mail both go there: the switch would not have been made. */
static int refuse_double(struct carry *c, const struct carry_box *b)
{
	for (const struct carry_box *a = c->boxes; a < b && c->way == CARRY_ON; a++)
		if (str_eq(a->name_there, b->name_there))
			return error_set(c->err, -EREMOTEIO,
				"\"%.*s\" and \"%.*s\" would both be \"%.*s\" at the "
				"destination; rename one of them",
				STR_ARG(a->name), STR_ARG(b->name),
				STR_ARG(b->name_there));
	return 0;
}

/* Late mail whose folder is not there by that name: a destination that is a Maildir has
   the source's names as they are ("INBOX.x"), and else its user has renamed or removed
   it. */
static void fall_back(struct carry *c, struct carry_box *b)
{
	const struct str names[] = { b->name, INBOX };

	for (size_t i = 0; i < 2 && c->way == CARRY_LATE &&
			   !(b->there && folder_is_selectable(b->there));
		i++) {
		b->name_there = names[i];
		b->there = folders_find(&c->folders, names[i]);
	}
}

int carry_names_there(struct carry *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_boxes; i++) {
		struct carry_box *b = &c->boxes[i];

		b->name_there = carry_name_there(c, b->name, b->separator);
		if (!b->name_there.ptr)
			return carry_no_memory(c);
		r = refuse_double(c, b);
		b->there = folders_find(&c->folders, b->name_there);
		fall_back(c, b);
	}
	return r;
}
