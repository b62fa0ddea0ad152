/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_SERVICE_H
#define MAILSTORE_SERVE_SERVICE_H
/*
 * One account being served: sessions on its store, each speaking one protocol.
 *
 *   connection.c   a session on a stream, in the loop: reads, sends, waits, times out
 *   session        bytes in, bytes out; no descriptor, no loop, no clock
 *   service_ops    what the protocol makes of them: imap.c (services.h finds it)
 *
 * Nothing here asks which protocol it is.
 */
#include "mailstore/serve/output.h"
#include "mailstore/serve/sort_cache.h"
#include "mailstore/serve/view_image.h"
#include "mailstore/store/quota.h"

struct append;
struct session;
struct notify;

/* A login that was handed over. All strings live only during the call. */
struct login {
	struct str session; /* its id, for the log */
	struct str service; /* "imap" */
	struct str tag;     /* of the login command, which we answer */
	struct str client;  /* "192.0.2.1:40000" */
	struct str payload; /* bytes that followed the login */
	enum login_kind {
		LOGIN_NEW,
		/* a session that was at the source so far: tag is that of its IDLE or "",
		   payload says what its client knows (wire/imap/resumption.h) */
		LOGIN_CROSSED,
		/* one that another process has left asleep: payload is what it wrote
		   (connection.h); no tag */
		LOGIN_WOKEN,
		LOGIN_KIND_COUNT
	} kind;
	uint64_t due; /* WOKEN: as of struct connection_sleep, by now */
};

/* What all sessions of the account share. */
struct serve {
	struct store *store;
	uint64_t reads_as;      /* mime_text_version() */
	uint64_t message_bytes; /* the largest message accepted */
	/* Of the text index (text_index.h): reads_as; 0: it is off. */
	uint64_t text_version;
	struct quota quota;             /* of accounts that have none of their own */
	struct quota_warnings warnings; /* quota_warning.h */
	struct quota_letter {
		const char *account, *domain;
	} letter; /* to whom, and whose postmaster writes it */
	/* The session has something to say though its client sent nothing: run it soon,
	   but not from within this call. */
	void (*wake)(void *context, struct session *s);
	/* What only the admin needs to know. */
	void (*complain)(void *context, struct session *s, const struct error *err);
	void *context;
	/* To be committed before the process sleeps (append_queue.h); zeroed: empty. */
	struct append_queue {
		struct append *first, *last;
		size_t count, bytes;
		/* Answers were written, to whatever session, since whoever sends them
		   looked. */
		bool has_answered;
	} appends;
	struct view_images images;
	struct sort_cache sort_cache;
	struct notify *notifiers; /* sessions that NOTIFY (serve/notify.c) */
	/* Whose POP3 maildrop it is just now; NULL: nobody's. */
	struct session *maildrop_holder;
};

/* Of what is zero so far; the store and the settings are the caller's to put in. */
void serve_begin(struct serve *serve);

enum service_need {
	SERVICE_INPUT,   /* nothing to do until more comes */
	SERVICE_OUTPUT,  /* the client has to take what there is first */
	SERVICE_AGAIN,   /* there is more to do at once; others may have their turn */
	SERVICE_DEFLATE, /* send what there is, then both directions are compressed:
	                    session_deflated() */
	SERVICE_END,     /* send what there is, then close */
};

struct service_ops {
	const char *name;
	/* Answers the login. Its state goes to s->state; 0 or -ENOMEM. */
	int (*open)(struct session *s, struct str tag);
	/* Goes on with a session that was at the source so far; where it cannot, it says
	   good-bye. 0 or -ENOMEM. NULL: no session can. */
	int (*resume)(struct session *s, struct str tag, struct str known);
	/* Writes down a session that waits for its client and has nothing under way. 0,
	   or -errno: it cannot be. NULL: none of its kind can. */
	int (*hibernate)(struct session *s, struct buf *out);
	/* Goes on with one that was; where it cannot, it says good-bye. 0 or -ENOMEM. */
	int (*wake)(struct session *s, struct str known);
	/* Does one piece of work. */
	enum service_need (*run)(struct session *s);
	/* We end the session: says so; the next run() answers SERVICE_END. */
	void (*bye)(struct session *s, const char *why);
	void (*close)(struct session *s);
	/* The client has been silent for a while and may go on being so: says something,
	   so that nothing on the way forgets the connection. false: it is no such state.
	   NULL: there is none. */
	bool (*keepalive)(struct session *s);
	/* The answer to a login that cannot be served now; never "wrong password". */
	int (*refuse)(struct buf *out, struct str tag, const char *why);
};

#define SESSION_ID_MAX 64

struct session {
	const struct service_ops *ops;
	struct serve *serve;
	void *state;
	struct buf in;
	struct output out;
	char id[SESSION_ID_MAX];
	const char *end; /* why it ended, for the log; NULL: it lives */
	bool deflated;
	unsigned uncommitted; /* commands of it in serve->appends */
	void *owner;          /* of who runs it */
};

/* Answers the login and takes the payload in. 0 or -ENOMEM. */
int session_open(struct session *s, const struct service_ops *ops, struct serve *serve,
	const struct login *login);
enum service_need session_run(struct session *s);
/* It waits for its client: gives back the buffers that are empty. */
void session_rest(struct session *s);
bool session_keepalive(struct session *s);
/* What another process needs to go on with it (LOGIN_WOKEN). 0, or -errno: not now. */
int session_hibernate(struct session *s, struct buf *out);
void session_bye(struct session *s, const char *why);
void session_close(struct session *s); /* may be called twice */

#endif
