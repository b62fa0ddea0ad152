/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_MEMORY_DESTINATION_H
#define TEST_MEMORY_DESTINATION_H
/*
 * A destination in memory, behind the same interface as the real ones. It keeps two
 * states: what was changed, and what a crash would leave. A test makes any change fail.
 */
#include "transfer/write/destination.h"

#define MEMORY_KEPT_FOLDERS_MAX 16
#define MEMORY_KEPT_MAIL_MAX 2000

struct memory_mail {
	struct mail is;
	struct str body;
};

struct memory_kept_folder {
	struct destination_folder is;
	struct memory_mail mail[MEMORY_KEPT_MAIL_MAX]; /* by UID */
	size_t count;
};

struct memory_state {
	struct memory_kept_folder folders[MEMORY_KEPT_FOLDERS_MAX];
	size_t n_folders;
	struct str subscriptions[MEMORY_KEPT_FOLDERS_MAX];
	size_t n_subscriptions;
	struct str note_name, note_value; /* one is enough */
	uint64_t modseq;
};

struct memory_destination {
	struct memory_state now, durable;
	int64_t last_id;
	bool has_failed;
	uint64_t changes; /* so many so far */
	uint64_t fail_at; /* this one gives -ENOSPC; 0: none */
	struct {
		char *bytes;
		size_t len, come;
		bool is_open;
	} incoming[SOURCE_CONNECTIONS_MAX];
	struct arena arena; /* all strings and bodies, to the end */
};

/* On the heap; its free() ends it. */
struct memory_destination *memory_destination_new(struct destination *ret);

#endif
