/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_SWEEP_STATE_H
#define TRANSFER_SWEEP_STATE_H
/* What a sweep knows of each folder, as JSON: where the certificate of the switch left
   it, and how far it came since. */
#include "transfer/copy/sweep.h"

/* -ENODATA: the certificate says nothing of UIDs. */
int sweep_state_read(
	struct sweep *s, struct str certificate, struct str state, struct error *err);
/* Only of folders that have something to tell. The caller frees. NULL: no memory. */
char *sweep_state_write(const struct sweep *s, struct str certificate);

#endif
