/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/trace.h"

#include <stdlib.h>
#include <time.h>

/* RFC 3848 */
static const char *protocol(const struct smtp_trace *t)
{
	if (t->lmtp)
		return "LMTP";
	if (!t->esmtp)
		return "SMTP";
	if (t->secure)
		return t->authenticated ? "ESMTPSA" : "ESMTPS";
	return t->authenticated ? "ESMTPA" : "ESMTP";
}

static bool is_clean(char c, struct str forbidden)
{
	return (unsigned char)c >= ' ' && c != 0x7f &&
	       str_index(forbidden, c) == forbidden.len;
}

static int put_clean(struct buf *out, struct str s, const char *forbidden)
{
	int r = 0;

	for (size_t i = 0; i < s.len && r == 0; i++) {
		if (is_clean(s.ptr[i], str_from(forbidden)))
			r = buf_byte(out, s.ptr[i]);
		else
			r = buf_byte(out, '?');
	}
	return r;
}

static int put_address(struct buf *out, const char *before, struct str address)
{
	int r = buf_append_c(out, before);

	r = r < 0 ? r : put_clean(out, address, "<>");
	return r < 0 ? r : buf_append_c(out, ">");
}

/* RFC 5321, 4.1.3: an address literal names its family, but for IPv4. */
static int put_from(const struct smtp_trace *t, struct buf *out)
{
	bool v6 = str_index(t->client, ':') < t->client.len;
	int r = buf_append_c(out, "Received: from ");

	r = r < 0 ? r
	          : put_clean(out, t->helo.len ? t->helo : STR_LIT("unknown"), " ()\\;");
	if (r == 0 && t->client.len)
		r = buf_printf(out, " ([%s%.*s])", v6 ? "IPv6:" : "", STR_ARG(t->client));
	return r < 0 ? r : buf_append_c(out, "\r\n");
}

int smtp_date(int64_t at, int16_t zone, struct buf *out)
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
		"Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t there = (time_t)(at + INT64_C(60) * zone);
	int minutes = abs(zone);
	struct tm tm;

	if (!gmtime_r(&there, &tm))
		tm = (struct tm){ .tm_mday = 1, .tm_year = 70, .tm_wday = 4 };
	return buf_printf(out, "%s, %d %s %d %02d:%02d:%02d %c%02d%02d", days[tm.tm_wday],
		tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
		tm.tm_sec, zone < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

static int put_date(const struct smtp_trace *t, struct buf *out)
{
	int r = buf_byte(out, '\t');

	r = r < 0 ? r : smtp_date(t->at, t->zone, out);
	return r < 0 ? r : buf_append_c(out, "\r\n");
}

int smtp_trace(const struct smtp_trace *t, struct buf *out)
{
	int r = 0;

	if (!t->is_relayed)
		r = put_address(out, "Return-Path: <", t->sender);
	if (!t->is_relayed && r == 0)
		r = buf_append_c(out, "\r\n");
	r = r < 0 ? r : put_from(t, out);
	r = r < 0 ? r
	          : buf_printf(out, "\tby %.*s with %s id %.*s", STR_ARG(t->by),
			    protocol(t), STR_ARG(t->id));
	if (r == 0 && t->recipient.len)
		r = put_address(out, "\r\n\tfor <", t->recipient);
	r = r < 0 ? r : buf_append_c(out, ";\r\n");
	return r < 0 ? r : put_date(t, out);
}

int smtp_trace_delivered_to(struct str lines, struct str recipient, struct buf *out)
{
	struct str first = str_take(lines, str_index(lines, '\n') + 1);
	int r = buf_append(out, first);

	r = r < 0 ? r : buf_append_c(out, "Delivered-To: ");
	r = r < 0 ? r : put_clean(out, recipient, "<>");
	r = r < 0 ? r : buf_append_c(out, "\r\n");
	return r < 0 ? r : buf_append(out, str_skip(lines, first.len));
}
