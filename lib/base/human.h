/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_HUMAN_H
#define BASE_HUMAN_H
/* Numbers as people read them. Each appends to the buffer: 0 or as buf_append(). */
#include "base/buf.h"

int human_bytes(struct buf *out, uint64_t bytes);  /* "999 B", "1.5 MB" */
int human_span(struct buf *out, uint64_t seconds); /* "1:02", "1:02:03" */
/* Local time: "2026-03-01 10:11:12"; 0: "never". */
int human_time(struct buf *out, uint64_t wall_ms);

#endif
