/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_PROTOCOLS_PROTOCOL_H
#define INTERCEPTOR_PROTOCOLS_PROTOCOL_H
/*
 * What a source shows before login, in each protocol: how it is asked, and what of it
 * clients may be shown. One `const struct protocol` in imap.c, pop3.c and smtp.c, one row
 * in protocols.c. Who handles a client's session is another matter (session/handler.h).
 */
#include "base/arena.h"
#include "base/buf.h"
#include "settings/settings.h"

/* As the source sent it. Empty: the protocol has no such thing, or it is not known. */
struct learnt {
	struct str greeting, capability, id;
	struct str refusal; /* its words for a recipient that cannot exist (SMTP);
	                       ptr NULL: it was not asked */
	struct str after;   /* shown: what a client is told at its login, where the source
	                     speaks of it before the login only */
};

enum protocol_probe {
	PROTOCOL_PROBE_NEED_MORE,
	PROTOCOL_PROBE_AGAIN,
	PROTOCOL_PROBE_DONE,
	PROTOCOL_PROBE_FAILED,
};

struct protocol {
	const char *name;

	/* ---- asking the source what it shows; probe: probe_size zeroed bytes ---- */
	size_t probe_size;
	/* domain: one of ours, when it is to be asked about recipients, too; else "". */
	void (*probe_begin)(void *probe, struct str domain, struct arena *arena);
	/* Consumes *ret_used bytes, writes its next question to to_source. */
	enum protocol_probe (*probe_bytes)(
		void *probe, struct str input, size_t *ret_used, struct buf *to_source);
	struct learnt (*probe_result)(const void *probe);
	struct str probe_goodbye;

	/* What of it may be shown to clients; strings in arena. 0 or -errno. */
	int (*show)(const struct learnt *learnt, enum service_tls tls,
		struct arena *arena, struct learnt *ret_shown);
	/* A greeting that is good for one connection only (APOP's timestamp): each client
	   is shown that of its own connection to the source. NULL: never. */
	bool (*is_personal)(const struct learnt *shown);
	/* The same greeting, made good for one connection by ourselves, when the source
	   is away; is_retired: for good, and no password opens any more. NULL where
	   is_personal is. 0 or -errno. */
	int (*own_greeting)(struct str greeting, bool is_retired, struct buf *out);
};

extern const struct protocol protocol_imap, protocol_pop3, protocol_smtp;

/* NULL: this service is not listened on. */
const struct protocol *protocol_of(enum service_id service);

#define PROTOCOL_NAME_MAX 256 /* of a server */
/* Of this host, for a dialogue in which one is given. */
struct str protocol_host_name(char name[static PROTOCOL_NAME_MAX]);
/* "220 mail.example.com ESMTP": what the source calls itself, so do we. Without a name
   there, this host's. */
struct str protocol_greeted_name(
	struct str greeting, char name[static PROTOCOL_NAME_MAX]);
/* For show(): copies to the arena. 0 or -ENOMEM. */
int protocol_shown(struct arena *arena, struct str greeting, struct str capability,
	struct str id, struct learnt *ret_shown);

#endif
