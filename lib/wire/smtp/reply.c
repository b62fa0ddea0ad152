/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/reply.h"

#include "wire/line.h"
#include "wire/sasl_bound.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "250-text", "250 text", "250". */
static bool split_line(
	struct str line, unsigned *ret_code, bool *ret_last, struct str *text)
{
	uint32_t code;

	if (line.len < 3 || !is_digit(line.ptr[0]) ||
		!str_to_u32(str_take(line, 3), &code) ||
		(line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-'))
		return false;
	*ret_code = code;
	*ret_last = line.len == 3 || line.ptr[3] == ' ';
	*text = str_skip(line, 4);
	return true;
}

enum smtp_reply_is smtp_reply_next(
	struct str input, struct smtp_reply *ret, size_t *ret_used)
{
	size_t at = 0, used;
	struct str line, text;
	unsigned code;
	bool last;

	*ret_used = 0;
	while (at <= SMTP_REPLY_MAX) {
		switch (line_next(
			str_skip(input, at), SMTP_REPLY_LINE_MAX, &line, &used)) {
		case LINE_NEED_MORE:
			return SMTP_REPLY_NEED_MORE;
		case LINE_TOO_LONG:
			return SMTP_REPLY_BROKEN;
		case LINE_COMPLETE:
			break;
		}
		at += used;
		if (!split_line(line, &code, &last, &text))
			return SMTP_REPLY_BROKEN;
		if (!last)
			continue;
		*ret = (struct smtp_reply){
			.code = code, .bytes = str_take(input, at), .text = text
		};
		*ret_used = at;
		return SMTP_REPLY_COMPLETE;
	}
	return SMTP_REPLY_BROKEN;
}

bool smtp_enhanced_code(struct str text, struct str *ret_code)
{
	size_t n = 0, dots = 0;

	while (n < text.len && (is_digit(text.ptr[n]) || text.ptr[n] == '.'))
		dots += text.ptr[n++] == '.';
	if (dots != 2 || n < 5 || text.ptr[1] != '.' || text.ptr[n - 1] == '.' ||
		(text.ptr[0] != '2' && text.ptr[0] != '4' && text.ptr[0] != '5') ||
		(n < text.len && text.ptr[n] != ' '))
		return false;
	*ret_code = str_take(text, n);
	return true;
}

/* ---- EHLO ---- */

#define ALWAYS 0
#define FOLLOWED SMTP_KEEP_FOLLOWED
#define TRUSTED (SMTP_KEEP_FOLLOWED | SMTP_KEEP_TRUSTED)

static const struct keyword_row {
	struct str name;
	unsigned needs;   /* one of smtp_ehlo_keep */
	const char *lost; /* why it is not shown once somebody lives here */
} keyword_rows[] = {
	{ STR("PIPELINING"), ALWAYS, NULL },          /* RFC 2920 */
	{ STR("SIZE"), ALWAYS, NULL },                /* RFC 1870 */
	{ STR("8BITMIME"), ALWAYS, NULL },            /* RFC 6152 */
	{ STR("CHUNKING"), ALWAYS, NULL },            /* RFC 3030: BDAT */
	{ STR("SMTPUTF8"), ALWAYS, NULL },            /* RFC 6531 */
	{ STR("ENHANCEDSTATUSCODES"), ALWAYS, NULL }, /* RFC 2034 */
	/* Exim: EHLO and MAIL before the greeting */
	{ STR("PIPECONNECT"), ALWAYS, NULL },
	{ STR("X_PIPE_CONNECT"), ALWAYS, NULL },
	{ STR("LIMITS"), ALWAYS, NULL }, /* RFC 9422: of the source */
	{ STR("HELP"), ALWAYS, NULL },
	{ STR("VRFY"), ALWAYS, NULL },
	{ STR("EXPN"), ALWAYS, NULL },
	{ STR("STARTTLS"), SMTP_KEEP_STARTTLS, NULL },
	{ STR("AUTH"), SMTP_KEEP_AUTH, NULL },
	{ STR("DSN"), SMTP_KEEP_DSN,
		"there is no `smart_host` to send reports by; the sender's own server "
		"says \"relayed\"" },
	{ STR("BINARYMIME"), FOLLOWED, "IMAP cannot show a NUL; senders encode it" },
	/* RFC 1985 */
	{ STR("ETRN"), TRUSTED, "it asks the old server to send its queue" },
	/* Postfix, for filters before it */
	{ STR("XCLIENT"), TRUSTED, "nobody here believes one client about another" },
	{ STR("XFORWARD"), TRUSTED, "nobody here believes one client about another" },
	{ STR("PRDR"), FOLLOWED, "one message has one reply here, for all recipients" },
	/* parameters, from here on; RFC 2852, 6710, 4865, 3865, 7293, 3885, 4405 */
	{ STR("DELIVERBY"), FOLLOWED, "mail here is delivered at once" },
	{ STR("MT-PRIORITY"), FOLLOWED, "mail here is delivered at once" },
	{ STR("FUTURERELEASE"), FOLLOWED, "mail here is delivered at once" },
	{ STR("NO-SOLICITING"), FOLLOWED, "nobody here carries it out" },
	{ STR("RRVS"), FOLLOWED, "nobody here carries it out" },
	{ STR("MTRK"), FOLLOWED, "nobody here carries it out" },
	{ STR("SUBMITTER"), FOLLOWED, "nobody here carries it out" },
};

static const struct keyword_row *find_keyword(struct str name)
{
	for (size_t i = 0; i < sizeof(keyword_rows) / sizeof(keyword_rows[0]); i++)
		if (str_ieq(name, keyword_rows[i].name))
			return &keyword_rows[i];
	return NULL;
}

static bool is_kept(struct str name, unsigned keep)
{
	const struct keyword_row *row = find_keyword(name);

	return row && (row->needs & keep) == row->needs;
}

static struct str keyword_of(struct str text)
{
	size_t n = 0;

	/* "AUTH=PLAIN": as old servers say it for older clients */
	while (n < text.len && (unsigned char)text.ptr[n] > ' ' && text.ptr[n] != '=')
		n++;
	return str_take(text, n);
}

const char *smtp_ehlo_lost(struct str text, unsigned ours, struct str *ret_keyword)
{
	const struct keyword_row *row;

	*ret_keyword = keyword_of(text);
	row = find_keyword(*ret_keyword);
	if (row && row->needs & ours)
		return NULL;
	return row ? row->lost : "not known here, so it is never shown";
}

/* One line off the front of a complete reply. */
static bool next_text(struct str *reply, struct str *ret_text)
{
	unsigned code;
	struct str line;
	size_t used;
	bool last;

	if (line_next(*reply, SMTP_REPLY_LINE_MAX, &line, &used) != LINE_COMPLETE)
		return false;
	*reply = str_skip(*reply, used);
	return split_line(line, &code, &last, ret_text);
}

/* Behind AUTH; "": the line is another one. */
static struct str mechanisms_of(struct str text)
{
	struct str name = keyword_of(text);

	return str_ieq(name, STR_LIT("AUTH")) ? str_trim(str_skip(text, name.len + 1))
	                                      : STR_LIT("");
}

/* A line of AUTH without those that cannot pass (wire/sasl_bound.h). */
static int put_text(struct buf *out, struct str text)
{
	struct str name = keyword_of(text), all = mechanisms_of(text);
	int r;

	if (!sasl_any_bound(all, STR_LIT("")))
		return buf_append(out, text);
	r = buf_append(out, name);
	return r < 0 ? r : sasl_put_unbound(all, text.ptr[name.len], out);
}

static int put_line(struct buf *out, const char *code, struct str text)
{
	int r = buf_append_c(out, code);

	r = r < 0 ? r : put_text(out, text);
	return r < 0 ? r : buf_append_c(out, "\r\n");
}

static bool any_unbound(struct str all)
{
	struct str rest = all;

	while (rest.len) {
		struct str name = str_split(&rest, ' ');

		if (name.len && !sasl_is_bound(all, STR_LIT(""), name))
			return true;
	}
	return false;
}

static bool is_line_kept(struct str text, unsigned keep)
{
	struct str all = mechanisms_of(text);

	return is_kept(keyword_of(text), keep) && (!all.len || any_unbound(all));
}

static bool keeps_all(struct str reply, unsigned keep)
{
	struct str text;

	(void)next_text(&reply, &text);
	while (next_text(&reply, &text))
		if (!is_line_kept(text, keep) ||
			sasl_any_bound(mechanisms_of(text), STR_LIT("")))
			return false;
	return true;
}

#define OWN_LINES_MAX 2

/* What we add to a reply that does not have it, or not as we have it. */
static size_t own_lines(struct str reply, unsigned keep, struct str ret[OWN_LINES_MAX])
{
	struct str args;
	size_t n = 0;

	if (keep & SMTP_ADD_AUTH)
		ret[n++] = STR_LIT("AUTH PLAIN LOGIN");
	if (keep & SMTP_ADD_STARTTLS && !smtp_ehlo_has(reply, STR_LIT("STARTTLS"), &args))
		ret[n++] = STR_LIT("STARTTLS");
	return n;
}

/* A line is written when the next one is known: the last has no '-'. */
int smtp_ehlo_filter(struct str reply, unsigned keep, struct buf *out)
{
	struct str text, kept, own[OWN_LINES_MAX];
	size_t n = own_lines(reply, keep, own);
	int r = 0;

	if ((!n && keeps_all(reply, keep)) || !next_text(&reply, &kept))
		return buf_append(out, reply);
	while (r == 0 && next_text(&reply, &text)) {
		if (!is_line_kept(text, keep))
			continue;
		r = put_line(out, "250-", kept);
		kept = text;
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		r = put_line(out, "250-", kept);
		kept = own[i];
	}
	return r < 0 ? r : put_line(out, "250 ", kept);
}

bool smtp_ehlo_has_followed(struct str reply, unsigned ours)
{
	unsigned followed = (SMTP_KEEP_FOLLOWED | SMTP_KEEP_DSN) & ~ours;
	const struct keyword_row *row;
	struct str text;

	(void)next_text(&reply, &text);
	while (next_text(&reply, &text)) {
		row = find_keyword(keyword_of(text));
		if (row && row->needs & followed)
			return true;
	}
	return false;
}

bool smtp_ehlo_has(struct str reply, struct str keyword, struct str *ret_args)
{
	struct str text;

	if (!next_text(&reply, &text)) /* the server's name */
		return false;
	while (next_text(&reply, &text)) {
		if (!str_ieq(keyword_of(text), keyword))
			continue;
		*ret_args = str_trim(str_skip(text, keyword.len + 1));
		return true;
	}
	return false;
}
