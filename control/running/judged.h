/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_JUDGED_H
#define CONTROL_RUNNING_JUDGED_H
/* What programs count: of the admission what it has judged, and how the kernel's queue is
   (admission/clients.c); of the interceptor its clients. */
#include "settings/settings.h"

#include <jansson.h>
#include <stdio.h>

/* An object of numbers; NULL: it does not run. */
json_t *judged_ask(const struct settings *s);
json_t *tally_ask(const struct settings *s);
/* One number of it; 0 when it is not there. */
uint64_t judged_number(const json_t *judged, const char *what);
/* "0 of 8192 packets wait (at most 12 so far), …" without a newline. */
void judged_print_queue(const json_t *judged, FILE *to);

#endif
