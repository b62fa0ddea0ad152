/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_PROBE_H
#define WIRE_SMTP_PROBE_H
/* Asks an SMTP server what it shows to everybody: greeting and EHLO. What it says is what
   is said in its place while it is away (struct smtp_offer), and what `check` prints. */
#include "base/arena.h"
#include "wire/smtp/reply.h"

enum smtp_probe_state {
	SMTP_PROBE_IN_GREETING,
	SMTP_PROBE_IN_EHLO,
	SMTP_PROBE_IN_HELO, /* it does not know EHLO */
	SMTP_PROBE_OVER,
	SMTP_PROBE_STATE_COUNT
};

enum smtp_probe_event {
	SMTP_PROBE_NEED_MORE,
	SMTP_PROBE_AGAIN, /* consume, send, ask again */
	SMTP_PROBE_DONE,
	SMTP_PROBE_BYE, /* it does not want us: response */
	SMTP_PROBE_BROKEN
};

struct smtp_probe {
	enum smtp_probe_state state;
	struct arena *arena;
	struct str name;     /* ours, for EHLO; the caller's */
	struct str greeting; /* both as whole replies, as the server sent them */
	struct str ehlo;     /* "" when it knows HELO alone */
};

void smtp_probe_init(struct smtp_probe *p, struct str name, struct arena *arena);
enum smtp_probe_event smtp_probe_next(struct smtp_probe *p, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_server);

#endif
