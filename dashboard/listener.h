/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_LISTENER_H
#define DASHBOARD_LISTENER_H
/* What only root may open: where browsers come in, and the token. */
#include "base/buf.h"
#include "base/error.h"
#include "settings/settings.h"

/* A listening socket, non-blocking; a socket file is group's to connect to, besides
   root's. Returns it or -errno. */
int listener_open(const char *where, unsigned group, struct error *err);

/* Reads it; one that is not there is made. out holds the file, and is the caller's to
   wipe; *ret is the token in it. 0 or -errno. */
int token_load(const char *path, struct buf *out, struct str *ret, struct error *err);

#endif
