/* SPDX-License-Identifier: GPL-3.0-or-later */
/* States as words: in the file, in JSON and for people. */
#include "registry/registry.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const route_names[] = { "source", "busy", "local" };
static const char *const stage_names[] = { "idle", "due", "copying", "catching-up",
	"switching", "done", "failed" };
static const char *const pin_names[] = { "auto", "source", "local" };
static const char *const event_names[] = { "due", "copy", "catch-up", "switch",
	"switch-back", "arrive", "fail", "leave", "stay", "return", "cancel" };

_Static_assert(COUNT(route_names) == ROUTE_COUNT, "a name for each");
_Static_assert(COUNT(stage_names) == STAGE_COUNT, "a name for each");
_Static_assert(COUNT(pin_names) == PIN_COUNT, "a name for each");
_Static_assert(COUNT(event_names) == EVENT_COUNT, "a name for each");

const char *route_name(enum route r)
{
	return route_names[r];
}

const char *stage_name(enum stage s)
{
	return stage_names[s];
}

const char *pin_name(enum pin p)
{
	return pin_names[p];
}

const char *account_event_name(enum account_event e)
{
	return event_names[e];
}
