/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_MASTERS_H
#define REGISTRY_MASTERS_H
/*
 * Master users of the source: by the password of one, its mailboxes can be copied before
 * their users log in.
 *
 * They have a table of their own, beside that of the passwords (passwords.h): nothing
 * that judges a login here reads it, so such a password opens no mailbox here, and it is
 * never proven. An account that was copied by a master user waits for a password of its
 * own.
 *
 *     registry_put_master() ─► a row for each master user, sealed for it alone
 *     registry_use_master() ─► that account is copied by it
 *     EVENT_ARRIVE ──────────► it is not any more; a row that no account uses is erased
 */
#include "registry/passwords.h"

struct master {
	int64_t id;
	/* As the source knows it: "admin"; or, of one that stands behind the user's name,
	   with what stands between: "*admin". */
	struct str login;
	bool is_suffix;
	struct str sealed;
};

/* -ENOENT: there is none. Strings are copied into arena. */
int registry_find_master(struct registry *r, struct str login, bool is_suffix,
	struct arena *arena, struct master *ret, struct error *err);
/* The one that the account is copied by; -ENOENT: by none. */
int registry_account_master(struct registry *r, int64_t account, struct arena *arena,
	struct master *ret, struct error *err);

/* With another password, or new. master->id is not read. */
int registry_put_master(struct registry *r, const struct master *master, int64_t *ret_id,
	struct error *err);
#define MASTER_TRY_MOST_MS 3600000u
/* The source has refused it, asked for that account's mailbox, or has let it in. After a
   refusal nobody logs in by it for a while, longer with each in a row: 5,000 accounts
   that go on would have our address banned. Another password ends that. Those
   that were on their way count as one. */
int registry_master_refused(struct registry *r, int64_t account, struct error *err);
int registry_master_taken(struct registry *r, int64_t account, struct error *err);
/* Once at once: the admin says so. */
int registry_try_master(struct registry *r, int64_t account, struct error *err);

struct refused_master {
	struct str login;
	struct str refused_for; /* the account of the last refusal; "": it is gone */
	uint64_t refusals;      /* in a row */
	uint64_t next_try_at;
	uint64_t accounts; /* that wait for it */
};
/* Anything but 0 ends, and is returned. */
typedef int registry_refused_master_fn(void *context, const struct refused_master *m);
int registry_each_refused_master(struct registry *r, registry_refused_master_fn *each,
	void *context, struct error *err);

/* No other password than a master user's is worth a try. Pure. */
bool account_needs_master(const struct account *a);

/* That account is copied by that master user from now on; it becomes due, as
   registry_learn() has it. Nothing of one that lives here or is pinned to the source. */
int registry_use_master(struct registry *r, int64_t account, int64_t master,
	bool *ret_became_due, struct error *err);

/* How large the account is at the source, as the admin says: for the order in which
   accounts move. */
int registry_set_size(
	struct registry *r, int64_t account, uint64_t bytes, struct error *err);

/* A line in the journal (event "copy-dropped", by "transfer"): what was copied by the
   master user was not the user's. */
int registry_note_copy_dropped(
	struct registry *r, int64_t account, struct str why, struct error *err);

#endif
