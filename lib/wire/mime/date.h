/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_DATE_H
#define WIRE_MIME_DATE_H
/* Dates of header fields (RFC 5322, 3.3 and 4.3), as people's programs write them. */
#include "base/str.h"

/* The day of a Date: field, its time and zone left out, as IMAP's SENTON, SENTBEFORE and
   SENTSINCE ask for it: its midnight as if in UTC, in seconds since 1970. */
bool mime_day(struct str value, int64_t *ret_seconds);

struct mime_date {
	int64_t seconds; /* since 1970, UTC */
	int16_t zone;    /* minutes east of UTC; 0 when it has none that is known */
};

/* Day and time; without a time it is no date. */
bool mime_date_time(struct str value, struct mime_date *ret);
/* When a message came to the server whose header this is: the date of its topmost
   Received: field (behind a semicolon), else of Date:. */
bool mime_arrival(struct str header, struct mime_date *ret);

#endif
