/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_DRY_DESTINATION_H
#define TRANSFER_DRY_DESTINATION_H
/*
 * A destination that shows what another one has and changes nothing, for `--dry-run`.
 * Folders that are made or reset here are remembered, messages are not: it is good for
 * one pass. Bodies cannot be read (-EOPNOTSUPP).
 */
#include "transfer/write/destination.h"

/* to: the caller's, and stays so. */
int dry_destination_new(
	const struct destination *to, struct destination *ret, struct error *err);

#endif
