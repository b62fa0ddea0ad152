/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which of a server's CAPA lines may be shown by somebody who stands before it.
 *
 * Clients use what they saw before login, and the one who serves them afterwards may be
 * another server: so only what both sides keep.
 */
#include "wire/pop3/prelogin.h"

#include "wire/sasl_bound.h"

static const struct keep_row {
	struct str name;
	bool only_starttls;   /* only when STLS is carried out */
	bool differs_by_user; /* RFC 2449, 6.5 and 6.7: then "USER" stands behind it */
} keep_rows[] = {
	{ STR("TOP"), false, false }, { STR("USER"), false, false },
	{ STR("SASL"), false, false }, /* what we cannot do is passed on */
	{ STR("RESP-CODES"), false, false }, { STR("AUTH-RESP-CODE"), false, false },
	{ STR("PIPELINING"), false, false }, { STR("UIDL"), false, false },
	{ STR("LOGIN-DELAY"), false, true }, { STR("EXPIRE"), false, true },
	{ STR("IMPLEMENTATION"), false, false }, { STR("STLS"), true, false },
	/* not kept: UTF8 and LANG (RFC 6856: commands before login that change the
	   session after it), XCLIENT and all that nobody has described */
};

static struct str next_line(struct str *capability)
{
	struct str line = str_split(capability, '\n');

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

static struct str name_of(struct str line)
{
	return str_take(line, str_index(line, ' '));
}

static const struct keep_row *keep_row(struct str name)
{
	for (size_t i = 0; i < sizeof(keep_rows) / sizeof(keep_rows[0]); i++)
		if (str_ieq(name, keep_rows[i].name))
			return &keep_rows[i];
	return NULL;
}

static bool ends_in_user(struct str line)
{
	return line.len > 5 && str_ieq(str_skip(line, line.len - 5), STR_LIT(" USER"));
}

/* "SASL" with those that can pass. */
static int put_mechanisms(struct str line, struct buf *out)
{
	struct str all = str_trim(str_skip(line, name_of(line).len));
	int r = buf_append_c(out, "SASL");

	return r < 0 ? r : sasl_put_unbound(all, ' ', out);
}

int pop3_capability_filter(struct str capability, bool starttls, struct buf *out)
{
	int r = 0;

	while (capability.len && r == 0) {
		struct str line = next_line(&capability);
		const struct keep_row *k = keep_row(name_of(line));

		if (!k || (k->only_starttls && !starttls))
			continue;
		r = str_ieq(name_of(line), STR_LIT("SASL")) ? put_mechanisms(line, out)
		                                            : buf_append(out, line);
		if (r == 0 && k->differs_by_user && !ends_in_user(line))
			r = buf_append_c(out, " USER");
		if (r == 0)
			r = buf_append_c(out, "\r\n");
	}
	return r;
}

bool pop3_capability_args(struct str capability, struct str name, struct str *ret_args)
{
	while (capability.len) {
		struct str line = next_line(&capability);

		if (str_ieq(name_of(line), name)) {
			*ret_args = str_trim(str_skip(line, name.len));
			return true;
		}
	}
	return false;
}

bool pop3_capability_has(struct str capability, struct str name)
{
	struct str args;

	return pop3_capability_args(capability, name, &args);
}

bool pop3_greeting_timestamp(struct str greeting, struct str *ret_timestamp)
{
	size_t open = str_index(greeting, '<');
	struct str rest = str_skip(greeting, open);
	size_t close = str_index(rest, '>');

	if (close == rest.len || str_index(str_take(rest, close), '@') == close)
		return false;
	*ret_timestamp = str_take(rest, close + 1);
	return true;
}

int pop3_greeting_put(struct str greeting, struct buf *out)
{
	struct str timestamp, before;
	int r;

	if (!pop3_greeting_timestamp(greeting, &timestamp))
		return buf_append(out, greeting);
	before = str_take(greeting, (size_t)(timestamp.ptr - greeting.ptr));
	while (before.len && before.ptr[before.len - 1] == ' ')
		before.len--;
	r = buf_append(out, before);
	return r < 0 ? r
	             : buf_append(out,
			       str_skip(greeting, (size_t)(timestamp.ptr - greeting.ptr) +
							  timestamp.len));
}

int pop3_greeting_stamp(struct str greeting, struct str unique, struct buf *out)
{
	struct str timestamp, host;
	int r;

	if (!pop3_greeting_timestamp(greeting, &timestamp))
		return buf_append(out, greeting);
	host = str_skip(greeting,
		(size_t)(timestamp.ptr - greeting.ptr) + str_index(timestamp, '@'));
	r = buf_append(out, str_take(greeting, (size_t)(timestamp.ptr - greeting.ptr)));
	if (r == 0)
		r = buf_printf(out, "<%.*s", STR_ARG(unique));
	return r < 0 ? r : buf_append(out, host);
}
