/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_MEMORY_SOURCE_H
#define TEST_MEMORY_SOURCE_H
/*
 * An old server in memory, behind the same interface as the real reader. A test changes
 * it as users would, and makes it misbehave: a connection that breaks at any event, a
 * message that does not come.
 */
#include "transfer/read/source.h"

#define MEMORY_FOLDERS_MAX 8
#define MEMORY_MESSAGES_MAX 2000
#define MEMORY_CONNECTIONS 2

struct memory_message {
	uint32_t uid;
	unsigned flags;
	const char *keywords; /* sorted */
	int64_t date;
	int16_t zone;
	unsigned body_len;  /* its bytes follow from the UID */
	const char *body;   /* or are these */
	unsigned said_size; /* RFC822.SIZE when it is another one; 0: the same */
};

struct memory_folder {
	const char *name;
	char separator;
	unsigned attributes;
	const char *special_use;
	uint32_t uidvalidity, uidnext;
	uint64_t highestmodseq;
	struct memory_message messages[MEMORY_MESSAGES_MAX];
	size_t count;
	const char *refuses; /* to be opened, with that text */
	uint32_t overlooked; /* the next listing does not show this UID; 0: none */
};

/* How a server that tells what has changed gets it wrong, and can be caught at it. */
enum memory_lie {
	LIE_NONE,
	LIE_STAYS,   /* new mail leaves HIGHESTMODSEQ as it was */
	LIE_FALLS,   /* HIGHESTMODSEQ is a lower one */
	LIE_SILENT,  /* it rises, and no row comes */
	LIE_NO_NEW,  /* rows of new messages do not come */
	LIE_REFUSES, /* CHANGEDSINCE is no command it knows */
	LIE_COUNT
};

struct memory_source {
	struct memory_folder folders[MEMORY_FOLDERS_MAX];
	size_t n_folders;
	const char *subscriptions[MEMORY_FOLDERS_MAX];
	size_t n_subscriptions;

	uint64_t events;        /* so many callbacks so far */
	uint64_t break_at;      /* this one: run() gives -ECONNRESET; 0: never */
	void (*at_break)(void); /* or this is called, if set */
	uint32_t unreadable;    /* a UID that is listed and never comes; 0: none */
	uint32_t unlike;    /* a UID whose row with its body has other flags; 0: none */
	uint32_t vanishes;  /* a UID that goes as it is to be given; 0: none */
	bool no_namespaces; /* of which nothing is said */
	bool refuses_many;  /* to give more than one at a time */
	bool backwards;     /* lists by falling UID, and the first one twice */
	unsigned fetches;   /* asked for, in messages */
	unsigned rows, wholes; /* told; folders that were listed as a whole */

	/* Tells what has changed since a folder was listed last: as it was then. */
	uint64_t session; /* 0: it does not */
	enum memory_lie lie;
	struct memory_folder then[MEMORY_FOLDERS_MAX];
	size_t n_then;

	size_t listing[2 * MEMORY_FOLDERS_MAX]; /* what is queued */
	uint32_t from[2 * MEMORY_FOLDERS_MAX];  /* its first UID; 0: all */
	const struct source_known *known[2 * MEMORY_FOLDERS_MAX]; /* NULL: as a whole */
	size_t n_listing;
	size_t looking[MEMORY_FOLDERS_MAX]; /* by STATUS */
	size_t n_looking;
	struct memory_fetch {
		size_t folder;
		struct str name;
		uint32_t uidvalidity;
		const struct wanted *wanted;
		size_t n;
	} fetching[MEMORY_MESSAGES_MAX];
	size_t n_fetching;
	bool wants_folders;
	struct str names[MEMORY_FOLDERS_MAX]; /* by the caller's index */
	struct error *err;
};

struct source memory_source(struct memory_source *m);

struct memory_folder *memory_folder(struct memory_source *m, const char *name);
struct memory_folder *memory_add_folder(struct memory_source *m, const char *name);
void memory_remove_folder(struct memory_source *m, const char *name);
struct memory_message *memory_add(
	struct memory_folder *f, uint32_t uid, unsigned body_len);
struct memory_message *memory_find(struct memory_folder *f, uint32_t uid);
void memory_remove(struct memory_folder *f, uint32_t uid);
unsigned memory_size(const struct memory_message *m);
/* The byte at a place of a body. */
char memory_byte(uint32_t uid, size_t at);

#endif
