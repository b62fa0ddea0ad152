/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SMTP_STAGING_PARTS_H
#define INTERCEPTOR_SMTP_STAGING_PARTS_H
/* What the files of staging.h share: staging.c and, for accounts that live at another
   server, staging_elsewhere.c. */
#include "interceptor/session/session.h"
#include "interceptor/smtp/courier.h"
#include "interceptor/smtp/staging.h"

#define REFUSAL_MAX 256 /* a reply line of ours is shorter */

enum delivery_state {
	DELIVERY_NEW,
	DELIVERY_STAGING,    /* STAGE was sent, or ROOM */
	DELIVERY_STAGED,     /* and answered: number */
	DELIVERY_DELIVERING, /* DELIVER was sent */
	DELIVERY_AGAIN,      /* it was lost on its way */
	DELIVERY_DONE,       /* delivered, or refused */
	DELIVERY_STATE_COUNT
};

/* Of the message, for one account. */
struct pending_delivery {
	struct str account;
	struct str subaddress; /* names a folder; "": none */
	bool at_once;
	bool is_elsewhere; /* its account lives at another server (courier.h) */
	enum delivery_state state;
	uint64_t number;
	char refusal[REFUSAL_MAX]; /* a reply line; "": it is not refused */
};

struct staging {
	LIST_ENTRY(staging) all;
	struct host *host;
	struct session *session; /* NULL: nobody waits any more */
	staging_fn *done;
	uint32_t number;
	char session_id[SESSION_ID_MAX];

	struct content content;
	struct arena arena; /* names of accounts */
	struct pending_delivery *deliveries;
	size_t n, waiting;
	struct courier *courier;            /* for those that are elsewhere; NULL: none */
	struct smtp_outgoing_recipient *to; /* of it */
	size_t *places, n_to;               /* which deliveries these are */
	bool is_shared, is_at_once;
	bool walked; /* each_delivery() is on it: it is freed there */
	uint64_t give_up_at;
};

void staging_free(struct staging *g);
int staging_make_deliveries(struct staging *g, const struct staging_mail *mail);
/* reply: a line, or "". */
void staging_keep_refusal(struct pending_delivery *d, struct str reply);
/* Of one that is waited for; it may be the end of the staging, unless it is walked. */
void staging_settle(
	struct staging *g, struct pending_delivery *d, enum delivery_state state);

/* staging_elsewhere.c */
/* To those that are. 0: answered later; or -errno, and nobody is. */
int staging_send_elsewhere(struct staging *g, const struct staging_mail *mail);

#endif
