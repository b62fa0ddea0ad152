/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SMART_HOST_REPORTS_RUNNER_H
#define INTERCEPTOR_SMART_HOST_REPORTS_RUNNER_H
/*
 * Sends delivery reports (source/reports.h) by the smart host: a child of the master, one
 * in all generations, with the folder of reports and connections to the smart host's port
 * and nothing else.
 *
 * One after the other, the oldest first. What the smart host does not take now is tried
 * again later and later, and no longer than five days; what it refuses for good is
 * dropped. Both are in the log: nobody else could be told, the sender of a report is <>.
 */
#include "settings/settings.h"

#define REPORTS_TASK "reports"

/* Until SIGTERM or the master's end; an exit status. */
int reports_run(const struct settings *settings);

#endif
