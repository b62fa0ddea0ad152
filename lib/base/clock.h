/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
/* Two clocks that are not to be mixed: wall time is stored and shown (it may jump),
   monotonic time measures and times out. Both in milliseconds. */
#include <stdbool.h>
#include <stdint.h>

uint64_t clock_wall_ms(void);
uint64_t clock_monotonic_ms(void);

/* Whether a wall time that was written down is over: set at most `most` ms ahead, it is
   over as well where it lies twice as far ahead, for the clock was set back since. */
bool clock_is_over(uint64_t at, uint64_t now, uint64_t most);

#endif
