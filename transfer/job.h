/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_JOB_H
#define TRANSFER_JOB_H
/* What one account's process holds, and the two things it does again and again: a pass
   over the account, and a change of its state. Between account.c and job.c. */
#include "messages/ask.h"
#include "registry/registry.h"
#include "settings/settings.h"
#include "transfer/sync.h"

struct uidls_outcome {
	int kept;          /* 1, 0, -1: there are none, or they were not looked at */
	uint64_t count;    /* messages in the source's maildrop */
	uint64_t unproven; /* of them, as far as that is known */
	char note[160];    /* for the certificate */
};

struct job {
	const struct settings *settings;
	struct registry *registry;
	struct arena arena; /* the account's strings and its password */
	struct account account;
	struct str password;
	struct store *store;
	struct source source;
	char source_text[ADDRESS_TEXT_MAX];
	bool is_pop3; /* its reader; whose sessions shut its owner's out */
	bool is_connected;
	struct sync sync;
	struct uidls_outcome uidls;
	bool has_begun; /* EVENT_COPY */
	bool is_busy;   /* route=busy: somebody may be held */
	bool is_forced; /* end his sessions at the source */
	bool in_pass;
	int look;           /* a question on its way: is he there? -1: none */
	uint64_t looked_at; /* when it was asked, or answered */
	uint64_t rush_ends; /* monotonic: the first copy, while he is held; 0: none */
	uint64_t connected_at;
	uint64_t synced_at; /* monotonic: the last pass began */
	uint64_t pass_ms;   /* and took so long */
	uint64_t told_at;   /* progress */
	struct error err;
};

/* Where a service of the source is reached, with ports; ret[SETTINGS_SOURCES_MAX]. */
int job_source_addresses(struct job *j, enum service_id service,
	struct sockaddr_storage *ret, size_t *ret_n);
int job_open(struct job *j, const char *name);
void job_close(struct job *j);
void job_close_store(struct job *j);

/* Reconnects and repeats while the reason may pass by itself. */
int job_pass(struct job *j);
void job_disconnect(struct job *j);
/* -ECANCELED: the admin changed his mind, or somebody else moved it on. */
int job_event(struct job *j, enum account_event event, struct str detail);
int job_begin_copy(struct job *j);
/* Tells the interceptor that the route is another one; it need not be there. */
void job_route_changed(struct job *j);
int job_check_wanted(struct job *j);
int job_tick(void *context);
int job_pause(struct job *j, unsigned ms);
/* The verifier for logins here, made before it is needed: it costs 50 ms. */
int job_make_verifier(struct job *j);

#endif
