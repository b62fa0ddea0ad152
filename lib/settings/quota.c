/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/quota.h"

#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char units[] = "KMGT";
#define UNIT_BITS 10u
#define PERCENT_MOST 99u /* at 100 nothing comes in any more */

bool quota_parse_size(struct str text, uint64_t *ret)
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
		if (!quota_parse_size(size, &q.bytes))
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

int percents_parse(const char *text, struct settings_percents *ret)
{
	struct settings_percents p = { 0 };
	struct str left = str_from(text);
	uint32_t one, last = 0;
	bool more = strcmp(text, "none") != 0;

	while (more) {
		size_t comma = str_index(left, ',');

		if (p.n == PERCENTS_MAX || !str_to_u32(str_take(left, comma), &one) ||
			one <= last || one > PERCENT_MOST)
			return -EINVAL;
		p.percents[p.n++] = (uint8_t)one;
		last = one;
		more = comma < left.len;
		left = str_skip(left, comma + 1);
	}
	*ret = p;
	return 0;
}

void percents_text(const struct settings_percents *p, char text[static PERCENTS_TEXT_MAX])
{
	int len = 0;

	(void)snprintf(text, PERCENTS_TEXT_MAX, "none");
	for (size_t i = 0; i < p->n; i++)
		len += snprintf(text + len, PERCENTS_TEXT_MAX - (size_t)len, "%s%u",
			i ? "," : "", p->percents[i]);
}
