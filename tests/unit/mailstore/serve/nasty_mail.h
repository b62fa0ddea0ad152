/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TESTS_NASTY_MAIL_H
#define TESTS_NASTY_MAIL_H
/* A mailbox of the mail that breaks parsers, and a session on it: the fuzzer's corpus,
   and messages of its lines in other orders. */
#include "mailstore/serve/memory_session.h"

#define NASTY_MIXED 600

struct nasty_mail {
	struct memory_server server; /* one session, nothing selected */
	char *files[64];
	struct str bodies[64];
	size_t n_files;
	struct str lines[4096];
	size_t n_lines;
	unsigned seed;
};
int nasty_mail_open(struct nasty_mail *n);
void nasty_mail_close(struct nasty_mail *n);
unsigned nasty_mail_random(struct nasty_mail *n, size_t below);
int64_t nasty_mail_inbox(struct store *s);
/* One more message of random lines, in a transaction. */
void nasty_mail_add(struct nasty_mail *n);
/* Appends what is answered to *ret. */
void nasty_mail_ask(struct nasty_mail *n, struct str command, struct buf *ret);
void nasty_mail_same(struct str command, struct str before, struct str after);

#endif
