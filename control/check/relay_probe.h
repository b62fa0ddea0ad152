/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_RELAY_PROBE_H
#define CONTROL_CHECK_RELAY_PROBE_H
/*
 * Would the source relay mail of strangers, if they all came from our address? RCPT to
 * domains of others is asked, and nothing is sent. Where it would, whether it believes
 * XCLIENT: then a stranger's own address is asked about. Where `source_proxy` is set the
 * stranger is named by the PROXY protocol from the first.
 */
#include "control/terminal/control.h"
#include "source/leg.h"
#include "wire/smtp/reply.h"

enum relay_answer {
	RELAY_UNKNOWN, /* it says neither; the reason is a sentence */
	RELAY_REFUSES,
	RELAY_ACCEPTS,
};

struct relay_view {
	enum relay_answer own;     /* as ourselves; by_proxy: as a stranger */
	bool by_proxy;             /* asked by the PROXY protocol */
	bool has_xclient;          /* it offers it to us */
	enum relay_answer xclient; /* as a stranger, by XCLIENT */
	char words[160];           /* what it said last */
};

/* own: our address as the source sees it. -errno: it cannot be asked. */
int relay_probe(const struct settings *s, struct registry *r, enum service_id service,
	const char *own, struct relay_view *ret, struct error *err);

/* What an answer to RCPT with an address of others says. */
enum relay_answer relay_answer_to_rcpt(const struct smtp_reply *reply);

/* Whether clients' mail may go there from our address, and by which introduction. */
bool relay_allows(const struct relay_view *v, enum leg_introduction *ret);

#endif
