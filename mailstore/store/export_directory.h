/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_EXPORT_DIRECTORY_H
#define MAILSTORE_STORE_EXPORT_DIRECTORY_H
/* An export into a folder that is empty. */
#include "mailstore/store/export.h"

int store_export_directory(const char *folder, int to, store_finding_fn *each,
	void *context, struct store_exported *ret, struct error *err);

#endif
