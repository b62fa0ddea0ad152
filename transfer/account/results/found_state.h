/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_FOUND_STATE_H
#define TRANSFER_FOUND_STATE_H
/*
 * What one look at the source has found of an account besides its mail: kept up to these
 * numbers, counted beyond them. The source can say anything.
 */
#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

#define FOUND_FOLDERS_MAX 50 /* of others, kept with their names */
#define FOUND_SHARES_MAX 50  /* of own folders, to one user or group each */
#define FOUND_WITHHELD_MAX 20
#define FOUND_QUOTAS_MAX 8
#define FOUND_NAME_MAX 255  /* bytes of a name; a longer one is only counted */
#define FOUND_RIGHTS_MAX 32 /* letters: RFC 4314 has 14 */

enum found_copy {
	FOUND_NOT_COPIED,
	FOUND_COPIED,
	FOUND_WITHOUT_RIGHT, /* to read it: so it is not copied */
};

struct found_folder { /* of somebody else, which the user sees */
	struct str name;
	bool is_shared; /* else another user's */
	enum found_copy copy;
	struct str rights; /* the user's; "": not known */
};

struct found_share { /* a folder of the user's own */
	struct str folder, who, rights;
};

struct found_withheld { /* one whose ACL is not shown to its user */
	struct str folder, rights;
};

struct found_quota {
	struct str root, resource;
	uint64_t used, limit; /* STORAGE in units of 1024 bytes (RFC 9208, 5) */
};

struct found {
	struct arena arena;
	/* whether the source shows such things at all */
	bool has_namespace, has_acl, has_quota;
	struct found_folder folders[FOUND_FOLDERS_MAX];
	size_t n_folders, folders_total;
	struct found_share shares[FOUND_SHARES_MAX];
	size_t n_shares, shares_total;
	struct found_withheld withheld[FOUND_WITHHELD_MAX];
	size_t n_withheld, withheld_total;
	size_t unasked; /* own folders beyond the most that are asked about */
	struct found_quota quotas[FOUND_QUOTAS_MAX];
	size_t n_quotas;
};

/* Each copies its strings; -ENOMEM. What is too long, and what is there already, changes
   no more than the count. */
int found_add_folder(
	struct found *f, struct str name, bool is_shared, enum found_copy copy);
int found_add_share(
	struct found *f, struct str folder, struct str who, struct str rights);
int found_add_withheld(struct found *f, struct str folder);
int found_add_quota(struct found *f, const struct found_quota *q);
/* Of a folder that was added before; of any other one nothing is kept. */
int found_set_rights(struct found *f, struct str folder, struct str rights);

/* As JSON, below FOUND_STATE_MAX (registry/found.h). The caller frees. NULL: no
   memory. */
char *found_state_write(const struct found *f);

#endif
