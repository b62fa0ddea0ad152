/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_ALIAS_ROWS_H
#define REGISTRY_ALIAS_ROWS_H
/* Rows of the table of aliases, for alias.c and alias_import.c. */
#include "registry/address_key.h"
#include "registry/alias.h"
#include "registry/internal.h"

/* 1: *ret is filled and its strings live until *ret_row is ended, which is the caller's
   part (always); 0: there is none. */
int alias_read(struct registry *r, struct str key, struct alias *ret,
	struct query *ret_row, struct error *err);
/* registry_address() inside a transaction; *key changes. */
int alias_follow(struct registry *r, struct address_key *key, struct account_route *ret,
	struct error *err);
int alias_write(struct registry *r, const struct alias *a, struct error *err);

#endif
