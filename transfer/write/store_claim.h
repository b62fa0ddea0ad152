/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_STORE_CLAIM_H
#define TRANSFER_STORE_CLAIM_H
/* Whose a mail folder is, and what may be done with it. -EPERM with the sentence: it is
   another account's, or not in that state. */
#include "mailstore/store/store.h"

/* May it be made equal to what the source has? From now on it is a copy. */
int store_claim_for_copy(
	struct store *s, struct str account, struct arena *arena, struct error *err);
/* May something be added to what the account has? What is added may be nowhere else, so
   that the folder counts as served: what it is to become with the first change (owner "":
   it is so already). Half a copy is never made one: a folder that does not say that it is
   served is so when the registry has said it (is_local). */
int store_claim_served(struct store *s, struct str account, bool is_local,
	struct arena *arena, struct store_identity *ret_becomes, struct error *err);

#endif
