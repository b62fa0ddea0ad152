/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_FOLDERS_H
#define TRANSFER_FOLDERS_H
/*
 * The folders of the account in one pass: what the source lists, what the
 * destination has, and what is still wanted of each. The index of a folder is its name
 * for the reader.
 */
#include "transfer/copy/uid_set.h"
#include "transfer/write/destination.h"

struct folder {
	char *name; /* owned, NUL behind it; may hold any bytes */
	size_t name_len;
	char separator;
	unsigned attributes;
	char *special_use; /* owned; "" none */
	bool at_source;
	size_t order; /* as it came */

	int64_t id; /* at the destination; 0: not there yet */
	uint32_t here_uidvalidity, here_uidnext;
	unsigned here_attributes;
	char here_separator;
	bool here_special_differs;

	bool is_listed;    /* the listing is complete and compared */
	bool has_no_right; /* to be read, says the source (SOURCE_NO_RIGHT) */
	bool is_barred;    /* in two passes, and it is not the user's own: it is left */
	struct source_status status;
	char *keywords;                /* that the source shows; owned; NULL: none */
	uint64_t messages;             /* at the source, as listed */
	uint64_t unlisted;             /* of these, what could not be understood */
	uint64_t unknown_sizes;        /* and whose size the source does not say */
	uint64_t copied, copied_bytes; /* of these, here */
	uint64_t odd_sizes; /* the source says another size than its bytes have */

	struct wanted *wanted; /* owned */
	size_t n_wanted, cap_wanted;

	/* Where the source tells what has changed (changes.h): */
	struct uid_set uids;         /* as listed */
	bool is_known;               /* they, and nothing else, are at the destination */
	bool is_unlike;              /* a message came with another row than was listed */
	uint64_t listed_at;          /* it was listed as a whole; wall milliseconds */
	const struct folder *before; /* only what changed since is asked for; NULL: all */
	uint64_t since;              /* it was compared so; 0: by a whole listing */
	struct source_known known;   /* for the reader; its cuts are owned */
	uint32_t *cuts;
};

struct subscription {
	char *name; /* owned */
	size_t name_len;
	bool at_source, here;
};

struct folders {
	struct folder *at;
	size_t count, cap;
	size_t settled; /* those up to here are sorted */
	struct subscription *subscriptions;
	size_t n_subscriptions, cap_subscriptions;
};

void folders_fini(struct folders *f); /* empty again; may be called twice */
struct str folder_name(const struct folder *f);
bool folder_is_selectable(const struct folder *f);

/* From the source; a second one of the same name adds its special use. -ENOMEM. */
int folders_add(struct folders *f, const struct mail_folder *folder);
int folders_subscribe(struct folders *f, struct str name, bool at_source, bool here);
/* Sorts by name and joins doubles: indexes are valid from here on. */
void folders_settle(struct folders *f);
/* Of a settled table, among what the source lists; NULL: not there. */
const struct folder *folders_find(const struct folders *f, struct str name);
/* Reads what the destination has into the settled table (adding what only it has). */
int folders_read_destination(
	struct folders *f, const struct destination *to, struct error *err);

int folder_want(struct folder *f, uint32_t uid, uint64_t size, bool joined);
struct wanted *folder_wanted(struct folder *f, uint32_t uid); /* NULL: not wanted */
void folder_want_nothing(struct folder *f);

#endif
