/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_TOKEN_H
#define DASHBOARD_TOKEN_H
/* The token that browsers log in with: only root may open its file. */
#include "base/buf.h"
#include "base/error.h"

/* Reads it; one that is not there is made. out holds the file, and is the caller's to
   wipe; *ret is the token in it. 0 or -errno. */
int token_load(const char *path, struct buf *out, struct str *ret, struct error *err);

#endif
