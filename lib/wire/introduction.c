/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/introduction.h"

#include "wire/imap/prelogin.h"
#include "wire/line.h"
#include "wire/smtp/reply.h"

#include <stdio.h>
#include <string.h>

#define LINE_MOST 8192 /* of IMAP before a login */
#define TAG "mf0"

enum step { GREETING, ANSWER, LAST };

void introduction_begin(struct introduction *i, enum introduction_kind kind,
	const char *address, unsigned port)
{
	*i = (struct introduction){ .kind = kind, .step = GREETING, .port = port };
	(void)snprintf(i->address, sizeof(i->address), "%s", address);
}

static bool is_v6(const struct introduction *i)
{
	return strchr(i->address, ':') != NULL;
}

/* ---- SMTP ---- */

/* What it would say of our own name must not be taken for the client's. */
static int say_xclient(
	const struct introduction *i, struct str ehlo, struct buf *to_server)
{
	struct str names;

	if (!smtp_ehlo_has(ehlo, STR_LIT("XCLIENT"), &names))
		return -1;
	return buf_printf(to_server, "XCLIENT NAME=[UNAVAILABLE] ADDR=%s%s\r\n",
		is_v6(i) ? "IPV6:" : "", i->address);
}

static enum introduction_is next_reply(
	struct introduction *i, struct buf *from_server, struct buf *to_server)
{
	struct smtp_reply reply;
	size_t used;
	int r;

	switch (smtp_reply_next(buf_view(from_server), &reply, &used)) {
	case SMTP_REPLY_NEED_MORE:
		return INTRODUCTION_MORE;
	case SMTP_REPLY_BROKEN:
		return INTRODUCTION_FAILED;
	case SMTP_REPLY_COMPLETE:
		break;
	}
	if (i->step == LAST) /* its 220 is the client's greeting */
		return reply.code == 220 ? INTRODUCTION_OVER : INTRODUCTION_FAILED;
	if (i->step == GREETING && reply.code != 220)
		return INTRODUCTION_OVER; /* a refusal that the client shall see */
	if (i->step == ANSWER && reply.code / 100 != 2)
		return INTRODUCTION_FAILED;
	r = i->step == GREETING ? buf_append(to_server, STR_LIT("EHLO [127.0.0.1]\r\n"))
	                        : say_xclient(i, reply.bytes, to_server);
	i->step++;
	buf_consume(from_server, used);
	return r < 0 ? INTRODUCTION_FAILED : INTRODUCTION_MORE;
}

/* ---- IMAP ---- */

/* "* OK [CAPABILITY … ID …] …" */
static bool offers_id(struct str greeting)
{
	const struct str head = STR_LIT("* OK [CAPABILITY ");
	struct str list;

	if (!str_istarts(greeting, head))
		return false;
	list = str_skip(greeting, head.len);
	return str_has_word(str_take(list, str_index(list, ']')), STR_LIT("ID"));
}

static enum introduction_is hear_greeting(struct introduction *i, struct str line,
	size_t used, struct buf *from_server, struct buf *to_server)
{
	if (!offers_id(line) || used > sizeof(i->greeting))
		return INTRODUCTION_OVER;
	memcpy(i->greeting, buf_view(from_server).ptr, used);
	i->greeting_len = used;
	buf_consume(from_server, used);
	i->step = ANSWER;
	return buf_printf(to_server,
		       TAG " ID (\"x-originating-ip\" \"%s\" \"x-originating-port\" "
			   "\"%u\")\r\n",
		       i->address, i->port) < 0
	               ? INTRODUCTION_FAILED
	               : INTRODUCTION_MORE;
}

/* The greeting before what came behind the answer: nothing, from a server that waits. */
static enum introduction_is give_greeting(struct introduction *i, struct buf *from_server)
{
	if (buf_len(from_server))
		return INTRODUCTION_FAILED;
	return buf_append(from_server, str_of(i->greeting, i->greeting_len)) < 0
	               ? INTRODUCTION_FAILED
	               : INTRODUCTION_OVER;
}

static enum introduction_is next_line(
	struct introduction *i, struct buf *from_server, struct buf *to_server)
{
	struct str line;
	size_t used;

	for (;;) {
		switch (line_next(buf_view(from_server), LINE_MOST, &line, &used)) {
		case LINE_NEED_MORE:
			return INTRODUCTION_MORE;
		case LINE_TOO_LONG:
			return INTRODUCTION_FAILED;
		case LINE_COMPLETE:
			break;
		}
		if (i->step == GREETING)
			return hear_greeting(i, line, used, from_server, to_server);
		if (str_istarts(line, STR_LIT("* BYE")))
			return INTRODUCTION_FAILED;
		i->step = str_starts(line, STR_LIT(TAG " ")) ? LAST : i->step;
		buf_consume(from_server, used);
		if (i->step == LAST)
			return give_greeting(i, from_server);
	}
}

enum introduction_is introduction_feed(
	struct introduction *i, struct buf *from_server, struct buf *to_server)
{
	switch (i->kind) {
	case INTRODUCTION_XCLIENT:
		return next_reply(i, from_server, to_server);
	case INTRODUCTION_ID:
		return next_line(i, from_server, to_server);
	case INTRODUCTION_NONE:
		break;
	}
	return INTRODUCTION_OVER;
}
