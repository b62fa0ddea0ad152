/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_EVENTS_H
#define CONTROL_RUNNING_EVENTS_H
/*
 * What happened that an admin should hear of although it is over: a JSON file in run_dir,
 * the latest of each kind. `mailferry up` writes, `status` shows.
 */
#include "settings/settings.h"

#include "base/error.h"

#include <jansson.h>

#define EVENTS_FILE "events"
#define EVENT_SHOWN_MS (24 * 3600 * 1000ULL) /* then it is no news any more */

/* Counts it and keeps the sentence. An event that cannot be written is only logged by
   the caller: nothing else depends on it. 0 or -errno. */
int event_note(const struct settings *s, const char *kind, const char *sentence);

/* It is put right: nobody needs to hear of it any more. */
int event_forget(const struct settings *s, const char *kind);

bool event_is_noted(const struct settings *s, const char *kind);

/* Array of {"kind", "at" (wall clock, ms), "count", "text"}; empty when there are none.
   NULL without memory. */
json_t *events_read(const struct settings *s);

#endif
