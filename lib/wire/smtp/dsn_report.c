/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/dsn_report.h"

#include "base/utf8.h"
#include "wire/smtp/dsn.h"
#include "wire/smtp/trace.h"

#define ADDRESS_MAX DSN_SHOWN_MAX /* a line has at most 998 (RFC 5322) */
#define LINE_MAX_PLAIN 900
#define QUOTED_LINE_MAX 72 /* RFC 2045, 6.7: 76 */

/* ---- addresses ---- */

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return false;
	return true;
}

/* all: also what is not ASCII. */
static int put_clean(struct buf *out, struct str s, bool all)
{
	int r = 0;

	s = str_take(s, ADDRESS_MAX);
	for (size_t i = 0; i < s.len && r == 0; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		bool is_clean = c >= ' ' && c != 0x7f && (all || c < 0x80);

		r = buf_byte(out, is_clean ? (char)c : '?');
	}
	return r;
}

/* RFC 6533, 3: utf-8-addr-xtext. is_raw: nothing of it is written so yet. */
static int put_unicode(struct buf *out, struct str s, bool is_raw)
{
	size_t end = buf_len(out) + LINE_MAX_PLAIN;
	int r = 0;

	while (s.len && buf_len(out) < end && r == 0) {
		uint32_t c = utf8_next(&s);
		bool is_plain = c > ' ' && c < 0x7f &&
		                (!is_raw || (c != '+' && c != '=' && c != '\\'));

		r = is_plain ? buf_byte(out, (char)c)
		             : buf_printf(out, "\\x{%02X}", (unsigned)c);
	}
	return r;
}

static int put_final(struct buf *out, struct str address)
{
	bool ascii = is_ascii(address);
	int r = buf_append_c(
		out, ascii ? "Final-Recipient: rfc822;" : "Final-Recipient: utf-8;");

	if (r == 0)
		r = ascii ? put_clean(out, address, false)
		          : put_unicode(out, address, true);
	return r < 0 ? r : buf_append_c(out, "\r\n");
}

/* ---- the message's own header ---- */

struct header {
	struct str text;  /* whole lines of it */
	bool needs_quote; /* something in it is no plain line of text */
};

static struct str next_line(struct str *rest)
{
	struct str line = str_split(rest, '\n');

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

static bool is_plain(struct str line)
{
	for (size_t i = 0; i < line.len; i++)
		if (((unsigned char)line.ptr[i] < ' ' && line.ptr[i] != '\t') ||
			(unsigned char)line.ptr[i] >= 0x7f)
			return false;
	return line.len <= LINE_MAX_PLAIN;
}

static struct header header_of(struct str message)
{
	struct header h = { .text = str_take(message, 0) };
	struct str rest = message;

	while (rest.len) {
		struct str line = next_line(&rest);
		size_t end = message.len - rest.len;

		if (!line.len || end > DSN_RETURNED_MAX)
			break;
		h.needs_quote = h.needs_quote || !is_plain(line);
		h.text = str_take(message, end);
	}
	return h;
}

/* Blanks at the end of a line are not safe on the way. */
static int put_quoted(struct buf *out, struct str line)
{
	size_t column = 0;
	int r = 0;

	for (size_t i = 0; i < line.len && r == 0; i++) {
		unsigned char c = (unsigned char)line.ptr[i];
		bool is_last = i + 1 == line.len;
		bool as_is = c > ' ' && c < 0x7f && c != '=';

		as_is = as_is || ((c == ' ' || c == '\t') && !is_last);
		if (column >= QUOTED_LINE_MAX) {
			r = buf_append_c(out, "=\r\n");
			column = 0;
		}
		if (r == 0)
			r = as_is ? buf_byte(out, (char)c) : buf_printf(out, "=%02X", c);
		column += as_is ? 1 : 3;
	}
	return r;
}

static int put_header(struct buf *out, const struct header *h)
{
	struct str rest = h->text;
	int r = buf_append_c(out, "Content-Type: text/rfc822-headers\r\n");

	if (r == 0 && h->needs_quote)
		r = buf_append_c(out, "Content-Transfer-Encoding: quoted-printable\r\n");
	r = r < 0 ? r : buf_append_c(out, "\r\n");
	while (rest.len && r == 0) {
		struct str line = next_line(&rest);

		r = h->needs_quote ? put_quoted(out, line) : buf_append(out, line);
		r = r < 0 ? r : buf_append_c(out, "\r\n");
	}
	return r;
}

/* ---- the parts ---- */

static size_t count(const struct dsn_report *r, bool is_relayed)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->recipients[i].is_relayed == is_relayed;
	return n;
}

static int put_top(const struct dsn_report *r, struct buf *out)
{
	const char *subject = count(r, false) ? "Delivered: your message has arrived"
	                                      : "Relayed: your message is on its way";
	int code = buf_append_c(out, "From: Mail Delivery System <MAILER-DAEMON@");

	code = code < 0 ? code : put_clean(out, r->by, false);
	code = code < 0 ? code : buf_append_c(out, ">\r\nTo: <");
	code = code < 0 ? code : put_clean(out, r->to, true);
	code = code < 0 ? code : buf_append_c(out, ">\r\nDate: ");
	code = code < 0 ? code : smtp_date(r->at, r->zone, out);
	code = code < 0 ? code
	                : buf_printf(out, "\r\nMessage-ID: <%.*s@", STR_ARG(r->id));
	code = code < 0 ? code : put_clean(out, r->by, false);
	return code < 0 ? code
	                : buf_printf(out,
				  ">\r\nSubject: %s\r\n"
				  "Auto-Submitted: auto-replied\r\n"
				  "MIME-Version: 1.0\r\n"
				  "Content-Type: multipart/report; "
				  "report-type=delivery-status;\r\n"
				  "\tboundary=\"=_%.*s\"\r\n\r\n",
				  subject, STR_ARG(r->id));
}

static int put_boundary(const struct dsn_report *r, struct buf *out, const char *end)
{
	return buf_printf(out, "--=_%.*s%s\r\n", STR_ARG(r->id), end);
}

static int put_names(const struct dsn_report *r, bool is_relayed, const char *before,
	const char *behind, struct buf *out)
{
	int code = 0;

	if (!count(r, is_relayed))
		return 0;
	code = buf_append_c(out, before);
	for (size_t i = 0; i < r->n && code == 0; i++) {
		if (r->recipients[i].is_relayed != is_relayed)
			continue;
		code = buf_append_c(out, "    <");
		code = code < 0 ? code
		                : put_clean(out, r->recipients[i].to->address, false);
		code = code < 0 ? code : buf_append_c(out, ">\r\n");
	}
	return code < 0 ? code : buf_append_c(out, behind);
}

static int put_words(const struct dsn_report *r, struct buf *out)
{
	int code = buf_append_c(out, "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
				     "This is the mail server ");

	code = code < 0 ? code : put_clean(out, r->by, false);
	code = code < 0 ? code
	                : buf_append_c(out, ".\r\n\r\nYou have asked to be told: ");
	code = code < 0 ? code
	                : put_names(r, false, "your message was delivered to\r\n\r\n",
				  "\r\nThat does not say that it was read.\r\n", out);
	if (code == 0 && count(r, false) && count(r, true))
		code = buf_append_c(out, "\r\nAnd ");
	return code < 0
	               ? code
	               : put_names(r, true, "your message was relayed for\r\n\r\n",
				 "\r\nto a mail server that does not report deliveries: no "
				 "further report will come\r\nunless it fails.\r\n",
				 out);
}

static int put_recipient(const struct dsn_report_recipient *r, struct buf *out)
{
	const struct smtp_recipient *to = r->to;
	struct dsn_rcpt asked = { 0 };
	int code = buf_append_c(out, "\r\n");

	if (code == 0 && dsn_rcpt_parse(to->params, &asked) && asked.type.ptr) {
		code = buf_printf(out, "Original-Recipient: %.*s;", STR_ARG(asked.type));
		if (code == 0)
			code = dsn_is_utf8(asked.type)
			               ? put_unicode(out, asked.original, false)
			               : dsn_xtext_put(asked.original, out);
		code = code < 0 ? code : buf_append_c(out, "\r\n");
	}
	code = code < 0 ? code : put_final(out, to->address);
	return code < 0 ? code
	                : buf_printf(out, "Action: %s\r\nStatus: 2.0.0\r\n",
				  r->is_relayed ? "relayed" : "delivered");
}

static int put_status(const struct dsn_report *r, struct buf *out)
{
	struct str envid = STR_LIT("");
	int code = buf_append_c(
		out, "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns;");

	code = code < 0 ? code : put_clean(out, r->by, false);
	code = code < 0 ? code : buf_append_c(out, "\r\n");
	if (code == 0 && dsn_mail_parse(r->params, &envid) && envid.len) {
		code = buf_append_c(out, "Original-Envelope-Id: ");
		code = code < 0 ? code : dsn_xtext_put(envid, out);
		code = code < 0 ? code : buf_append_c(out, "\r\n");
	}
	code = code < 0 ? code : buf_append_c(out, "Arrival-Date: ");
	code = code < 0 ? code : smtp_date(r->at, r->zone, out);
	code = code < 0 ? code : buf_append_c(out, "\r\n");
	for (size_t i = 0; i < r->n && code == 0; i++)
		code = put_recipient(&r->recipients[i], out);
	return code;
}

int dsn_report(const struct dsn_report *r, struct buf *out)
{
	struct header header = header_of(r->message);
	int code = put_top(r, out);

	code = code < 0 ? code : put_boundary(r, out, "");
	code = code < 0 ? code : put_words(r, out);
	code = code < 0 ? code : put_boundary(r, out, "");
	code = code < 0 ? code : put_status(r, out);
	if (code == 0 && r->message.len) { /* it need not be there (RFC 6522, 3) */
		code = put_boundary(r, out, "");
		code = code < 0 ? code : put_header(out, &header);
	}
	return code < 0 ? code : put_boundary(r, out, "--");
}
