/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_PACK_H
#define MAILSTORE_STORE_PACK_H
/*
 * Pack files: bodies one after the other, nothing else in them.
 *
 *   0007.pack   │ body │ body │ body │ gap │ body │░ torn tail ░│
 *               0                                 ▲ position: the next reservation
 *
 * Where a body lies is known only to the rows of the index. A range is reserved in memory
 * and then written once; bytes beyond the last row (a crash, a rollback) are overwritten
 * by the next opener. Small pieces are gathered in buffers, large ones go to pwrite() as
 * they are. Knows nothing of SQLite. Inside mailstore/store only.
 */
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* What a backup copies again for one change. */
#define PACK_SIZE_MAX ((uint64_t)1 << 30)
/* A write of this size costs no more per byte than a larger one. */
#define PACK_BUFFER_SIZE 262144
/* Writers side by side: one for each connection to the source. */
#define PACK_BUFFERS 4
/* From here the copy costs more than the system call; below, the page cache is cheaper to
   fill in large steps than message by message (0.26 s instead of 0.40 s for 740 MB). */
#define PACK_DIRECT_MIN 131072
/* Handed to the disk early, so that fdatasync has little left to do. */
#define PACK_WRITEBACK_EVERY ((uint64_t)4 << 20)
/* Far beyond any mail, and sums stay in off_t. */
#define PACK_BODY_MAX ((uint64_t)1 << 40)
#define PACK_NAME_MAX 32 /* ten digits and ".pack" */

/* Seen at once of a file whose bytes are sent: so much memory is counted as ours. */
#define PACK_WINDOW ((uint64_t)16 << 20)

struct pack {
	struct packs *of;
	uint32_t number;
	int fd;
	bool dirty;     /* bytes since the last fdatasync */
	bool wanted;    /* a row of the open transaction points here */
	bool failed;    /* a write-back failed: what was not synced then may be lost */
	bool unlinked;  /* freed with its last view */
	unsigned open;  /* bodies begun and not yet in a row or given up */
	unsigned views; /* bodies being read */
	uint64_t unsent_from, unsent; /* for the early write-back */
	struct pack *next;
};

struct pack_buffer {
	struct pack *pack;
	uint64_t offset;
	size_t len;  /* 0: free */
	char *bytes; /* PACK_BUFFER_SIZE, from its first use */
};

/* Where bytes that are sent are mapped. It moves. */
struct pack_window {
	struct pack *pack; /* NULL: nowhere */
	uint64_t from;
	void *bytes;   /* PACK_WINDOW */
	uint64_t seen; /* of them, in the file when it was last looked at */
};

struct packs {
	int directory;
	struct pack *all;
	struct pack *current; /* NULL: the next reservation makes one */
	uint32_t newest;
	uint64_t position;
	bool directory_dirty; /* a file was made */
	struct pack_buffer buffers[PACK_BUFFERS];
	unsigned turn; /* the buffer to give up next */
	struct pack_window window;
};

/* Takes the directory's descriptor and looks which files there are. */
int packs_find_newest(struct packs *p, int directory, struct error *err);
/* last, end: the highest pack in the rows and where its last body ends. Goes on there,
   but never in a pack that is missing or too short: that one needs a backup. */
int packs_start(struct packs *p, uint32_t last, uint64_t end, struct error *err);
void packs_close(struct packs *p); /* p->directory -1 is fine */

int pack_find(struct packs *p, uint32_t number, struct pack **ret, struct error *err);
int pack_reserve(struct packs *p, uint64_t len, struct pack **ret, uint64_t *ret_offset,
	struct error *err);
/* Gives a range back: at the end it is reused at once, elsewhere its blocks are freed. */
void pack_give_back(struct packs *p, struct pack *k, uint64_t offset, uint64_t len);
int pack_write(struct packs *p, struct pack *k, uint64_t offset, struct str bytes,
	struct error *err);

/* What is reserved from now on lies neither in that file nor in one that has lost its
   name. */
void packs_leave(struct packs *p, uint32_t number);
/* The file that has its name now, to be read: whatever is open. -ENOENT. */
int pack_open_again(const struct packs *p, uint32_t number);

int packs_flush(struct packs *p, struct error *err);
/* Every wanted pack on disk, with its name in the directory. */
int packs_sync(struct packs *p, struct error *err);
void packs_settle(struct packs *p); /* the transaction ended: nothing is wanted */

/* A file without rows. Views of it stay valid. */
void pack_unlink(struct packs *p, uint32_t number);
void pack_release(struct pack *k); /* one view less */
/* What lies at offset, up to the window's end or the file's, for a system call: who reads
   it without one gets a SIGBUS where the file is cut short meanwhile. may_move: what was
   seen before is not seen any more, and the file is looked at again. ptr NULL: it is not
   to be seen so. */
struct str pack_see(struct pack *k, uint64_t offset, bool may_move);
void packs_close_window(struct packs *p);
int pack_size(const struct pack *k, uint64_t *ret_size, struct error *err);

/* A small set of pack numbers. */
struct pack_set {
	uint32_t *numbers;
	size_t count, cap;
};
bool pack_set_has(const struct pack_set *set, uint32_t number);
int pack_set_add(struct pack_set *set, uint32_t number);
void pack_set_clear(struct pack_set *set); /* frees */

#endif
