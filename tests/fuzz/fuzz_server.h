/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FUZZ_FUZZ_SERVER_H
#define FUZZ_FUZZ_SERVER_H
/*
 * A server on the store of memory_session.h, made once in a process: all of a run lies in
 * one transaction, which is undone. A store that is opened for each run takes 3 ms, most
 * of it for SQLite's reading of its tables and preparing of statements; this takes 10 us.
 */
#include "mailstore/serve/memory_session.h"

/* As after memory_server_open(); but it is aborted where that fails. */
void fuzz_server_open(struct memory_server *m);
/* abort() when what the run left of the store is not sound, or the answers are not whole
   lines, or somebody still watches, reads, or is in a transaction. */
void fuzz_server_close(struct memory_server *m);

#endif
