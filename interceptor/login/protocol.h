/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_LOGIN_PROTOCOL_H
#define INTERCEPTOR_LOGIN_PROTOCOL_H
/*
 * A protocol in which a user logs in to a mailbox (IMAP, POP3): two sans-I/O machines of
 * lib/wire, one towards the client and one towards the source, in one piece of memory of
 * `size` zeroed bytes, and the words for what we say ourselves.
 */
#include "interceptor/protocols/protocol.h"
#include "interceptor/session/handler.h"
#include "wire/prelogin.h"

struct offer;

/* Why a login is answered by us with a refusal. */
enum refusal_reason {
	REFUSAL_BUSY,           /* the account is switching, and did so for too long */
	REFUSAL_UNAVAILABLE,    /* the source, the mailstore or the registry is away */
	REFUSAL_WRONG_PASSWORD, /* in the source's own words when they are known */
	REFUSAL_MECHANISM, /* the account lives here, where this one cannot be checked */
	REFUSAL_REASON_COUNT
};

struct login_protocol {
	const struct protocol *protocol;
	size_t size;
	void (*init)(void *machine, struct arena *arena, size_t login_bytes);
	/* What the client is shown. secure: its TLS ends here. */
	void (*take_offer)(void *machine, const struct offer *offer, bool secure);
	/* Where they are in the machine: the probe, for a session that must greet as the
	   source does; the login; a struct str, of PRELOGIN_EXCHANGE_LINE. */
	size_t probe, wire_login, exchange_line;

	/* ---- the client's side ---- */
	enum prelogin_action (*client_next)(
		void *machine, struct str input, size_t *ret_used, struct buf *reply);
	/* The client has been given a challenge. */
	void (*challenged)(void *machine);
	/* The attempt was answered; the client may try again. */
	void (*answered)(void *machine);
	/* Our answer to STARTTLS: go on. 0 or -errno. */
	int (*accept_tls)(const void *machine, struct buf *to_client);
	/* That answer, from us. learnt: the source's words for a wrong password, or "".
	   0 or -errno. */
	int (*refuse)(const void *machine, enum refusal_reason why, struct str learnt,
		struct buf *to_client);

	/* ---- the source's side ---- */
	/* A new connection. */
	void (*source_begin)(void *machine);
	/* The source was greeted by the probe. */
	void (*source_greeted)(void *machine);
	/* Whether it may be sent a login now. */
	bool (*source_is_ready)(const void *machine);
	int (*send)(void *machine, const struct wire_login *login, struct buf *to_source);
	/* The exchange line, for the challenge that was given. */
	int (*answer)(void *machine, struct buf *to_source);
	enum upstream_event (*source_next)(void *machine, struct str input,
		struct str *ret_response, size_t *ret_used, struct buf *to_source);
	/* What is missing in the source's answer to a login that it accepts: a client may
	   have seen it before the login, and only there. NULL: nothing ever. 0 or -errno.
	 */
	int (*complete_welcome)(const void *machine, struct str before,
		struct str response, struct buf *out);
	/* Behind a login that was accepted, with what the server says it can by then;
	   asks for it when that was not among it. true: it was asked, its answer comes.
	   NULL: there is nothing to ask. */
	bool (*asks_capability)(void *machine, struct str before, struct str response,
		struct buf *to_source);
	/* Whether the source refused because it lets one session in at a time. NULL: it
	   lets in any number. */
	bool (*is_in_use)(struct str answer);
	/* The part of the source's refusal that says "wrong password" to anybody; false:
	   it says something else, or names this user. */
	bool (*refusal_text)(struct str answer, struct str user, struct str *ret_text);

	/* Reads along from now on, so that the session can change sides later; the
	   password was right at the source. NULL: it cannot. */
	void (*follow)(struct session *s, struct str password);

	const char *alpn; /* the protocol's name in RFC 7301's registry */
	/* Lines to end a connection with, between two answers. */
	struct str words[CLOSE_REASON_COUNT];
};

extern const struct login_protocol login_imap, login_pop3;

#endif
