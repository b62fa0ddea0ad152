/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_TERMINAL_SINCE_H
#define CONTROL_TERMINAL_SINCE_H
/* "Since when", as a person writes it. */
#include "base/error.h"

#include <stdint.h>

/* 90s, 15m, 2h, 3d, 4w before now; or a local time: 2026-11-25, "2026-11-25 14:00",
   2026-11-25T14:00:30. Wall clock, ms. -EINVAL with the sentence. */
int since_read(const char *text, uint64_t now_ms, uint64_t *ret_ms, struct error *err);

#endif
