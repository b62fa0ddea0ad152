/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_DATE_H
#define WIRE_IMAP_DATE_H
/* Dates as IMAP writes them (RFC 3501, 9: date-time, date). The zone is kept apart from
   the moment: INTERNALDATE must come out as it went in. */
#include "base/buf.h"
#include "base/str.h"

struct imap_date {
	int64_t seconds; /* since 1970, UTC */
	int16_t zone;    /* minutes east of UTC */
};

/* "17-Jul-1996 02:44:25 -0700", the quotes already off, a space before a one-digit day
   allowed. false: not a date (year 0000..9999, zone within a day). */
bool imap_date_time(struct str text, struct imap_date *ret);
int imap_put_date_time(struct buf *out, struct imap_date date); /* with quotes */

/* "1-Feb-1994" -> its midnight as if in UTC. For SEARCH. */
bool imap_day(struct str text, int64_t *ret_seconds);

#endif
