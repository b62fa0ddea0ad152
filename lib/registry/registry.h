/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H
/*
 * Who is served where, and how far each account's move is.
 *
 * One SQLite file in WAL mode, opened by every process that needs it; all SQL is one
 * table in sql.c. A row of `account` is made at the first login that the source
 * accepted. The route decides where a login goes; the stage says how far the transfer
 * is; both change only by registry_transition(), whose table (transition.c) is the whole
 * truth: what is not in it is refused, and each change writes a journal line in the same
 * transaction.
 *
 *   route:  source ─► busy ─► local      stage: idle → due → copying → catching-up
 *             ▲         │                        → switching → done      | failed
 *             └─────────┘ ◄───────┘
 *
 * Passwords are in passwords.h, those of master users in masters.h, addresses in alias.h,
 * accounts of our own in here.h, recipients that went to the source in recipients.h, its
 * end in retire.h.
 *
 * Passwords lie here in a form that only the vault opens, each bound to its account's
 * name (vault/seal.h): a row copied to another account is worth nothing.
 *
 * Times are wall-clock milliseconds. Functions return 0 or -errno with the sentence in
 * err; -ENOENT: no such account. A locked database is waited for (5 s).
 */
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct registry;               /* opaque */
#define REGISTRY_FILE_MAX 4096 /* PATH_MAX */

enum route { ROUTE_SOURCE, ROUTE_BUSY, ROUTE_LOCAL, ROUTE_COUNT };
enum stage {
	STAGE_IDLE,
	STAGE_DUE,
	STAGE_COPYING,
	STAGE_CATCHING_UP,
	STAGE_SWITCHING,
	STAGE_DONE,
	STAGE_FAILED,
	STAGE_COUNT
};
enum pin { PIN_AUTO, PIN_SOURCE, PIN_LOCAL, PIN_COUNT };

/* What moves an account; rows of transition.c. */
enum account_event {
	EVENT_DUE,      /* a proven login (registry_learn()), or the admin's `transfer` */
	EVENT_COPY,     /* a child began, or begins again after a crash */
	EVENT_CATCH_UP, /* the first full copy is complete */
	EVENT_SWITCH,   /* nobody is logged in: route = busy */
	EVENT_SWITCH_BACK, /* somebody slipped in, or verification failed: route = source
	                    */
	EVENT_ARRIVE,      /* verified: route = local, done */
	EVENT_FAIL,   /* with a reason and a next try; the user stays at the source */
	EVENT_LEAVE,  /* local, on its way back: route = busy */
	EVENT_STAY,   /* something is new here, or it was left behind: route = local */
	EVENT_RETURN, /* nothing was new here: route = source */
	EVENT_CANCEL, /* pinned to the source before the switch */
	EVENT_COUNT
};

const char *route_name(enum route r);
const char *stage_name(enum stage s);
const char *pin_name(enum pin p);
const char *account_event_name(enum account_event e);

struct account {
	int64_t id;
	struct str name;  /* as first proven, lower case: what people and folders use */
	struct str login; /* exactly what the source accepted: the transfer uses it */
	enum route route;
	enum stage stage;
	uint64_t stage_at; /* since when */
	enum pin pin;
	bool capturable;
	struct str uncapturable_why; /* "CRAM-MD5", "" */
	bool has_password;           /* one is sealed */
	bool has_untried_password;   /* one that the source has not refused from us */
	struct str
		master; /* the master user that it is copied by (masters.h); "": none */
	uint64_t master_try_at; /* the source refuses it, and it is tried again then; 0 */
	bool master_is_taken;   /* the source let it in the last time */
	uint64_t passwords, candidates; /* that open it here; that were not proven */
	uint64_t first_login_at, last_login_at; /* 0: never; last is kept to the minute */
	uint64_t size; /* at the source, as the admin says; 0: not known */
	/* progress and result of the transfer */
	uint64_t folders, messages_total, messages_copied, bytes_copied;
	int uids_kept, uidls_kept; /* 1, 0, -1: not known yet */
	uint64_t busy_since;       /* 0: not busy */
	uint64_t out_of_service_ms;
	uint32_t attempts;
	uint64_t next_try_at; /* failed: when to try again */
	struct str last_error;
	struct str certificate;     /* JSON of the verification, "" before */
	uint64_t local_password_at; /* 0: none was set here */
	bool is_made_here;          /* by the admin: it never was at the source */
	bool is_disabled;           /* nobody may log in (here.h) */
	struct str source_name; /* of one that was renamed (rename.h); "": it was not */
	struct str home;  /* the address of the server that its mail moves to, and that
	                    serves it once its route is local; "": we do */
	bool is_arriving; /* busy: its mail folder says already, or may say, that the
	                     account lives here (registry_set_arriving()) */
};

/* Opens, and upgrades (PRAGMA user_version), the file at path. -ENOENT: there is none. An
   empty registry in the place of one that somebody has moved away would send all accounts
   to the source, so programs that are started again make none. */
int registry_open(const char *path, struct registry **ret, struct error *err);
/* The one of that state_dir. */
int registry_open_in(const char *state_dir, struct registry **ret, struct error *err);
/* The same, and makes one where there is none: for who has seen that there never was. */
int registry_make(const char *path, struct registry **ret, struct error *err);
void registry_close(struct registry *r); /* NULL is fine */
/* The files that it is: what a process must still reach that gives up all others. */
#define REGISTRY_FILES 3
void registry_files(
	const struct registry *r, char ret[static REGISTRY_FILES][REGISTRY_FILE_MAX]);
/* How long a change waits for the changes of others (5 s at first); then -EBUSY. A
   process with an event loop waits for a moment only: it serves nobody meanwhile. Reads
   never wait. */
void registry_set_patience(struct registry *r, unsigned ms);
/* For a process that must not wait for the disk: the log is copied back into the file by
   the others, whose commits wait for it anyway; by this one only when it has grown long
   (32 MiB). */
void registry_leave_checkpoints(struct registry *r);
/* For a process that many log in through: registry_look(), registry_route(),
   registry_address(), registry_any_local() and registry_retired() answer from memory what
   they were asked a moment ago, and registry_note_login() that there is nothing to note,
   as long as no process has committed anything (recent.h). */
void registry_remember_looks(struct registry *r);

/* What a person typed as name -> the key two names share: ASCII case folded, white
   space trimmed, and the domain cut off when it is the only one configured. */
int registry_set_domains(struct registry *r, char *const *domains, size_t n_domains);
#define REGISTRY_NAME_MAX 255 /* bytes of a login; longer ones are never captured */
/* That key. Its length, or -EINVAL: empty, too long, holds a NUL. */
ssize_t registry_name_key(
	const struct registry *r, struct str name, char key[static REGISTRY_NAME_MAX]);
/* How many accounts logins may make in an hour: it bounds what a source that says yes to
   everything could make of us. 0: no limit. */
void registry_limit_new_accounts(struct registry *r, uint64_t an_hour);

/* Strings are copied into arena. -ENOENT when no name leads to an account. */
int registry_find(struct registry *r, struct str name, struct arena *arena,
	struct account *ret, struct error *err);
int registry_find_id(struct registry *r, int64_t id, struct arena *arena,
	struct account *ret, struct error *err);

/* Only what a login needs, without allocation: one indexed read. */
struct account_route {
	int64_t id;
	enum route route;
	enum stage stage;
	enum pin pin;
	bool has_password;
	bool retired;       /* nothing goes to the source any more (retire.h) */
	bool is_elsewhere;  /* account.home is another server */
	bool by_subaddress; /* of an address: found without its sub-address */
	char name[256];
};
/* With -ENOENT *ret is filled as well, for who has no account: id 0, no name, at the
   source. */
int registry_route(struct registry *r, struct str name, struct account_route *ret,
	struct error *err);
/* The same from memory alone. false: it is to be asked for. */
bool registry_remembers_route(
	struct registry *r, struct str name, struct account_route *ret);

/* Calls back once for each account, by name. The callback may not use the registry;
   a non-zero answer ends the walk and is returned. */
typedef int registry_each_fn(void *context, const struct account *a);
int registry_each(
	struct registry *r, registry_each_fn *each, void *context, struct error *err);

/* A login that the source accepted. Views. */
struct proven_login {
	struct str name;     /* as the source took it */
	struct str password; /* ptr NULL: it showed none */
	struct str why;      /* then why: "CRAM-MD5", "master user" */
	struct str service;  /* "pop3" */
	struct str client;   /* the host's address (unseen.h); "": not known any more */
	/* Nobody has logged in: the admin says that the source would take it. It is no
	   login, and its password is forgotten when the source refuses it from us. */
	bool is_imported;
};
struct password_keeper; /* passwords.h; NULL: no password is shown */
/* What it teaches: makes the account when it is new, learns the name and the service,
   keeps the password as a candidate when it is another one (not of an account that lives
   here: the source does not decide any more what opens that mailbox), and the account
   becomes due: an idle one, or one whose move failed with another password (a failed one
   waits for its next try otherwise). An account is not due without a password, or when
   it is pinned to the source. A new account above the limit is not made: the user is
   served by the source, and the next login tells of it again (route id 0).
   *ret_became_due: the transfer is to look at it now, also when the password is what the
   copy of a master user may wait for.
   One read when nothing is new; else one transaction, and nobody's login waits for the
   disk: what a power failure takes is learnt again at the next login.
   -EINVAL: not a name we keep; -EPERM: retired. */
int registry_learn(struct registry *r, const struct proven_login *login,
	const struct password_keeper *keeper, struct account_route *ret_route,
	bool *ret_became_due, struct error *err);
/* The read alone. *ret_route of a name that nobody has: id 0, and the name that its
   account would get. */
int registry_look(struct registry *r, const struct proven_login *login,
	const struct password_keeper *keeper, struct account_route *ret_route,
	bool *ret_is_news, struct error *err);
/* What registry_learn() learns in between is written in one transaction, and what it says
   holds when the end has returned 0. -EBUSY: not begun. A login that fails takes all with
   it: end the group then (-EIO), and learn the others without it. A savepoint for each,
   which would keep them, costs a third of the rest. */
int registry_begin_group(struct registry *r, struct error *err);
int registry_end_group(struct registry *r, struct error *err);
/* Nothing of it is written. */
void registry_drop_group(struct registry *r);

/* A login that was answered here: last_login_at, kept to the minute, and where it came
   from, to the hour. */
int registry_note_login(
	struct registry *r, int64_t id, struct str client, struct error *err);
/* The addresses that any account has logged in from in the last ms: the newest of them,
   in the order of their last time. What a callback returns but 0 ends it. */
typedef int registry_client_fn(void *context, struct str address);
int registry_each_client(struct registry *r, uint64_t ms, size_t most,
	registry_client_fn *each, void *context, struct error *err);
/* The same, with whose logins they were. */
typedef int registry_account_client_fn(
	void *context, int64_t account, struct str address);
int registry_each_account_client(struct registry *r, uint64_t ms, size_t most,
	registry_account_client_fn *each, void *context, struct error *err);

/* Whether the account's owner was seen to log in by that service. */
int registry_uses_service(struct registry *r, int64_t id, struct str service,
	bool *ret_uses, struct error *err);

/* What changes with each commit of anybody: as long as it is the same, so is all that is
   in the registry. false: it cannot be told. */
struct registry_version {
	uint64_t words[6];
};
bool registry_version(struct registry *r, struct registry_version *ret);

/* Whether any is kept, sealed or as a verifier: then the key file is not to be lost. */
int registry_any_password(struct registry *r, bool *ret_any, struct error *err);
/* The one way to change route or stage. -EPERM: not in the table, with the sentence.
   by: "transfer", "interceptor", "admin"; detail: the reason, for the journal and (for
   EVENT_FAIL) for last_error. Durable when it returns. EVENT_COPY counts an attempt,
   EVENT_FAIL sets next_try_at (from 15 s doubling to 1 h with the attempts), EVENT_DUE
   and EVENT_RETURN begin to count anew; the time spent busy adds to out_of_service_ms. */
int registry_transition(struct registry *r, int64_t id, enum account_event event,
	struct str by, struct str detail, struct error *err);
/* EVENT_RETURN, and pinned to the source: else its next login would make it due again.
   One that was pinned here since it began to go back stays (-ECANCELED, as with
   EVENT_LEAVE). */
int registry_return(struct registry *r, int64_t id, struct str detail, struct error *err);
/* Where its mail moves to, from the next switch on (account.home). -EPERM: it is not at
   the source, and so its mailbox stays where it is. */
int registry_set_home(struct registry *r, int64_t id, struct str home, struct error *err);
/* The server that it lives at has another address; a line in the journal. -EPERM: it does
   not live at another server. */
int registry_change_home(
	struct registry *r, int64_t id, struct str home, struct error *err);
/* Around the moment at which the mail folder is marked as in service, which is before
   EVENT_ARRIVE: whoever finds the one without the other believes the folder. So as long
   as it is set, the account does not go back to the source (-EPERM of the events that
   would), and the transfer takes the mark away before it says false; what it left
   behind, the next one finds. Any event takes it back. Durable. -EPERM: it does not
   switch now. */
int registry_set_arriving(
	struct registry *r, int64_t id, bool arriving, struct error *err);
/* Writes a journal line (by "admin") when it changes something. */
int registry_set_pin(struct registry *r, int64_t id, enum pin pin, struct error *err);

struct progress {
	uint64_t folders, messages_total, messages_copied, bytes_copied;
};
int registry_set_progress(
	struct registry *r, int64_t id, const struct progress *p, struct error *err);
/* What the copy was proven to be; -1: not known. */
struct account_result {
	int uids_kept, uidls_kept;
	struct str certificate;
};
int registry_set_result(struct registry *r, int64_t id,
	const struct account_result *result, struct error *err);

/* By name, as registry_each() but fewer: those that failed, are busy, are copied and wait
   for a log-off, or log in with what shows no password. */
int registry_each_troubled(
	struct registry *r, registry_each_fn *each, void *context, struct error *err);
/* What each account logged in with, in no order. */
int registry_each_login(struct registry *r, int (*each)(void *context, struct str login),
	void *context, struct error *err);
#define REGISTRY_RETRY_MOST_MS UINT64_C(3600000)
/* Accounts for the scheduler: those due or failed with next_try_at <= now (or so far
   ahead that the clock was set back since), those left in a stage of work by a crash
   (copying, catching-up, switching), and those on their way back (done, but busy), oldest
   first. Not those pinned to the source, unless they are busy: those need EVENT_CANCEL,
   or EVENT_STAY. */
int registry_each_work(struct registry *r, uint64_t now_ms, registry_each_fn *each,
	void *context, struct error *err);
/* What has failed was neither the source nor the mailbox: the next try is in ms, if it
   was the first. Later ones wait as ever. */
int registry_try_soon(
	struct registry *r, int64_t account_id, uint64_t ms, struct error *err);
/* The earliest next_try_at of a failed account, 0: none. */
int registry_next_try(struct registry *r, uint64_t *ret_at, struct error *err);

struct journal_line {
	uint64_t at;
	struct str account, event, from, to, by, detail;
};
typedef int journal_each_fn(void *context, const struct journal_line *line);
/* A line (event "session", by "interceptor") of how a session has left the source when the
   account switched, at that time. */
int registry_note_session(struct registry *r, int64_t account_id, uint64_t at,
	struct str how, struct str detail, struct error *err);
/* account_id 0: of all; newest first, at most `most`. */
int registry_journal(struct registry *r, int64_t account_id, size_t most,
	journal_each_fn *each, void *context, struct error *err);

/* Small facts that outlive a process: the source's greeting and capabilities as probed,
   that it is retired (retire.h). -ENOENT: unknown. */
int registry_set_fact(
	struct registry *r, struct str name, struct str value, struct error *err);
int registry_fact(struct registry *r, struct str name, struct arena *arena,
	struct str *ret_value, struct error *err);

/* How many accounts there are of each. */
struct registry_counts {
	uint64_t accounts, routes[ROUTE_COUNT], stages[STAGE_COUNT], pins[PIN_COUNT];
	uint64_t uncapturable;
};
int registry_counts(
	struct registry *r, struct registry_counts *ret_counts, struct error *err);

/* Whether any account is served here or on its way, from the first copy on (fail mode
   open would be wrong, or is about to be). */
int registry_any_local(struct registry *r, bool *ret_any, struct error *err);

#endif
