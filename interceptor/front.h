/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_FRONT_H
#define INTERCEPTOR_FRONT_H
/*
 * What all fronts share in which a user logs in to his mailbox (IMAP, POP3): the glue
 * between two sans-I/O machines, one towards the client and one towards the source, and
 * the session. A front_*.c says in `struct front_ops` how its machines are asked, and
 * uses the functions below as slots of its lane.
 */
#include "interceptor/session.h"
#include "wire/prelogin.h"

/* front: session_front() of the session. */
struct front_ops {
	enum prelogin_action (*client_next)(
		void *front, struct str input, size_t *ret_used, struct buf *reply);
	const struct wire_login *(*login)(const void *front);
	/* Of PRELOGIN_EXCHANGE_LINE. */
	struct str (*exchange_line)(const void *front);
	/* The client has been given a challenge. */
	void (*challenged)(void *front);

	/* Whether it may be sent a login now. */
	bool (*source_is_ready)(const void *front);
	int (*send)(void *front, struct buf *to_source);
	/* The exchange line, for the challenge that was given. */
	int (*answer)(void *front, struct buf *to_source);
	enum upstream_event (*source_next)(void *front, struct str input,
		struct str *ret_response, size_t *ret_used, struct buf *to_source);

	/* The probe inside the front, for a session that must greet as the source does.
	 */
	void *(*probe)(void *front);
	/* The offer is known: what the client is shown. */
	void (*take_offer)(void *front, const struct offer *offer);
	/* The source was greeted by the probe. */
	void (*source_greeted)(void *front);
};

/* Slots of struct lane. front_greet(): a greeting line as the offer has it. */
void front_greet(struct session *s);
/* In GREETING, and the source is away: he is greeted all the same, as he may live here.
   false: what to show is not known. */
bool front_greet_alone(struct session *s);
void front_client_bytes(struct session *s);
void front_upstream_bytes(struct session *s);
void front_send_attempt(struct session *s);

#endif
