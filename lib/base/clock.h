/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
/* Two clocks that are not to be mixed: wall time is stored and shown (it may jump),
   monotonic time measures and times out. Both in milliseconds. */
#include <stdint.h>

uint64_t clock_wall_ms(void);
uint64_t clock_monotonic_ms(void);

#endif
