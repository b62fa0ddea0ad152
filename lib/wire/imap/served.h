/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_SERVED_H
#define WIRE_IMAP_SERVED_H
/* The capabilities that accounts have once they live here: what mailstore/serve does, and
   what `check` compares a source's with. */
#include "base/str.h"

/* Without APPENDLIMIT, whose number is a setting. */
extern const char imap_served[];

/* A client that knows it of the source finds it here; what is said before login only is
   not asked for here. */
bool imap_is_served(struct str capability);

#endif
