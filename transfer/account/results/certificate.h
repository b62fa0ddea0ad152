/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_CERTIFICATE_H
#define TRANSFER_CERTIFICATE_H
/* What a verification found, as JSON that a person can read years later. */
#include "transfer/account/job/onward_proof.h"
#include "transfer/back/carry.h"
#include "transfer/copy/sync.h"

struct certificate_facts {
	const char *source; /* "192.0.2.10:143" */
	const struct source_ops *reader;
	uint64_t at; /* wall clock */
	bool equal;
	int uidls_kept; /* 1, 0, -1: not looked at */
	uint64_t uidls;
	uint64_t uidls_derived; /* of them, not read */
	struct str uidls_last;  /* what comes behind it is late; NULL: not known */
	const char *uidls_note;
	/* Of one that moves on to another server, else NULL: what was carried to it, or
	   what it shows of a Maildir. */
	const char *destination; /* "192.0.2.20:143" */
	const struct carry *onward;
	const struct onward_proof *shown;
};

/* Of the last pass. *ret_json is malloc'd; -ENOMEM. */
int certificate_make(
	const struct sync *s, const struct certificate_facts *facts, char **ret_json);

#endif
