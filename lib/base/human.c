/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/human.h"

#include <inttypes.h>
#include <time.h>

int human_bytes(struct buf *out, uint64_t bytes)
{
	static const char *const units[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
	size_t unit = 0;

	if (bytes < 1000)
		return buf_printf(out, "%" PRIu64 " B", bytes);
	while (bytes >= 1000000) {
		bytes /= 1000;
		unit++;
	}
	return buf_printf(out, "%" PRIu64 ".%" PRIu64 " %s", bytes / 1000,
		bytes % 1000 / 100, units[unit]);
}

int human_span(struct buf *out, uint64_t seconds)
{
	if (seconds < 3600)
		return buf_printf(
			out, "%" PRIu64 ":%02" PRIu64, seconds / 60, seconds % 60);
	return buf_printf(out, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, seconds / 3600,
		seconds / 60 % 60, seconds % 60);
}

int human_time(struct buf *out, uint64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm local;
	char text[32];

	if (!seconds)
		return buf_append_c(out, "never");
	if (!localtime_r(&seconds, &local) ||
		!strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local))
		return buf_append_c(out, "?");
	return buf_append_c(out, text);
}
