/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_CROSSING_H
#define DASHBOARD_CROSSING_H
/* Where each account is on its way from the old server, as a picture: one dot each. */
#include "dashboard/html.h"

enum place {
	PLACE_FAILED,
	PLACE_NOT_CAPTURABLE,
	PLACE_WAITING,
	PLACE_DUE,
	PLACE_COPYING,
	PLACE_CATCHING_UP,
	PLACE_SWITCHING,
	PLACE_HERE,
	PLACE_COUNT
};

enum shore { SHORE_SOURCE, SHORE_BETWEEN, SHORE_HERE, SHORE_COUNT };

struct place_row {
	const char *name;  /* in classes and URLs */
	const char *title; /* "failed" */
	enum shore shore;
};
extern const struct place_row place_rows[PLACE_COUNT];

/* PLACE_COUNT: there is none of that name. */
enum place place_by_name(struct str name);
/* Of a row of `accounts --json`. */
enum place place_of(const json_t *account);

/* The picture, and its legend with numbers. */
void crossing_write(struct html *h, const json_t *accounts);

#endif
