/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/milter/milter.h"

#include "wire/milter/header.h"
#include "wire/smtp/command.h"

#include <stdio.h>
#include <string.h>

#define VERSION 6
#define VERSION_LEAST 2
#define VERSION_WITH_DATA 4

/* What a filter may ask to be let do. */
#define MAY_ADD_HEADERS 0x1u
#define MAY_CHANGE_BODY 0x2u
#define MAY_ADD_RECIPIENTS 0x4u
#define MAY_DELETE_RECIPIENTS 0x8u
#define MAY_CHANGE_HEADERS 0x10u
#define MAY_QUARANTINE 0x20u
#define MAY_CHANGE_SENDER 0x40u
#define MAY_ADD_RECIPIENTS_WITH_PARAMETERS 0x80u
#define MAY_CHOOSE_MACROS 0x100u /* those that it wants are among those that we send */
#define MAY_ALL 0x1ffu

/* Steps that it leaves out, or does not answer. */
#define NO_CONNECT 0x1u
#define NO_HELO 0x2u
#define NO_MAIL 0x4u
#define NO_RCPT 0x8u
#define NO_BODY 0x10u
#define NO_HEADERS 0x20u
#define NO_EOH 0x40u
#define MUTE_HEADERS 0x80u
#define NO_UNKNOWN 0x100u
#define NO_DATA 0x200u
#define CAN_SKIP 0x400u
#define MUTE_CONNECT 0x1000u
#define MUTE_HELO 0x2000u
#define MUTE_MAIL 0x4000u
#define MUTE_RCPT 0x8000u
#define MUTE_DATA 0x10000u
#define MUTE_UNKNOWN 0x20000u
#define MUTE_EOH 0x40000u
#define MUTE_BODY 0x80000u
#define SPACE_IN_VALUES 0x100000u
#define STEPS_ALL                                                                        \
	(NO_CONNECT | NO_HELO | NO_MAIL | NO_RCPT | NO_BODY | NO_HEADERS | NO_EOH |      \
		MUTE_HEADERS | NO_UNKNOWN | NO_DATA | CAN_SKIP | MUTE_CONNECT |          \
		MUTE_HELO | MUTE_MAIL | MUTE_RCPT | MUTE_DATA | MUTE_UNKNOWN |           \
		MUTE_EOH | MUTE_BODY | SPACE_IN_VALUES)

static const char *const verdict_names[] = {
	[MILTER_ACCEPT] = "accept",
	[MILTER_REJECT] = "reject",
	[MILTER_TEMPFAIL] = "tempfail",
	[MILTER_REPLY] = "reply",
	[MILTER_DISCARD] = "discard",
	[MILTER_QUARANTINE] = "quarantine",
};
_Static_assert(sizeof(verdict_names) / sizeof(verdict_names[0]) == MILTER_VERDICT_COUNT,
	"a name for each verdict");

const char *milter_verdict_name(enum milter_verdict v)
{
	return (unsigned)v < MILTER_VERDICT_COUNT ? verdict_names[v] : "unknown";
}

/* ---- packets ---- */

static void begin_packet(struct milter *m, char command)
{
	buf_clear(&m->packet);
	m->has_failed |= buf_byte(&m->packet, command) < 0;
}

static void put_u32(struct milter *m, struct buf *to, uint32_t n)
{
	const char bytes[4] = { (char)(n >> 24), (char)(n >> 16), (char)(n >> 8),
		(char)n };

	m->has_failed |= buf_append(to, str_of(bytes, sizeof(bytes))) < 0;
}

/* With its NUL. A NUL inside would end it. */
static void put_text(struct milter *m, struct str text)
{
	while (text.len) {
		struct str piece = str_take(text, str_index(text, '\0'));

		m->has_failed |= buf_append(&m->packet, piece) < 0;
		text = str_skip(text, piece.len);
		if (text.len)
			m->has_failed |= buf_byte(&m->packet, '?') < 0;
		text = str_skip(text, 1);
	}
	m->has_failed |= buf_byte(&m->packet, '\0') < 0;
}

static void put_in_brackets(struct milter *m, struct str address)
{
	m->has_failed |= buf_byte(&m->packet, '<') < 0;
	while (address.len) {
		char c = address.ptr[0];

		m->has_failed |= buf_byte(&m->packet, c ? c : '?') < 0;
		address = str_skip(address, 1);
	}
	put_text(m, STR_LIT(">"));
}

static void send_packet(struct milter *m)
{
	struct str bytes = buf_view(&m->packet);

	put_u32(m, m->out, (uint32_t)bytes.len);
	m->has_failed |= buf_append(m->out, bytes) < 0;
}

static void put_macro(struct milter *m, const char *name, struct str value)
{
	if (!value.len)
		return;
	put_text(m, str_from(name));
	put_text(m, value);
}

/* What rules of filters look at: Postfix's milter_*_macros, as far as we know them. Of
   auth_type they ask whether there is one. */
static void send_macros(struct milter *m, char command)
{
	const struct milter_mail *mail = m->mail;

	begin_packet(m, 'D');
	m->has_failed |= buf_byte(&m->packet, command) < 0;
	if (command == 'C') {
		put_macro(m, "j", mail->server);
		put_macro(m, "{daemon_name}", mail->server);
		put_macro(m, "v", STR_LIT("mailferry"));
		put_macro(m, "{client_addr}", mail->client);
	} else {
		put_macro(m, "i", mail->id);
	}
	if (command == 'M') {
		put_macro(m, "{mail_addr}", mail->sender);
		put_macro(m, "{auth_authen}", mail->user);
		put_macro(m, "{auth_type}",
			mail->user.len ? STR_LIT("PLAIN") : STR_LIT(""));
	}
	if (command == 'R')
		put_macro(m, "{rcpt_addr}", mail->recipients[m->next_recipient].address);
	send_packet(m);
}

/* ---- steps: each says one thing, false when there is nothing more to say ---- */

static bool say_negotiate(struct milter *m)
{
	begin_packet(m, 'O');
	put_u32(m, &m->packet, VERSION);
	put_u32(m, &m->packet, MAY_ALL);
	put_u32(m, &m->packet, STEPS_ALL);
	send_packet(m);
	return true;
}

/* Without a name Sendmail gives the address in brackets. */
static bool say_connect(struct milter *m)
{
	struct str client = m->mail->client;
	bool is_v6 = str_index(client, ':') < client.len;

	send_macros(m, 'C');
	begin_packet(m, 'C');
	m->has_failed |= buf_byte(&m->packet, '[') < 0;
	m->has_failed |= buf_append(&m->packet, client) < 0;
	put_text(m, STR_LIT("]"));
	m->has_failed |= buf_byte(&m->packet, is_v6 ? '6' : '4') < 0;
	m->has_failed |= buf_byte(&m->packet, (char)(m->mail->port >> 8)) < 0;
	m->has_failed |= buf_byte(&m->packet, (char)m->mail->port) < 0;
	put_text(m, client);
	send_packet(m);
	return true;
}

static bool say_helo(struct milter *m)
{
	begin_packet(m, 'H');
	put_text(m, m->mail->helo);
	send_packet(m);
	return true;
}

static void say_path(
	struct milter *m, char command, struct str address, struct str params)
{
	struct str name, value;

	send_macros(m, command);
	begin_packet(m, command);
	put_in_brackets(m, address);
	while (smtp_param_next(&params, &name, &value))
		put_text(m, value.ptr ? str_of(name.ptr, (size_t)(value.ptr + value.len -
								  name.ptr))
				      : name);
	send_packet(m);
}

static bool say_mail(struct milter *m)
{
	say_path(m, 'M', m->mail->sender, m->mail->params);
	return true;
}

static bool say_rcpt(struct milter *m)
{
	const struct milter_recipient *r = &m->mail->recipients[m->next_recipient];

	if (m->next_recipient == m->mail->n_recipients)
		return false;
	say_path(m, 'R', r->address, r->params);
	m->next_recipient++;
	return true;
}

static bool say_data(struct milter *m)
{
	if (m->version < VERSION_WITH_DATA)
		return false;
	send_macros(m, 'T');
	begin_packet(m, 'T');
	send_packet(m);
	return true;
}

/* Folded lines are parted by LF, as Sendmail has it. */
static void put_value(struct milter *m, struct str value)
{
	struct str rest = str_take(value, MILTER_FIELD_MAX);

	if (!(m->steps & SPACE_IN_VALUES) && rest.len &&
		(rest.ptr[0] == ' ' || rest.ptr[0] == '\t'))
		rest = str_skip(rest, 1);
	while (rest.len) {
		bool is_end = str_starts(rest, STR_LIT("\r\n"));

		if (!is_end)
			m->has_failed |=
				buf_byte(&m->packet, rest.ptr[0] ? rest.ptr[0] : '?') < 0;
		rest = str_skip(rest, 1);
	}
	put_text(m, STR_LIT(""));
}

static bool say_header(struct milter *m)
{
	struct milter_fields f = { .rest = m->header,
		.n = m->n_fields,
		.len = (size_t)(m->header.ptr - m->mail->message.ptr) };
	struct mime_field field;

	if (!milter_fields_next(&f, &field))
		return false;
	m->header = f.rest;
	m->n_fields = f.n;
	begin_packet(m, 'L');
	put_text(m, str_take(field.name, MILTER_FIELD_MAX / 16));
	put_value(m, field.value);
	send_packet(m);
	return true;
}

static bool say_eoh(struct milter *m)
{
	send_macros(m, 'N');
	begin_packet(m, 'N');
	send_packet(m);
	return true;
}

static bool say_body(struct milter *m)
{
	struct str piece = str_take(m->body, MILTER_PIECE);

	if (!piece.len)
		return false;
	put_u32(m, m->out, (uint32_t)piece.len + 1);
	m->has_failed |= buf_byte(m->out, 'B') < 0;
	m->has_failed |= buf_append(m->out, piece) < 0;
	m->body = str_skip(m->body, piece.len);
	return true;
}

static bool say_end(struct milter *m)
{
	send_macros(m, 'E');
	begin_packet(m, 'E');
	send_packet(m);
	return true;
}

static const struct step {
	const char *name;
	bool (*say)(struct milter *m);
	bool is_repeated;
	uint32_t left_out, mute;
} steps[] = {
	[MILTER_NEGOTIATE] = { "negotiate", say_negotiate, false, 0, 0 },
	[MILTER_CONNECT] = { "connect", say_connect, false, NO_CONNECT, MUTE_CONNECT },
	[MILTER_HELO] = { "helo", say_helo, false, NO_HELO, MUTE_HELO },
	[MILTER_MAIL] = { "mail", say_mail, false, NO_MAIL, MUTE_MAIL },
	[MILTER_RCPT] = { "rcpt", say_rcpt, true, NO_RCPT, MUTE_RCPT },
	[MILTER_DATA] = { "data", say_data, false, NO_DATA, MUTE_DATA },
	[MILTER_HEADER] = { "header", say_header, true, NO_HEADERS, MUTE_HEADERS },
	[MILTER_EOH] = { "end of header", say_eoh, false, NO_EOH, MUTE_EOH },
	[MILTER_BODY] = { "body", say_body, true, NO_BODY, MUTE_BODY },
	[MILTER_END] = { "end", say_end, false, 0, 0 },
	[MILTER_OVER] = { "over", NULL, false, 0, 0 },
};
_Static_assert(
	sizeof(steps) / sizeof(steps[0]) == MILTER_STATE_COUNT, "a row for each state");

const char *milter_state_name(enum milter_state s)
{
	return (unsigned)s < MILTER_STATE_COUNT ? steps[s].name : "unknown";
}

void milter_init(struct milter *m, const struct milter_mail *mail, struct buf *out)
{
	struct milter_fields f;
	struct mime_field field;
	bool has_blank;

	*m = (struct milter){ .mail = mail, .out = out, .header = mail->message };
	buf_init(&m->packet, 2 * (size_t)MILTER_PIECE);
	milter_fields_init(&f, mail->message);
	while (milter_fields_next(&f, &field))
		;
	m->body = milter_fields_body(&f, &has_blank);
}

void milter_fini(struct milter *m)
{
	buf_fini(&m->packet);
}

/* One thing that is to be said. END is always said, and waits. */
static enum milter_action speak(struct milter *m)
{
	for (;;) {
		const struct step *step = &steps[m->state];
		bool said = !(m->steps & step->left_out) && step->say(m);

		if (m->has_failed)
			return MILTER_BROKEN;
		if (said && !(m->steps & step->mute)) {
			m->awaits = true;
			return MILTER_AGAIN;
		}
		if (!said || !step->is_repeated)
			m->state++;
		if (said)
			return MILTER_AGAIN;
	}
}

/* ---- what it answers ---- */

static enum milter_action decide(struct milter *m, enum milter_verdict verdict)
{
	if (verdict != MILTER_ACCEPT || m->verdict != MILTER_QUARANTINE)
		m->verdict = verdict;
	m->state = MILTER_OVER;
	begin_packet(m, 'Q');
	send_packet(m);
	return MILTER_DECIDED;
}

static void keep_text(struct milter *m, struct str text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len && n < sizeof(m->text) - 1; i++) {
		char c = text.ptr[i];

		m->text[n++] = c >= ' ' && c <= '~' ? c : '?';
		if (c == '%' && i + 1 < text.len && text.ptr[i + 1] == '%')
			i++; /* smfi_setreply() wants it doubled */
	}
	m->text[n] = '\0';
}

static bool next_u32(struct str *data, uint32_t *ret)
{
	const unsigned char *b = (const unsigned char *)data->ptr;

	if (data->len < 4)
		return false;
	*ret = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	*data = str_skip(*data, 4);
	return true;
}

static bool next_text(struct str *data, struct str *ret)
{
	size_t end = str_index(*data, '\0');

	if (end == data->len)
		return false;
	*ret = str_take(*data, end);
	*data = str_skip(*data, end + 1);
	return true;
}

/* The macros that it wants may follow. */
static enum milter_action negotiated(struct milter *m, struct str data)
{
	uint32_t version, may, chosen;

	if (!next_u32(&data, &version) || !next_u32(&data, &may) ||
		!next_u32(&data, &chosen) || version < VERSION_LEAST ||
		version > VERSION || (may & ~MAY_ALL) || (chosen & ~STEPS_ALL))
		return MILTER_BROKEN;
	m->version = version;
	m->steps = chosen;
	m->state++;
	return MILTER_AGAIN;
}

static enum milter_action continues(struct milter *m)
{
	if (m->state == MILTER_END)
		return decide(m, MILTER_ACCEPT);
	if (!steps[m->state].is_repeated)
		m->state++;
	return MILTER_AGAIN;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The first line; 421 would end the session, which is not the filter's alone. */
static enum milter_action replied(struct milter *m, struct str data)
{
	struct str text;

	if (!next_text(&data, &text))
		return MILTER_BROKEN;
	text = str_trim(str_take(text, str_index(text, '\n')));
	if (text.len < 3 || (text.ptr[0] != '4' && text.ptr[0] != '5') ||
		!is_digit(text.ptr[1]) || !is_digit(text.ptr[2]) ||
		(text.len > 3 && text.ptr[3] != ' ' && text.ptr[3] != '-'))
		return MILTER_BROKEN;
	keep_text(m, text);
	if (text.len > 3)
		m->text[3] = ' ';
	if (memcmp(m->text, "421", 3) == 0)
		memcpy(m->text, "451", 3);
	return decide(m, MILTER_REPLY);
}

static enum milter_action quarantined(struct milter *m, struct str data)
{
	struct str reason;

	if (!next_text(&data, &reason))
		return MILTER_BROKEN;
	keep_text(m, reason);
	m->verdict = MILTER_QUARANTINE;
	return MILTER_AGAIN;
}

/* "<a@b>", and at the end nothing else. */
static struct str without_brackets(struct str s)
{
	s = str_trim(s);
	if (s.len >= 2 && s.ptr[0] == '<' && s.ptr[s.len - 1] == '>')
		return str_of(s.ptr + 1, s.len - 2);
	return s;
}

static const struct change_row {
	char code;
	enum milter_change_kind kind;
	bool has_index, has_name, is_bytes;
} change_rows[] = {
	{ 'h', MILTER_ADD_HEADER, false, true, false },
	{ 'i', MILTER_INSERT_HEADER, true, true, false },
	{ 'm', MILTER_CHANGE_HEADER, true, true, false },
	{ 'b', MILTER_REPLACE_BODY, false, false, true },
	{ '+', MILTER_ADD_RECIPIENT, false, false, false },
	{ '2', MILTER_ADD_RECIPIENT, false, false, false },
	{ '-', MILTER_DELETE_RECIPIENT, false, false, false },
	{ 'e', MILTER_CHANGE_SENDER, false, false, false },
};

static enum milter_action changed(struct milter *m, char code, struct str data)
{
	struct milter_change c = { .is_spaced = m->steps & SPACE_IN_VALUES };
	const struct change_row *row = change_rows;

	while (row < change_rows + sizeof(change_rows) / sizeof(*row) &&
		row->code != code)
		row++;
	if (row == change_rows + sizeof(change_rows) / sizeof(*row) ||
		m->state != MILTER_END ||
		(row->has_index && !next_u32(&data, &c.index)) ||
		(row->has_name && !next_text(&data, &c.name)) ||
		(!row->is_bytes && !next_text(&data, &c.value)))
		return MILTER_BROKEN;
	c.kind = row->kind;
	if (row->is_bytes)
		c.value = data;
	else if (!row->has_name)
		c.value = without_brackets(c.value);
	m->change = c;
	return MILTER_CHANGED;
}

static enum milter_action answered(struct milter *m, char code, struct str data)
{
	if (code == 'p') /* it is at work */
		return MILTER_AGAIN;
	if ((m->state == MILTER_NEGOTIATE) != (code == 'O'))
		return MILTER_BROKEN;
	if (m->state == MILTER_END && code != 'c' && code != 'a' && code != 'r' &&
		code != 't' && code != 'd' && code != 'y' && code != 'f' && code != '4')
		return code == 'q' ? quarantined(m, data) : changed(m, code, data);
	m->awaits = false;
	switch (code) {
	case 'O':
		return negotiated(m, data);
	case 'c':
		return continues(m);
	case 's':
		if (m->state != MILTER_BODY)
			return MILTER_BROKEN;
		m->state = MILTER_END;
		return MILTER_AGAIN;
	case 'a':
		return decide(m, MILTER_ACCEPT);
	case 'r':
		return decide(m, MILTER_REJECT);
	case 't':
	case 'f': /* a failure of its own, or its shutdown */
	case '4':
		return decide(m, MILTER_TEMPFAIL);
	case 'd':
		return decide(m, MILTER_DISCARD);
	case 'y':
		return replied(m, data);
	default:
		return MILTER_BROKEN;
	}
}

enum milter_action milter_next(struct milter *m, struct str input, size_t *ret_used)
{
	struct str data = input;
	uint32_t len;

	*ret_used = 0;
	if (m->state == MILTER_OVER)
		return MILTER_DECIDED;
	if (!m->awaits)
		return speak(m);
	if (!next_u32(&data, &len))
		return MILTER_NEED_MORE;
	if (!len || len > MILTER_PACKET_MAX)
		return MILTER_BROKEN;
	if (data.len < len)
		return MILTER_NEED_MORE;
	*ret_used = 4 + (size_t)len;
	return answered(m, data.ptr[0], str_of(data.ptr + 1, len - 1));
}
