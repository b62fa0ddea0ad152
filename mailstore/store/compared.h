/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_COMPARED_H
#define MAILSTORE_STORE_COMPARED_H
/*
 * Which bodies this process has found right, by a number that each has alone.
 *
 * It may forget: that body is compared again. It never says yes to a number that was not
 * added. It grows with what is added, up to COMPARED_MAX numbers. Inside mailstore/store
 * only.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMPARED_MIN 1024
#define COMPARED_MAX 131072 /* 1 MiB: the mailbox of somebody who reads all of it */

struct compared { /* zeroed: empty */
	uint64_t *numbers;
	size_t size, count;
};

bool compared_has(const struct compared *c, uint64_t number);
/* number: not 0. Without memory it forgets. */
void compared_add(struct compared *c, uint64_t number);
/* It is asked for soon. */
void compared_expect(const struct compared *c, uint64_t number);
void compared_free(struct compared *c);

#endif
