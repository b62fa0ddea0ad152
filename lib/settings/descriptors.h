/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_DESCRIPTORS_H
#define SETTINGS_DESCRIPTORS_H
/*
 * How many descriptors a program needs for what `limits` allows. It asks for them when it
 * starts (process_allow_descriptors()); how many there may be is the unit's LimitNOFILE=,
 * or who started it, and at the most what the kernel's fs.nr_open says.
 */
#include "settings/settings.h"

#define DESCRIPTORS_SPARE 512 /* pipes, registry, listeners */

/* A relayed session is two; all of them may fall to one worker. */
static inline uint64_t descriptors_of_interceptor(const struct limits *l)
{
	return l->connections * UINT64_C(2) + DESCRIPTORS_SPARE;
}

/* A session that sleeps is one, an account's process is four. Those of peers and logins
   that come just now are few. */
static inline uint64_t descriptors_of_mailstore(const struct limits *l)
{
	return l->connections * UINT64_C(4) + DESCRIPTORS_SPARE;
}

#endif
