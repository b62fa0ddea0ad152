/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_EQUAL_H
#define TRANSFER_EQUAL_H
/* Whether the last pass has found the copy equal to the source. */
#include <stdbool.h>

struct job;

/* Nothing is left to be done but what cannot be. */
bool equal_is(const struct job *j);
/* Whether the account moves without what cannot be read: the admin has said so. */
bool equal_leaves_unreadable(const struct job *j);
/* -EREMOTEIO with the first thing that the source does not give. */
int equal_refuse_unreadable(struct job *j);

#endif
