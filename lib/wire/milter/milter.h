/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MILTER_MILTER_H
#define WIRE_MILTER_MILTER_H
/*
 * One message before a content filter that speaks the milter protocol (version 2 to 6, as
 * libmilter, Postfix and rspamd do): bytes of the filter in, bytes for it and one action
 * out. We are the mail server of that protocol.
 */
// clang-format off
/*
 *   NEGOTIATE ─► CONNECT ─► HELO ─► MAIL ─► RCPT … ─► DATA ─► HEADER … ─► EOH ─► BODY …
 *                                                                                │
 *        OVER ◄── verdict ◄── changes ◄── END ◄──────────────────────────────────┘
 */
// clang-format on
/*
 * The filter says at the beginning which steps it leaves out and which it does not
 * answer. It may decide at any step; only at END it may change the message before it
 * does.
 *
 * All of it is said when the message is complete, so a filter that refuses one recipient
 * (RCPT) decides about the message: the client has its 250 for that recipient, and a
 * message that is thrown away for one in silence would be lost.
 *
 * The packet: 4 bytes length (big-endian, of what follows), 1 byte command, data. Texts
 * in the data end with NUL.
 */
#include "base/buf.h"

/* Of the filter: libmilter sends a new body in pieces of 64 KiB. */
#define MILTER_PACKET_MAX 1048576
/* libmilter closes when it gets more than 64 KiB: of a longer field the rest is cut. */
#define MILTER_PIECE 65535
#define MILTER_FIELD_MAX 60000
/* Of a header; what follows is shown as body, and cannot be changed as a header. */
#define MILTER_HEADER_MAX 1048576
#define MILTER_FIELDS_MAX 10000
#define MILTER_TEXT_MAX 220 /* of a refusal or a reason, with its NUL */

struct milter_recipient {
	struct str address, params; /* without <> */
};

/* All of it outlives the machine. */
struct milter_mail {
	struct str client; /* IP address as text */
	uint16_t port;
	struct str helo;
	struct str sender, params; /* of MAIL */
	const struct milter_recipient *recipients;
	size_t n_recipients;
	struct str server, id; /* macros j and i */
	struct str user;       /* who has logged in; "": nobody */
	struct str message;    /* header, blank line, body, with CRLF */
};

enum milter_state {
	MILTER_NEGOTIATE,
	MILTER_CONNECT,
	MILTER_HELO,
	MILTER_MAIL,
	MILTER_RCPT,
	MILTER_DATA,
	MILTER_HEADER,
	MILTER_EOH,
	MILTER_BODY,
	MILTER_END,
	MILTER_OVER,
	MILTER_STATE_COUNT
};
const char *milter_state_name(enum milter_state s);

enum milter_action {
	MILTER_NEED_MORE, /* bytes of the filter; what is in `out` must be sent */
	MILTER_AGAIN,     /* the same step goes on: consume, send, call again */
	MILTER_CHANGED,   /* m->change, views into the input */
	MILTER_DECIDED,   /* m->verdict; send what is in `out`, close */
	MILTER_BROKEN     /* it does not speak the protocol: close */
};

enum milter_verdict {
	MILTER_ACCEPT,
	MILTER_REJECT,
	MILTER_TEMPFAIL,
	MILTER_REPLY, /* m->text is the reply: "550 5.7.1 …" */
	MILTER_DISCARD,
	MILTER_QUARANTINE, /* m->text is the reason */
	MILTER_VERDICT_COUNT
};
const char *milter_verdict_name(enum milter_verdict v);

struct milter_change {
	enum milter_change_kind {
		MILTER_ADD_HEADER,    /* name, value */
		MILTER_INSERT_HEADER, /* the same; index: before which, 0: at the top */
		MILTER_CHANGE_HEADER, /* the same; index: of that name, from 1 on */
		MILTER_REPLACE_BODY,  /* value: its next piece */
		MILTER_ADD_RECIPIENT, /* value: an address without <> */
		MILTER_DELETE_RECIPIENT,
		MILTER_CHANGE_SENDER,
		MILTER_CHANGE_COUNT
	} kind;
	uint32_t index;
	struct str name, value;
	bool is_spaced; /* value has the space behind the colon */
};

struct milter {
	enum milter_state state;
	const struct milter_mail *mail;
	struct buf *out; /* the caller's */
	struct buf packet;
	bool awaits;             /* an answer */
	uint32_t version, steps; /* that the filter chose */
	size_t next_recipient, n_fields;
	struct str header, body; /* what is not said yet */
	bool has_failed;

	struct milter_change change;
	enum milter_verdict verdict;
	char text[MILTER_TEXT_MAX];
};

/* out: with room for two packets of MILTER_PIECE. */
void milter_init(struct milter *m, const struct milter_mail *mail, struct buf *out);
void milter_fini(struct milter *m);

/* input: unread bytes of the filter. */
enum milter_action milter_next(struct milter *m, struct str input, size_t *ret_used);

#endif
