/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MILTER_EDIT_H
#define WIRE_MILTER_EDIT_H
/*
 * The header of a message as a content filter changes it (milter.h), counted as Sendmail
 * counts:
 *   - INSERT: 0 is before all, our own Received, which the filter has not seen. Our trace
 *     lines stay on top of a delivery all the same (Return-Path is to be the first), so 0
 *     and 1 are the same place.
 *   - CHANGE: the nth field of that name, from 1 on, ours not counted; a deleted one
 *     still counts. "" deletes. One that there is not is added at the end, unless it was
 *     to be deleted.
 *   - Lines of a value are parted by LF; one that does not begin with a blank gets one,
 *     so that no value ends the header.
 */
#include "base/arena.h"
#include "wire/milter/milter.h"

#define MILTER_EDIT_MAX 1048576 /* what filters may add to one header */

struct milter_line {
	struct milter_line *next;
	struct str name, all; /* all: with its line end; "" when it is deleted */
};

struct milter_edit {
	struct arena arena;
	struct milter_line *first;
	struct str body; /* of the message as it came */
	bool has_blank;
};

/* The message outlives it. 0 or -ENOMEM. */
int milter_edit_init(struct milter_edit *e, struct str message);
void milter_edit_fini(struct milter_edit *e); /* may be called twice */
/* One of the three kinds of header. 0; -EINVAL: no name of a field; -ENOBUFS: too much;
   -ENOMEM. */
int milter_edit_apply(struct milter_edit *e, const struct milter_change *c);

/* Calls `put` for each piece of the header, the blank line included; the body follows.
   What put() says, when it is not 0, ends it. */
int milter_edit_each(const struct milter_edit *e,
	int (*put)(void *context, struct str piece), void *context);

#endif
