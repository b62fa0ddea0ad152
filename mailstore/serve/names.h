/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_NAMES_H
#define MAILSTORE_SERVE_NAMES_H
/* The mailboxes of the account as the tree that their names make. */
#include "mailstore/store/store.h"

/* Where the user's own mailboxes lie, as the source said it (the transfer's checkpoint
   "namespace": its answer after "* NAMESPACE "), else as the mailboxes look. */
struct name_space {
	struct str answer; /* for NAMESPACE; ptr NULL: make one of the rest */
	struct str prefix; /* "" or "INBOX." */
	char separator;
};
#define NAMESPACE_CHECKPOINT STR_LIT("namespace")

int names_space(struct store *store, struct arena *arena, struct name_space *ret,
	struct error *err);

struct node {
	struct str name;
	const struct mailbox *mailbox; /* NULL: a name above others, or only subscribed */
	bool subscribed;
	char separator;
};

/* All mailboxes, subscriptions and the names above them, sorted, INBOX first. */
struct names {
	struct node *nodes;
	size_t count, cap;
	struct arena *arena;
	char separator;            /* where a mailbox has none of its own */
	const struct node **by_id; /* of mailboxes: for who has use for it (notify.c) */
	size_t n_by_id;
};

int names_load(
	struct store *store, struct arena *arena, struct names *ret, struct error *err);

/* Its index; count: there is none of that name. */
size_t names_find(const struct names *n, struct str name);
/* The nodes below nodes[index] are those from *ret_first on that begin with its name and
   the separator. */
size_t names_first_below(const struct names *n, size_t index);
bool names_is_below(const struct names *n, size_t index, size_t candidate);
bool names_has_children(const struct names *n, size_t index);

#endif
