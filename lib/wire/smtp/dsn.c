/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/dsn.h"

#include "base/hex.h"
#include "wire/smtp/command.h"

/* ---- xtext (RFC 3461, 4) ---- */

static bool is_printable(int c)
{
	return c >= ' ' && c <= '~';
}

/* One byte off the front; -1: a "+" without its two digits. What else xtext must not hold
   is let through, as Postfix does it. */
static int xtext_next(struct str *s)
{
	int c = (unsigned char)s->ptr[0];

	if (c != '+') {
		*s = str_skip(*s, 1);
		return c;
	}
	c = hex_byte(str_skip(*s, 1));
	*s = str_skip(*s, 3);
	return c;
}

static bool is_xtext(struct str s)
{
	while (s.len)
		if (xtext_next(&s) < 0)
			return false;
	return true;
}

static bool is_text(struct str s)
{
	while (s.len)
		if (!is_printable(xtext_next(&s)))
			return false;
	return true;
}

int dsn_xtext_put(struct str xtext, struct buf *out)
{
	int r = 0;

	for (size_t n = 0; xtext.len && n < DSN_SHOWN_MAX && r == 0; n++) {
		int c = xtext_next(&xtext);

		r = buf_byte(out, is_printable(c) ? (char)c : '?');
	}
	return r;
}

/* ---- MAIL ---- */

static bool take_ret(struct str value, unsigned *seen)
{
	return !(*seen)++ &&
	       (str_ieq(value, STR_LIT("FULL")) || str_ieq(value, STR_LIT("HDRS")));
}

bool dsn_mail_parse(struct str params, struct str *ret_envid)
{
	struct str name, value;
	unsigned rets = 0, envids = 0;

	*ret_envid = STR_LIT("");
	while (smtp_param_next(&params, &name, &value)) {
		if (str_ieq(name, STR_LIT("RET")) && !take_ret(value, &rets))
			return false;
		if (!str_ieq(name, STR_LIT("ENVID")))
			continue;
		if (envids++ || !value.len || !is_text(value))
			return false;
		*ret_envid = value;
	}
	return true;
}

/* ---- RCPT ---- */

static unsigned notify_of(struct str word)
{
	static const struct {
		struct str name;
		enum dsn_notify is;
	} rows[] = {
		{ STR("NEVER"), DSN_NOTIFY_NEVER },
		{ STR("SUCCESS"), DSN_NOTIFY_SUCCESS },
		{ STR("FAILURE"), DSN_NOTIFY_FAILURE },
		{ STR("DELAY"), DSN_NOTIFY_DELAY },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_ieq(word, rows[i].name))
			return rows[i].is;
	return 0;
}

/* NEVER stands alone. */
static bool take_notify(struct str value, unsigned *ret)
{
	bool ends_so = value.len && value.ptr[value.len - 1] == ',';

	if (*ret || ends_so)
		return false;
	do {
		unsigned is = notify_of(str_split(&value, ','));

		if (!is)
			return false;
		*ret |= is;
	} while (value.len);
	return !(*ret & DSN_NOTIFY_NEVER) || *ret == DSN_NOTIFY_NEVER;
}

bool dsn_is_utf8(struct str type)
{
	return str_ieq(type, STR_LIT("utf-8"));
}

/* It becomes a word of the report. */
static bool is_type(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_printable((unsigned char)s.ptr[i]))
			return false;
	return s.len > 0 && s.len <= DSN_TYPE_MAX;
}

static bool take_orcpt(struct str value, struct dsn_rcpt *ret)
{
	struct str type = str_take(value, str_index(value, ';'));
	struct str address = str_skip(value, type.len + 1);

	if (ret->type.ptr || !is_type(type) || !address.len)
		return false;
	ret->type = type;
	ret->original = address;
	return dsn_is_utf8(type) || is_xtext(address);
}

bool dsn_rcpt_parse(struct str params, struct dsn_rcpt *ret)
{
	struct str name, value;

	*ret = (struct dsn_rcpt){ 0 };
	while (smtp_param_next(&params, &name, &value)) {
		if (str_ieq(name, STR_LIT("NOTIFY")) && !take_notify(value, &ret->notify))
			return false;
		if (str_ieq(name, STR_LIT("ORCPT")) && !take_orcpt(value, ret))
			return false;
	}
	return true;
}

bool dsn_is_param(struct str name)
{
	static const struct str names[] = { STR("RET"), STR("ENVID"), STR("NOTIFY"),
		STR("ORCPT") };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_ieq(name, names[i]))
			return true;
	return false;
}
