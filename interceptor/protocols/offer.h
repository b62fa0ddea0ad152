/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_PROTOCOLS_OFFER_H
#define INTERCEPTOR_PROTOCOLS_OFFER_H
/*
 * What clients are shown before login: what the source shows, less what cannot pass.
 *
 * It is learnt by the master's probe (or by the first session, when that comes earlier),
 * kept in the registry as facts "imap.greeting" ..., and given to sessions by reference,
 * so that an old one stays as long as somebody uses it.
 *
 * A source may show something else in clear (LOGINDISABLED) than inside TLS (AUTH=PLAIN).
 * Where our own connections to it are not like the client's, it is asked twice, and each
 * client is shown what the source shows on a connection like its own:
 *
 *   source_tls             ours           asked beside them
 *   "none", "implicit"     as they are    -
 *   "starttls"             inside TLS     in clear (imap.clear.greeting ...)
 *   "client"               in clear       inside TLS (imap.tls.greeting ...)
 */
#include "interceptor/protocols/protocol.h"
#include "registry/registry.h"

enum offer_kind { OFFER_OURS, OFFER_CLEAR, OFFER_TLS, OFFER_KIND_COUNT };

/* The one that is asked beside ours; OFFER_OURS: none. */
enum offer_kind offer_other_kind(enum source_tls_mode source_tls);

struct offer {
	unsigned refs;
	struct arena arena;
	struct learnt shown;  /* in clear */
	struct learnt secure; /* inside TLS that ends here: without STARTTLS */
	enum service_tls tls;
	bool from_us;   /* we connect to it from our own address (source/leg.h) */
	bool tls_first; /* in clear the source was asked by itself, and has STARTTLS */
	struct str refusal; /* the source's words for a wrong password, or (SMTP) for a
	                       recipient that cannot exist; "" when unknown */
};

/* From the facts. NULL and -ENOENT: nothing is known yet. */
int offer_load(struct registry *r, enum service_id service,
	const struct service_settings *s, enum service_tls tls, struct offer **ret,
	struct error *err);
/* For one session: with the greeting that the source gave it, the rest as in `common`. */
int offer_make(struct str greeting, const struct offer *common, struct offer **ret);
struct offer *offer_ref(struct offer *o);
void offer_unref(struct offer *o); /* NULL is fine */

/* Stores what is new. *ret_changed: something was. */
int offer_store(struct registry *r, enum service_id service, enum offer_kind kind,
	const struct learnt *learnt, bool *ret_changed, struct error *err);
int offer_store_refusal(
	struct registry *r, enum service_id service, struct str text, struct error *err);
/* "ok", or why the last probe failed: for the status. */
int offer_store_probe(struct registry *r, enum service_id service, enum offer_kind kind,
	struct str result, struct error *err);

#endif
