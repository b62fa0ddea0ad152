/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_PASSWORDS_H
#define REGISTRY_PASSWORDS_H
/*
 * The passwords of an account: rows that this library only keeps. What is sealed is
 * opened elsewhere.
 *
 *   candidate   the source took it from a client: sealed, without a verifier. It opens
 *               nothing here. The transfer tries them.
 *   proven      the transfer's own login with it succeeded: sealed, for the sweep and the
 *               way back, and a verifier: it opens the mailbox here. An account may have
 *               several (app passwords).
 *   local       set here by `mailferry passwd`: a verifier only, one at most
 *
 *     registry_add_candidate() ─► candidate ── registry_prove() ─► proven
 *                                    ▲  ▲                            │
 *                                    │  └── each new attempt ────────┤
 *       tried last from then on ◄────┴───── registry_refuse() ◄──────┘
 *
 * A transfer proves in each of its attempts again: EVENT_COPY makes candidates of all
 * (the source may have another password by now), so does EVENT_RETURN, which forgets the
 * local one too. `mailferry passwd --only` leaves the local one alone.
 */
#include "base/buf.h"
#include "registry/registry.h"

#define CANDIDATES_MAX 8 /* of an account: the newest are kept */

enum password_origin { PASSWORD_SOURCE, PASSWORD_LOCAL, PASSWORD_ORIGIN_COUNT };

struct password {
	int64_t id; /* never given twice */
	int64_t account;
	struct str account_name; /* what it is sealed for */
	struct str
		source_name; /* what the source calls the account, bound (vault/seal.h);
	                            "": the same */
	enum password_origin origin;
	struct str login;    /* as the source took it with this password */
	struct str sealed;   /* "": erased, or a local one */
	struct str verifier; /* "": it opens nothing here */
	uint64_t seen_at;
	uint64_t proven_at;  /* 0: a candidate */
	uint64_t refused_at; /* 0; else the source refused it from the transfer */
};

typedef int password_each_fn(void *context, const struct password *p);
/* What to try first comes first: proven, then new ones, then refused ones; of equals the
   newest. The callback may use the registry; a non-zero answer ends the walk and is
   returned. Strings live until the callback returns. */
int registry_each_password(struct registry *r, int64_t account, password_each_fn *each,
	void *context, struct error *err);
/* -ENOENT. Strings are copied into arena. */
int registry_find_password(struct registry *r, int64_t id, struct arena *arena,
	struct password *ret, struct error *err);

/* What an imported login has done. */
enum import_outcome {
	IMPORT_NEW,    /* an account that was not known; it is due */
	IMPORT_DUE,    /* a known one is due now */
	IMPORT_KNOWN,  /* nothing new, or it is on its way already */
	IMPORT_PINNED, /* it stays at the source: the admin has said so */
	IMPORT_LOCAL,  /* it lives here: the password changes nothing */
	IMPORT_OUTCOME_COUNT
};
const char *import_outcome_name(enum import_outcome o); /* "new" */

/* What registry_learn() asks about sealed passwords, which it cannot read itself. A
   worker's link to the vault answers. */
struct password_keeper {
	/* The row of the account that is known to hold it, 0: none. Nothing is asked of
	   the others while it is there, sealed, and the source has not refused it from
	   us. May be NULL. */
	int64_t (*row)(void *context, int64_t account, struct str password);
	/* Whether it is known that p, which is sealed, holds that password. */
	bool (*holds)(void *context, const struct password *p, struct str password);
	/* After all of them: whether one may hold it that was not known to. Then nothing
	   is kept now. */
	bool (*asks)(void *context);
	/* Appends the password's closed form for the account. 0 or -errno. */
	int (*seal)(
		void *context, struct str account, struct str password, struct buf *out);
	/* It is in that row now, unless the transaction fails. May be NULL. */
	void (*kept)(void *context, int64_t account, int64_t row, struct str password);
	void *context;
};

/* The source took it from a client. The caller has looked that it is none of those that
   are kept (registry_learn() does all that). */
int registry_add_candidate(struct registry *r, int64_t account, struct str login,
	struct str sealed, int64_t *ret_id, struct error *err);
/* The transfer's own login with it succeeded. sealed: another form of the same password,
   "": it stays as it is. The account's login is this one's from then on. Durable when it
   returns. -ENOENT: it is not kept any more. */
int registry_prove(struct registry *r, int64_t account, int64_t id, struct str verifier,
	struct str sealed, struct error *err);
/* The source refused it from the transfer: it opens nothing here any more. One that was
   imported, and never proven, is erased. -EPERM of an
   account that lives here: the source does not decide about it. */
int registry_refuse(struct registry *r, int64_t account, int64_t id, struct error *err);

/* Puts another form of the verifier in its place. -ESTALE: it is not `was` any more. */
int registry_replace_verifier(struct registry *r, int64_t id, struct str was,
	struct str is_now, struct error *err);

/* A new password for logins here, by the admin; -EPERM unless the account lives here.
   It takes the place of the last one that was set here. only: the proven ones open the
   mailbox no more; they stay sealed, since the sweep and the way back log in at the
   source with them. */
int registry_set_local_password(struct registry *r, int64_t account, struct str verifier,
	bool only, struct error *err);

#endif
