/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef VAULT_VAULT_H
#define VAULT_VAULT_H
/*
 * What the vault holds: the keys, the registry that the passwords lie in, the key of the
 * tickets and what it remembers of passwords that were right. No socket in here
 * (server.c has them).
 *
 * It reads an account's row itself, by its number: an asker cannot show it another one's.
 */
#include "messages/message.h"
#include "messages/ticket.h"
#include "registry/passwords.h"
#include "registry/rename.h"
#include "settings/settings.h"
#include "vault/seal.h"

#define FINGERPRINTS 32768 /* 1 MiB; two that share a place take turns */
#define FINGERPRINT_SIZE 32
#define RECENT_PLACES 1024 /* 300 KB, touched as they fill */

/* A password that was right a moment ago, and the state of the registry. */
struct recent_right {
	uint8_t print[FINGERPRINT_SIZE];
	size_t len; /* 0: free */
	char name[REGISTRY_NAME_MAX];
};

struct vault {
	struct registry *registry;
	struct vault_keys keys;
	struct ticket_key ticket_key;
	bool ticket_key_given; /* a mailstore has it */
	uint64_t next_serial;
	/* of passwords whose scrypt was right since the start */
	uint8_t fingerprint_key[FINGERPRINT_SIZE];
	uint8_t (*fingerprints)[FINGERPRINT_SIZE];
	struct recent_right *recent;
};

/* Reads the key and opens the registry, or makes both when `create`, the key only when
   nothing is sealed yet; looks whether they belong together. */
int vault_open(
	const struct settings *s, bool create, struct vault *ret, struct error *err);
/* Whether they belong together, as far as they are there; makes nothing. */
int vault_check(const struct settings *s, struct error *err);
void vault_close(struct vault *v); /* wipes; may be called twice */

/* A mailstore has connected: one that has restarted knows nothing of what was used, so
   the tickets of before are void. */
int vault_renew_tickets(struct vault *v);

/* ---- judge.c ---- */

struct question {
	int64_t account;
	struct str password;           /* or: */
	struct challenge_proof *proof; /* NULL: none */
};

struct judgement {
	enum verdict verdict;
	bool needs_scrypt;    /* the verdict is verifier_check_any() of verifiers */
	struct str name;      /* of the account */
	struct str verifiers; /* in the arena, a line each */
};

/* Strings of the answer are in arena. */
void judge(struct vault *v, const struct question *q, struct arena *arena,
	struct judgement *ret);
/* It was right: the next time it is known at once. */
void judge_remember(struct vault *v, struct str verifiers, struct str password);
/* A ticket for that session of the account. */
int judge_ticket(struct vault *v, const struct ticket_bearer *bearer, uint64_t now_ms,
	char ret[static TICKET_SIZE]);
/* Which of the account's sealed passwords is in the box; 0: none. */
int64_t judge_same(struct vault *v, int64_t account, struct str box);

/* ---- keep.c: what is written ---- */

/* A password that is lent to a transfer. */
struct loan {
	int64_t account, id;
	struct str name, login, password;
	struct buf verifier; /* empty: not made yet */
};
#define LOANS_MAX 32 /* far above what a person has; the first ones are tried first */

/* Appends those that are not among loans[*n] yet, what to try first first; strings in
   arena. A login that names another account is left out: whoever can write such a row
   would have another mailbox copied into this one. */
int keep_lend(struct vault *v, int64_t account, struct arena *arena,
	struct loan loans[static LOANS_MAX], size_t *n, struct error *err);
/* The source took it: it opens the mailbox from now on. -ENOENT: it is not kept any
   more. */
int keep_proven(struct vault *v, const struct loan *loan, struct error *err);
/* A login that the admin brings: kept as a candidate, which opens nothing. */
int keep_import(struct vault *v, struct str login, struct str password, uint64_t size,
	enum import_outcome *ret, struct error *err);
/* Whether that login names that account, which its first login named. */
bool keep_names_account(struct str login, struct str name);
enum import_outcome keep_outcome(
	bool was_known, bool due, const struct account_route *route);
/* Another name for an account that lives here: all that is bound to the old one is bound
   to the new one, in the transaction that writes it. */
int keep_rename(struct vault *v, const struct rename *rename, struct error *err);
/* What the account's folder is to say of where it lives. *ret: the arena's. -EPERM: it is
   the source that serves it. */
int keep_residence(struct vault *v, int64_t account, struct arena *arena, struct str *ret,
	struct error *err);
/* ---- masters.c ---- */

/* How the process of an account logs in as the master user (registry/masters.h). */
struct master_loan {
	struct str login, password;
	struct str user; /* whom to act as (SASL's authzid); "": that is in the login */
};
/* Strings in arena. -ENOENT: it is copied by none, or a password of its own is to be
   tried first: then the process has no use for it. */
int keep_lend_master(struct vault *v, int64_t account, struct arena *arena,
	struct master_loan *ret, struct error *err);

struct master_order {
	struct str user;
	struct str login; /* with the separator, where it stands behind the user's name */
	struct str password;
	bool is_suffix;
	uint64_t size; /* of the account; 0: not known */
};
/* The account is copied by that master user. */
int keep_import_master(struct vault *v, const struct master_order *o,
	enum import_outcome *ret, struct error *err);

/* A new password for logins here; only: no other opens the mailbox then. */
int keep_local(struct vault *v, int64_t account, struct str verifier, bool only,
	struct error *err);

#endif
