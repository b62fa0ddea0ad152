/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/terminal/since.h"

#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define SECOND_MS UINT64_C(1000)

static int read_ago(const char *text, uint64_t *ret_ms)
{
	static const struct {
		char letter;
		uint64_t ms;
	} units[] = { { 's', SECOND_MS }, { 'm', 60 * SECOND_MS },
		{ 'h', 3600 * SECOND_MS }, { 'd', 86400 * SECOND_MS },
		{ 'w', 7 * 86400 * SECOND_MS } };
	size_t len = strlen(text);
	uint64_t n;

	if (len < 2 || !str_to_u64(str_of(text, len - 1), &n))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].letter == text[len - 1] && n <= UINT64_MAX / units[i].ms) {
			*ret_ms = n * units[i].ms;
			return 0;
		}
	return -EINVAL;
}

static int read_date(const char *text, uint64_t *ret_ms)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%d %H:%M",
		"%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S" };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm local = { .tm_isdst = -1 };
		const char *end = strptime(text, forms[i], &local);
		time_t seconds = end && !*end ? mktime(&local) : -1;

		if (seconds >= 0) {
			*ret_ms = (uint64_t)seconds * SECOND_MS;
			return 0;
		}
	}
	return -EINVAL;
}

int since_read(const char *text, uint64_t now_ms, uint64_t *ret_ms, struct error *err)
{
	uint64_t ms = 0;

	if (read_ago(text, &ms) == 0)
		*ret_ms = ms < now_ms ? now_ms - ms : 0;
	else if (read_date(text, &ms) == 0 && ms <= now_ms)
		*ret_ms = ms;
	else
		return error_set(err, -EINVAL,
			"\"%s\" is no time in the past; write 90s, 15m, 2h, 3d, 4w, or "
			"2026-11-25, or \"2026-11-25 14:00\"",
			text);
	return 0;
}
