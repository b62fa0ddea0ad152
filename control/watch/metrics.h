/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_WATCH_METRICS_H
#define CONTROL_WATCH_METRICS_H
/*
 * What there is to know of a running mailferry, as OpenMetrics text. One table has all
 * metrics; the handbook's list is written from it.
 *
 *   registry, programs' sockets, kernel, disk, files ──► samples ──► text
 *
 * Counters of programs begin anew with them; the registry keeps what they were
 * (registry/counts.h), so that those shown here never get smaller.
 */
#include "control/terminal/control.h"

#include "base/buf.h"

enum metric_id {
	METRIC_UP,
	METRIC_RULES,
	METRIC_ACCOUNTS,
	METRIC_ACCOUNT_STAGES,
	METRIC_UNCAPTURABLE,
	METRIC_OUT_OF_SERVICE,
	METRIC_COPIED_MESSAGES,
	METRIC_COPIED_BYTES,
	METRIC_CONNECTIONS,
	METRIC_ACCEPTED,
	METRIC_LOGINS,
	METRIC_HELD,
	METRIC_PACKETS,
	METRIC_BYTES,
	METRIC_VERDICTS,
	METRIC_QUEUE_WAITING,
	METRIC_QUEUE_LIMIT,
	METRIC_QUEUE_DROPPED,
	METRIC_QUEUE_OVERRUNS,
	METRIC_SOURCE_UP,
	METRIC_SOURCE_SECONDS,
	METRIC_ALARMS,
	METRIC_DISK_FREE,
	METRIC_DISK_RESERVE,
	METRIC_REPORTS,
	METRIC_CERTIFICATE,
	METRIC_COUNT
};

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };

struct metric {
	const char *name; /* of the family; samples of a counter end in _total */
	enum metric_type type;
	const char *labels; /* as the handbook shows them, "" */
	const char *help;
};
extern const struct metric metrics[METRIC_COUNT];
const char *metric_type_name(enum metric_type type);

/* The page, appended to *text. What does not run or cannot be asked is left out. */
int metrics_write(struct control *c, struct buf *text);

#endif
