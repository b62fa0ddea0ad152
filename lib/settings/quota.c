/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/quota.h"

#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char units[] = "KMGT";
#define UNIT_BITS 10u

static bool parse_size(struct str text, uint64_t *ret)
{
	const char *unit =
		text.len ? memchr(units, text.ptr[text.len - 1], strlen(units)) : NULL;
	unsigned shift = 0;

	if (unit) {
		shift = (unsigned)(unit - units + 1) * UNIT_BITS;
		text.len--;
	}
	if (!str_to_u64(text, ret) || *ret > (uint64_t)INT64_MAX >> shift)
		return false;
	*ret <<= shift;
	return true;
}

int quota_parse(const char *text, struct settings_quota *ret)
{
	struct str left = str_from(text), size = str_split(&left, ',');
	struct settings_quota q = { 0 };

	if (strcmp(text, "none") != 0) {
		if (!parse_size(size, &q.bytes))
			return -EINVAL;
		if (strchr(text, ',') &&
			(!str_to_u64(left, &q.messages) || q.messages > INT64_MAX))
			return -EINVAL;
	}
	*ret = q;
	return 0;
}

void quota_text(const struct settings_quota *q, char text[static QUOTA_TEXT_MAX])
{
	char unit[2] = "";
	uint64_t size = q->bytes;
	int len;

	for (size_t i = 0; size && size % (1u << UNIT_BITS) == 0 && units[i]; i++) {
		size >>= UNIT_BITS;
		unit[0] = units[i];
	}
	len = snprintf(text, QUOTA_TEXT_MAX, "%" PRIu64 "%s", size, unit);
	if (q->messages)
		(void)snprintf(text + len, QUOTA_TEXT_MAX - (size_t)len, ",%" PRIu64,
			q->messages);
	else if (!q->bytes)
		(void)snprintf(text, QUOTA_TEXT_MAX, "none");
}
