/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which of a server's capabilities may be shown by somebody who stands before it.
 *
 * Clients use what they saw before login without asking again, and the one who serves
 * them afterwards may be another server: so only what both sides keep, and what matters
 * for the login itself. After login the server in charge speaks for itself.
 */
#include "wire/imap/prelogin.h"
#include "wire/sasl_bound.h"

static const struct keep_row {
	struct str name;
	bool prefix;        /* AUTH=anything */
	bool only_starttls; /* only when STARTTLS is carried out */
} keep_rows[] = {
	{ STR("IMAP4rev1"), false, false }, { STR("IMAP4"), false, false },
	{ STR("AUTH="), true, false }, /* those that we cannot do are passed on */
	{ STR("SASL-IR"), false, false }, { STR("LOGINDISABLED"), false, false },
	{ STR("STARTTLS"), false, true }, { STR("LITERAL+"), false, false },
	{ STR("LITERAL-"), false, false }, { STR("ID"), false, false },
	{ STR("ENABLE"), false, false }, { STR("IDLE"), false, false },
	{ STR("NAMESPACE"), false, false }, { STR("UIDPLUS"), false, false },
	/* not kept, with reasons: LOGIN-REFERRALS (the client would leave us), COMPRESS
	   (blinds us; offered again after login by the source itself), PREAUTH things */
};

static bool is_kept(struct str name, bool starttls)
{
	for (size_t i = 0; i < sizeof(keep_rows) / sizeof(keep_rows[0]); i++) {
		const struct keep_row *k = &keep_rows[i];

		if (k->prefix ? str_istarts(name, k->name) : str_ieq(name, k->name))
			return starttls || !k->only_starttls;
	}
	return false;
}

static bool ends_with_login(struct str name)
{
	static const struct str rows[] = { STR("STARTTLS"), STR("LOGINDISABLED"),
		STR("SASL-IR"), STR("LOGIN-REFERRALS") };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_ieq(rows[i], name))
			return true;
	return str_istarts(name, STR_LIT("AUTH="));
}

int imap_capability_after(struct str capability, struct buf *out)
{
	bool first = true;
	int r = 0;

	while (capability.len && r == 0) {
		struct str name = str_split(&capability, ' ');

		if (!name.len || ends_with_login(name))
			continue;
		if (!first)
			r = buf_byte(out, ' ');
		if (r == 0)
			r = buf_append(out, name);
		first = false;
	}
	return r;
}

int imap_capability_filter(struct str capability, bool starttls, struct buf *out)
{
	struct str all = capability;
	bool first = true;
	int r = 0;

	while (capability.len && r == 0) {
		struct str name = str_split(&capability, ' ');

		if (!name.len || !is_kept(name, starttls) ||
			sasl_is_bound(all, STR_LIT("AUTH="), name))
			continue;
		if (!first)
			r = buf_byte(out, ' ');
		if (r == 0)
			r = buf_append(out, name);
		first = false;
	}
	return r;
}

bool imap_capability_of(struct str line, struct str *ret_capability)
{
	const struct str code = STR("[CAPABILITY "), untagged = STR("* CAPABILITY ");
	size_t open = str_index(line, '['), close;
	struct str rest = str_skip(line, open);

	if (str_istarts(line, untagged)) {
		*ret_capability = str_trim(str_skip(line, untagged.len));
		return true;
	}
	close = str_index(rest, ']');
	if (!str_istarts(rest, code) || close == rest.len)
		return false;
	*ret_capability = str_trim(str_of(rest.ptr + code.len, close - code.len));
	return true;
}

int imap_greeting_filter(struct str greeting, bool starttls, struct buf *out)
{
	struct str list;
	size_t before;
	int r;

	if (!imap_capability_of(greeting, &list))
		return buf_append(out, greeting);
	before = (size_t)(list.ptr - greeting.ptr);
	r = buf_append(out, str_take(greeting, before));
	if (r == 0)
		r = imap_capability_filter(list, starttls, out);
	return r < 0 ? r : buf_append(out, str_skip(greeting, before + list.len));
}
