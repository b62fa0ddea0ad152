/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_CROSSING_NOTES_H
#define INTERCEPTOR_CROSSING_NOTES_H
/* How sessions have left the source, for the journal: written at the worker's ticks,
   since just at a switch the registry is busy and the other sessions wait. */
#include "registry/registry.h"

#include <sys/queue.h>

#define CROSSING_NOTES_MAX 4096 /* sessions of some seconds; what is above is not noted */

struct crossing_notes {
	STAILQ_HEAD(, crossing_note) all;
	size_t n;
};

void crossing_notes_init(struct crossing_notes *c);
/* handed: it goes on here; else it was ended. detail: service and client. false: it will
   not be noted. */
bool crossing_notes_add(
	struct crossing_notes *c, int64_t account, bool handed, const char *detail);
/* Those that find the registry busy wait for the next time. */
void crossing_notes_write(struct crossing_notes *c, struct registry *r);
void crossing_notes_fini(struct crossing_notes *c); /* forgets those that are left */

#endif
