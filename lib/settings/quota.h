/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_QUOTA_H
#define SETTINGS_QUOTA_H
/*
 * How much mail an account may hold, as `quota` and `mailferry quota --set` say it:
 *
 *   10G, 500M, 1000000      bytes (K, M, G, T: powers of 1024)
 *   10G,100000              and so many messages
 *   0,100000                only so many messages
 *   none                    no limit
 */
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct settings_quota { /* 0: no limit */
	uint64_t bytes, messages;
};

/* "80,95": ascending, 1 to 99; "none". */
#define PERCENTS_MAX 4
struct settings_percents {
	uint8_t percents[PERCENTS_MAX];
	size_t n;
};
int percents_parse(const char *text, struct settings_percents *ret);
#define PERCENTS_TEXT_MAX 16 /* four of two digits, or "none" */
void percents_text(
	const struct settings_percents *p, char text[static PERCENTS_TEXT_MAX]);

/* "500M"; false: that is no size. */
bool quota_parse_size(struct str text, uint64_t *ret);
/* 0 or -EINVAL. */
int quota_parse(const char *text, struct settings_quota *ret);
/* What quota_parse() reads as the same. */
#define QUOTA_TEXT_MAX 48 /* two numbers of 20 digits, a unit, a comma */
void quota_text(const struct settings_quota *q, char text[static QUOTA_TEXT_MAX]);

#endif
