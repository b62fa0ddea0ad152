/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_NOTIFY_H
#define WIRE_IMAP_NOTIFY_H
/* What a NOTIFY asks for (RFC 5465), parsed. */
#include "wire/imap/cursor.h"

enum imap_event { /* bits */
	IMAP_EVENT_NEW = 1 << 0,
	IMAP_EVENT_EXPUNGE = 1 << 1,
	IMAP_EVENT_FLAGS = 1 << 2,
	IMAP_EVENT_NAME = 1 << 3,
	IMAP_EVENT_SUBSCRIPTION = 1 << 4,
	IMAP_EVENT_METADATA = 1 << 5,
	IMAP_EVENT_SERVER_METADATA = 1 << 6,
	IMAP_EVENT_ANNOTATION = 1 << 7,
	IMAP_EVENT_UNKNOWN = 1 << 8, /* a word that no RFC has */
};
#define IMAP_EVENTS_OF_MESSAGES (IMAP_EVENT_NEW | IMAP_EVENT_EXPUNGE | IMAP_EVENT_FLAGS)
#define IMAP_EVENTS_NOT_SERVED (IMAP_EVENT_ANNOTATION | IMAP_EVENT_UNKNOWN)
/* For the answer to one of those. */
#define IMAP_EVENT_NAMES                                                                 \
	"MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange "           \
	"MailboxMetadataChange ServerMetadataChange"

enum imap_notify_of {
	IMAP_NOTIFY_SELECTED,
	IMAP_NOTIFY_SELECTED_DELAYED,
	IMAP_NOTIFY_PERSONAL, /* and "inboxes": mail may be filed anywhere */
	IMAP_NOTIFY_SUBSCRIBED,
	IMAP_NOTIFY_SUBTREE,
	IMAP_NOTIFY_MAILBOXES,
};

struct imap_notify_group {
	enum imap_notify_of of;
	struct str *names; /* of SUBTREE and MAILBOXES, as the client has them */
	size_t n_names;
	unsigned events;
	struct str items; /* "(UID …)" of MessageNew; "": none */
	struct imap_notify_group *next;
};

#define IMAP_NOTIFY_NAMES_MAX 1000 /* of one group */

struct imap_notify {
	bool none, status;
	struct imap_notify_group *first;
};

/* "NONE", "SET STATUS (SELECTED (MessageNew (UID) MessageExpunge)) …" */
bool imap_notify(struct imap_cursor *c, struct arena *arena, struct imap_notify *ret);

#endif
