/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_QUOTA_H
#define MAILSTORE_STORE_QUOTA_H
/* How much an account may hold. What a move or the sweep brings is never held back by it;
   what then comes of the user's own, and new mail, is. Mail
   that is staged does not count yet: what is on its way in may pass it together. */
#include "mailstore/store/store.h"

struct quota { /* 0: no limit */
	uint64_t bytes, messages;
};

/* The account's own, or `usual` where it has none. */
int quota_of(
	struct store *s, const struct quota *usual, struct quota *ret, struct error *err);
/* -EDQUOT with the sentence when that much more would be too much; -EMSGSIZE when one
   message of so many bytes would be even in an empty account. Inside a transaction what
   it has added counts. */
int quota_check(struct store *s, const struct quota *usual, uint64_t bytes,
	uint64_t messages, struct error *err);

/* Thresholds in per cent, ascending. */
#define QUOTA_WARNINGS_MAX 4
struct quota_warnings {
	uint8_t percents[QUOTA_WARNINGS_MAX];
	size_t n;
};
struct quota_use;
/* How full, by bytes or messages, whichever is more; 0: without a limit. */
unsigned quota_percent(const struct quota_use *use);
/* Which threshold is to be told of: the highest that is reached, unless it or a higher
   one was told since the account was last clearly below (QUOTA_SLACK). 0: none. Not in a
   transaction. */
#define QUOTA_SLACK 5 /* per cent; one message less and one more is no news */
int quota_warning_due(struct store *s, const struct quota *usual,
	const struct quota_warnings *warnings, struct quota_use *ret_use,
	unsigned *ret_percent, struct error *err);
/* It is told of. In a transaction. */
int quota_told(struct store *s, unsigned percent, struct error *err);

/* For commands, while the account's process goes on. */
struct quota_use {
	uint64_t bytes, messages; /* that are here */
	bool is_own;
	struct quota quota;
};
int quota_look(const char *folder, const struct quota *usual, struct quota_use *ret,
	struct error *err);
/* own NULL: the usual one again. */
int quota_set(const char *folder, const struct quota *own, struct error *err);

#endif
