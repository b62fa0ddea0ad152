/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_DATE_H
#define WIRE_MIME_DATE_H
/* The day that a Date: field names (RFC 5322, 3.3), its time and zone left out, as IMAP's
   SENTON, SENTBEFORE and SENTSINCE ask for it. */
#include "base/str.h"

/* Midnight of that day as if in UTC, in seconds since 1970. */
bool mime_day(struct str value, int64_t *ret_seconds);

#endif
