/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SESSION_HOST_H
#define INTERCEPTOR_SESSION_HOST_H
/*
 * What a session and its handler may ask of the worker they live in, and no more: unit
 * tests are a host, too. The lists are kept by the sessions.
 */
#include "base/error.h"
#include "interceptor/shared/prelogin_limits.h"
#include "messages/message.h"
#include "net/relay.h"
#include "registry/registry.h"
#include "settings/settings.h"
#include "source/leg.h"
#include "wire/challenge.h"
#include "wire/imap/resumption.h"

#include <openssl/ssl.h>
#include <sys/queue.h>

struct host;
struct learnt;
struct message;
struct offer;
struct session;
struct smtp_address;

LIST_HEAD(session_list, session);
TAILQ_HEAD(session_queue, session);

/* A password, or a proof that shows none (kind other than CHALLENGE_NONE), or a password
   that was closed for this session (ptr not NULL). */
struct question {
	struct str password;
	struct str box;
	struct challenge_proof proof;
};

/* s: about the session's account, or for its log lines. 0 or -errno where it is an int.
 */
struct host_ops {
	uint64_t (*now)(const struct host *h); /* loop time, ms */

	/* ---- connections ---- */
	/* Begins to connect to s->connects_to; to the source from the client's own
	   address. */
	int (*connect)(struct host *h, struct session *s, struct stream **ret);
	/* Begins to connect to the content filter at that place (settings/milter.h). */
	int (*connect_filter)(struct host *h, const char *where, struct stream **ret);
	/* Begins to connect to the server that takes mail for users who have moved. */
	int (*connect_destination)(struct host *h, struct stream **ret);
	/* Gives the client, with the bytes it has sent already, to the mailstore. On
	   failure the session is as it was. tag, ticket: what the mailstore needs to
	   answer the login and to open the mailbox. resumed: it has been at the source so
	   far, and tag is that of its IDLE or ""; NULL: a login. */
	int (*hand_off)(struct host *h, struct session *s, struct str tag,
		struct str ticket, const struct resumption *resumed);
	/* Whether it, which is counted already, is one too many. */
	enum crowd (*crowd)(struct host *h, const struct session *s);
	/* It is, or is no longer, a connection; one that has not logged in and is
	   counted for its network; one with so many places (shared/prelogin_limits.h). */
	void (*count_connection)(struct host *h, const struct session *s, int change);
	void (*count_waiting)(struct host *h, const struct session *s, int change);
	void (*count_places)(struct host *h, const struct session *s, int change);
	/* A login was right; or was wrong, or did not come. */
	void (*note_attempt)(struct host *h, struct session *s, bool right);

	/* ---- accounts ---- */
	/* The master counts the live sessions of each account. */
	void (*report_live)(struct host *h, const struct session *s, bool live);
	/* Where the account of such a login lives, before anybody is asked. What is read
	   for it need not be read again when the source has accepted it. id 0: nobody has
	   the name. false: the registry is away, or does not take such a name. */
	bool (*foresee)(struct host *h, const struct proven_login *login,
		struct account_route *ret);
	/* The source accepted that login: the registry learns it. *ret: the account. */
	int (*learn)(struct host *h, struct session *s, const struct proven_login *login,
		struct account_route *ret);
	/* Whether that is the password which the source has accepted before. */
	bool (*knows)(struct host *h, const struct session *s,
		const struct account_route *route, struct str password);
	/* Answered by done(), at once or later; until then `forget` is possible. */
	void (*verify)(struct host *h, struct session *s, const struct question *q,
		void (*done)(struct session *s, enum verdict verdict, struct str ticket));
	void (*forget)(struct host *h, struct session *s);
	/* The password in a box that the vault opens for this session alone. */
	int (*close_password)(struct host *h, const struct session *s,
		struct str password, struct buf *out);
	/* Its user is in, here; nothing waits for it (settings: pop_before_smtp). */
	void (*follow_login)(struct host *h, const struct session *s);
	/* How it has left the source when its account switched, for the journal. */
	void (*note_crossing)(struct host *h, const struct session *s, bool handed);
	/* Its user has waited for its move in vain. */
	bool (*is_slow)(struct host *h, int64_t account);
	void (*remember_slow)(struct host *h, int64_t account);

	/* ---- the source ---- */
	bool (*is_retired)(struct host *h); /* nobody connects to it any more */
	/* NULL: not known yet. Borrowed. */
	struct offer *(*offer)(struct host *h, enum service_id service);
	void (*learnt)(
		struct host *h, enum service_id service, const struct learnt *learnt);
	void (*learnt_refusal)(struct host *h, enum service_id service, struct str text);
	/* The source has refused a mechanism that it was thought to offer. */
	void (*offer_is_stale)(struct host *h, enum service_id service);

	/* ---- mail (smtp/) ---- */
	/* Connects to the mailstore when nothing does. */
	int (*reach_mailstore)(struct host *h);
	/* Takes fd when it succeeds; the answer comes to smtp/staging.h. */
	int (*tell_mailstore)(struct host *h, const struct message *m, int fd);
	/* The source was asked about that recipient; for `mailferry report`. */
	void (*count_recipient)(struct host *h, const struct smtp_address *to,
		struct str client, bool accepted);
	/* What it said yes to lately (shared/source_answers.h); forget: not now. */
	bool (*source_agreed)(struct host *h, struct str question);
	void (*note_source_agreed)(struct host *h, struct str question);
	void (*forget_source_agreed)(struct host *h, struct str question);
	/* The source may have taken mail for it just now: recently_relayed() tells. */
	void (*note_relayed)(struct host *h, struct str local, struct str domain);

	/* ---- TLS ---- */
	/* For a client that asks for that name ("": for none), whose TLS is to end here.
	   0; -ENOENT: we hold no key for it; -EAGAIN: that is not known yet. */
	int (*tls_context)(
		struct host *h, const struct session *s, const char *name, SSL_CTX **ret);
	/* A connection whose bytes cannot be seen is to go to the source. name: that it
	   asks for, or "". 0: it may; -EBUSY: it waits until this is asked again. */
	int (*pass_unseen)(struct host *h, struct session *s, const char *name);
	/* The session ends; one that was seen as well. */
	void (*unseen_over)(struct host *h, struct session *s);

	/* ---- an account switches (quiesce.h) ---- */
	/* The source took mail for it a moment ago. */
	bool (*recently_relayed)(struct host *h, struct str account);
	/* Answers a quiesce. settled: nothing of it is at the source any more. */
	void (*quiesced)(
		struct host *h, struct str account, uint64_t request, bool settled);
};

#define HOST_LOCAL_BUCKETS 1024 /* sessions with the mailstore, by number */

/* What happens in sessions that the admin may have to know of, counted until the next
   second (messages/alarms.h). */
enum host_note {
	NOTE_REFUSED,    /* a login */
	NOTE_UNANSWERED, /* a connection to the source, from the client's address */
	NOTE_CLEAR_MAIL, /* for a user here: for want of a key there was no STARTTLS */
	NOTE_FILTER,     /* a content filter gave no verdict */
	NOTE_COUNT
};

struct host {
	const struct host_ops *ops;
	const struct settings *settings;
	struct registry *registry;
	struct legs legs; /* from where we connect to the source */
	struct relay_shared relay;
	struct session_list sessions;
	struct session_list timed;     /* those with a deadline */
	struct session_list gone;      /* to be freed: session_free() */
	struct session_queue unproven; /* not logged in, the oldest first */
	struct session_list local[HOST_LOCAL_BUCKETS];
	LIST_HEAD(, pending_quiesce) quiescing;
	LIST_HEAD(, mail_hold) mail_holds; /* accounts that are about to switch */
	LIST_HEAD(, staging) stagings;     /* messages on their way to the mailstore */
	LIST_HEAD(, courier) couriers;     /* messages on their way to the destination */
	LIST_HEAD(, filter) filters;       /* messages before the content filters */
	unsigned pid;
	uint32_t next_number, next_staging;
	uint64_t notes[NOTE_COUNT];
};

#endif
