/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/starttls.h"

static const struct row {
	struct str greeting; /* how a good one begins */
	struct str ehlo;     /* "": none is needed before */
	struct str command;
	struct str good,
		other; /* how the answer begins; "": anything else is a refusal */
} rows[] = {
	[STARTTLS_IMAP] = { STR("* OK"), STR(""), STR("mf1 STARTTLS\r\n"), STR("mf1 OK"),
		STR("* ") },
	[STARTTLS_POP3] = { STR("+OK"), STR(""), STR("STLS\r\n"), STR("+OK"), STR("") },
	/* any name does: EHLO is said again inside TLS (RFC 3207, 4.2) */
	[STARTTLS_SMTP] = { STR("220"), STR("EHLO [127.0.0.1]\r\n"), STR("STARTTLS\r\n"),
		STR("220"), STR("") },
};

static struct str line_of(struct str input)
{
	size_t n = str_index(input, '\n');

	return n < input.len ? str_take(input, n + 1) : (struct str){ 0 };
}

/* "250-more": a reply of SMTP goes on in the next line (RFC 5321, 4.2.1). */
static bool goes_on(const struct starttls *t, struct str line)
{
	return t->protocol == STARTTLS_SMTP && line.len > 3 && line.ptr[3] == '-';
}

static enum starttls_result say(
	struct starttls *t, enum starttls_step step, struct str words, struct buf *out)
{
	t->step = step;
	return buf_append(out, words) < 0 ? STARTTLS_BROKEN : STARTTLS_NEED_MORE;
}

/* Without the capabilities: in clear they are others than inside TLS, and void there (RFC
   3501, 6.2.1), so that whoever speaks inside asks for them. */
static int keep_greeting(const struct starttls *t, struct str line, struct buf *greeting)
{
	const struct str code = STR("[CAPABILITY ");
	size_t open = str_index(line, '['), close = str_index(line, ']');
	struct str after = str_skip(line, close + 1);
	int r;

	if (t->protocol != STARTTLS_IMAP || close == line.len ||
		!str_istarts(str_skip(line, open), code))
		return buf_append(greeting, line);
	r = buf_append(greeting, str_take(line, open));
	return r < 0 ? r
	             : buf_append(greeting,
			       str_skip(after, str_starts(after, STR_LIT(" "))));
}

static enum starttls_result on_greeting(
	struct starttls *t, struct str line, struct buf *to_server, struct buf *greeting)
{
	const struct row *row = &rows[t->protocol];

	if (buf_len(greeting) > STARTTLS_LINE_MAX || keep_greeting(t, line, greeting) < 0)
		return STARTTLS_BROKEN;
	if (goes_on(t, line))
		return STARTTLS_NEED_MORE;
	if (!str_istarts(line, row->greeting))
		return STARTTLS_REFUSED;
	return row->ehlo.len ? say(t, STARTTLS_IN_EHLO, row->ehlo, to_server)
	                     : say(t, STARTTLS_IN_ANSWER, row->command, to_server);
}

static enum starttls_result on_line(
	struct starttls *t, struct str line, struct buf *to_server, struct buf *greeting)
{
	const struct row *row = &rows[t->protocol];

	if (t->step == STARTTLS_IN_GREETING)
		return on_greeting(t, line, to_server, greeting);
	if (goes_on(t, line))
		return STARTTLS_NEED_MORE;
	if (t->step == STARTTLS_IN_EHLO)
		return str_starts(line, STR_LIT("250"))
		               ? say(t, STARTTLS_IN_ANSWER, row->command, to_server)
		               : STARTTLS_REFUSED;
	if (str_istarts(line, row->good))
		return STARTTLS_GO;
	return row->other.len && str_starts(line, row->other) ? STARTTLS_NEED_MORE
	                                                      : STARTTLS_REFUSED;
}

enum starttls_result starttls_next(struct starttls *t, struct str input, size_t *ret_used,
	struct buf *to_server, struct buf *greeting)
{
	enum starttls_result result = STARTTLS_NEED_MORE;
	struct str rest = input;

	while (result == STARTTLS_NEED_MORE) {
		struct str line = line_of(rest);

		if (!line.len)
			break;
		rest = str_skip(rest, line.len);
		result = on_line(t, line, to_server, greeting);
	}
	*ret_used = input.len - rest.len;
	if ((result == STARTTLS_GO && rest.len) || rest.len > STARTTLS_LINE_MAX)
		return STARTTLS_BROKEN;
	return result;
}
