/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_JOB_H
#define TRANSFER_JOB_H
/* What one account's process holds, and the two things it does again and again: a pass
   over the account, and a change of its state. Between ../account.c and job.c. */
#include "messages/ask.h"
#include "registry/registry.h"
#include "settings/settings.h"
#include "transfer/account/job/dial.h"
#include "transfer/account/job/onward.h"
#include "transfer/account/job/passwords.h"
#include "transfer/account/job/uidl_form.h"
#include "transfer/copy/sync.h"
#include "transfer/read/pace.h"
#include "transfer/read/pop3_connection.h"

/* Descriptors of an account's process that the scheduler has started. */
#define JOB_SETTINGS 3
#define JOB_PACE 4 /* read/pace.h */

struct known_inbox;            /* transfer/read/pop3_source.h */
#define JOB_LONG_PASS_MS 10000 /* one that took so long got somewhere */

struct uidls_outcome {
	int kept;          /* 1, 0, -1: there are none, or they were not looked at */
	uint64_t count;    /* messages in the source's maildrop */
	uint64_t unproven; /* of them, as far as that is known */
	uint64_t derived;  /* of them, not read (uidls/uidls_derived.h) */
	struct str last; /* of the maildrop's end, where the reader proves; NULL: none */
	char note[160];  /* for the certificate */
};

#define UIDLS_GONE_MAX 64 /* expunged while the maildrop was read */

/* A maildrop that was read, and is INBOX (uidls/uidls_derived.h). */
struct uidls_known {
	bool is_there;
	bool shows_deleted;       /* messages that are \\Deleted are among them */
	uint64_t keyword_changes; /* until then (struct sync) */
	enum uidl_form form;
	uint32_t uidvalidity, uidnext; /* of INBOX */
	uint32_t order;                /* of the last one */
	/* Of INBOX here and not in the maildrop: gone there, if they go here too. */
	uint32_t gone[UIDLS_GONE_MAX];
	size_t n_gone;
};

/* What the time out of service is spent with. */
enum job_out { OUT_QUIESCE, OUT_PASS, OUT_UIDLS, OUT_ONWARD, OUT_ARRIVE, OUT_COUNT };

/* Whose mailbox the copy is (vouch.h). */
struct vouching {
	bool is_due; /* a master user made it, and the user's own login has not seen it */
	bool is_whole;    /* by its last pass all of it was there */
	bool is_noted;    /* by this process */
	bool is_compared; /* some bodies were, by this process */
};

struct job {
	const struct settings *settings;
	struct registry *registry;
	struct arena arena; /* the account's strings and its password */
	struct account account;
	struct passwords passwords;
	struct destination destination;
	struct source source;
	char source_text[ADDRESS_TEXT_MAX];
	const struct reader *reader;
	const struct known_inbox *known; /* what POP3 is set against; NULL: destination */
	struct dial dial_imap, dial_pop3;
	struct pace pace;
	bool is_connected;
	struct sync sync;
	struct onward onward;
	struct uidls_outcome uidls;
	struct uidls_known uidls_known;
	struct pop3_connection uidls_next; /* greeted, for the next look at them */
	unsigned uidls_greeting_ms;
	bool has_begun; /* EVENT_COPY */
	bool is_busy;   /* route=busy: somebody may be held */
	bool is_forced; /* end the user's sessions at the source */
	bool is_live;   /* they change sides, all of them */
	bool in_pass;
	unsigned came_late; /* switches that were taken back: mail still came */
	int look;           /* a question on its way: is the user there? -1: none */
	uint64_t looked_at; /* when it was asked, or answered */
	/* monotonic: the first copy, while the user is held; 0: none */
	uint64_t held_copy_ends;
	uint64_t connected_at, connect_ms; /* the login, and how long it took */
	uint64_t synced_at;                /* monotonic: the last pass began */
	uint64_t pass_ms;                  /* and took so long */
	struct vouching vouching;
	int (*connected)(struct job *j); /* behind each login; NULL: nothing */
	int (*passed)(struct job *j);    /* behind a whole pass; NULL: nothing */
	int (*doubted)(struct job *j);   /* behind one that ended so (sync.h) */
	uint64_t told_at;                /* progress */
	/* monotonic: nobody is served since; 0: somebody is, or another process knows */
	uint64_t out_since, out_lap;
	uint64_t out_ms[OUT_COUNT];
	struct error err;
};

/* Where a service of the source is reached, with ports; ret[SETTINGS_SOURCES_MAX]. */
int job_source_addresses(struct job *j, enum service_id service,
	struct sockaddr_storage *ret, size_t *ret_n);
/* The registry and the account, as the user who owns its folder; the first half of
   job_open(). */
int job_begin(struct job *j, const char *name);
int job_open(struct job *j, const char *name);
void job_close(struct job *j);
/* Of one that the scheduler has not started: becomes the user who owns the account's
   folder, before anything is made in it. */
int job_become_owner(
	const struct settings *s, const struct account *a, struct error *err);
/* Of an account's process: no file but the registry and the account's folder, which must
   be there by then. */
int job_drop_rights(const struct registry *r, const struct settings *s,
	const struct account *a, struct error *err);
/* Lets the next login have the folder. */
void job_close_destination(struct job *j);
/* Whether a session of ours keeps the user out meanwhile. */
bool job_is_exclusive(const struct job *j);

/* Reconnects and repeats while the reason may pass by itself. */
int job_pass(struct job *j);
void job_disconnect(struct job *j);
/* -ECANCELED: the admin has decided otherwise, or somebody else moved it on. */
int job_event(struct job *j, enum account_event event, struct str detail);
/* What comes of an event that was recorded by another call: r is its result. */
int job_event_is_over(struct job *j, enum account_event event, struct str detail, int r);
int job_begin_copy(struct job *j);
/* The registry hears that the mail folder may be marked as in service, or is not
   (arrival.h). */
int job_set_arriving(struct job *j, bool arriving);
/* Before the account goes back: the folder is a copy again. Nothing when it may not be
   marked. The folder may be open or not; it is not afterwards. */
int job_take_back_mark(struct job *j);
/* Tells the interceptor that the route is another one; it need not be there. */
void job_route_changed(struct job *j);
/* -ECANCELED as above; -EINTR: transfers are paused. */
int job_check_wanted(struct job *j);
/* What may pass by itself: it is tried again. */
bool job_may_pass(int code);
int job_tick(void *context);
int job_pause(struct job *j, unsigned ms);

#endif
