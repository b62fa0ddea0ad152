/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_CARRY_WORLD_H
#define TEST_CARRY_WORLD_H
/*
 * An account that has moved from an old server in memory to a real store, whose user has
 * lived here since, and whose old server has gone on by itself.
 */
#include "mailstore/serve/swept.h"
#include "transfer/back/carry.h"
#include "transfer/back/memory_writer.h"
#include "transfer/copy/ends.h"

#define ROOM ((size_t)1 << 20)
#define OF_THE_SOURCE 77777 /* date of what only the source has */

/* Seen by a child that dies, and by who comes after it. */
extern struct shared {
	struct memory_source source;
	char room[ROOM];
	size_t used;
} * shared;

struct world {
	struct end end;
	struct memory_writer writer;
	struct carry_sums sums;
	struct carry_losses lost;
	char names[512]; /* lost keywords and folders */
};

void world_share(void); /* before all others */
void world_begin(struct world *w);
void world_end(struct world *w);
char *world_keep(struct str bytes); /* for the source's strings */
struct store *world_store(struct world *w);
int64_t world_mailbox(struct store *s, const char *name);
/* A message that is new here. */
void world_gets(struct world *w, const char *name, const char *body);
void world_renames(struct world *w, const char *from, const char *to);
/* What swept_put() says of a message of the source's INBOX. */
int world_sweep(struct world *w, uint32_t uid, struct str body, int64_t date);

/* What the user does here, and what the source does meanwhile: a swept message, one that
   nobody saw, flags, one that goes. */
void world_lives_here(struct world *w);
void world_lives_there(struct world *w);

int world_carry(struct world *w, struct error *err);
/* Each mailbox here is at the source, message by message; but what only that has. */
void world_check_equal(struct world *w, bool ignores_flags);
/* After world_lives_there(): what it did by itself stays. */
void world_check_source(void);
/* Once more there, which takes all from the source; then back, which does nothing. */
void world_check_round_trip(struct world *w);

#endif
