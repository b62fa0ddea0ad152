/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_VIEWS_STORE_IMPORT_VIEW_H
#define CONTROL_VIEWS_STORE_IMPORT_VIEW_H
/* What an import has done, as text and JSON. */
#include "base/error.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>

struct import_view {
	struct str account;
	uint64_t mailboxes, messages; /* in the directory */
	uint64_t kept, added;         /* added under their UIDs, under new ones */
	uint64_t here;                /* that were here already */
	uint64_t left;                /* that cannot be read */
	uint64_t bytes;               /* of what was added */
	bool is_dry;
};

/* What should be known; printed at once, or kept for JSON. kind: "uids", "keyword",
   "unreadable". 0 or -ENOMEM. */
int import_view_finding(json_t *findings, const char *kind, struct str mailbox,
	uint32_t uid, struct str text);
int import_view_print(const struct import_view *v, json_t *findings);

#endif
