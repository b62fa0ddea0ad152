/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_OFFER_H
#define INTERCEPTOR_OFFER_H
/*
 * What clients are shown before login: what the source shows, less what cannot pass.
 *
 * It is learnt by the master's probe (or by the first session, when that comes earlier),
 * kept in the registry as facts "imap.greeting" ..., and given to sessions by reference,
 * so that an old one stays as long as somebody uses it.
 */
#include "interceptor/protocols/protocol.h"
#include "registry/registry.h"

struct offer {
	unsigned refs;
	struct arena arena;
	struct learnt shown;  /* in clear */
	struct learnt secure; /* inside TLS that ends here: without STARTTLS */
	enum service_tls tls;
	struct str refusal; /* the source's words for a wrong password, or (SMTP) for a
	                       recipient that cannot exist; "" when unknown */
};

/* From the facts. NULL and -ENOENT: nothing is known yet. */
int offer_load(struct registry *r, enum service_id service, enum service_tls tls,
	struct offer **ret, struct error *err);
/* For one session: what the source showed it, the rest as in `common`. */
int offer_make(enum service_id service, const struct learnt *learnt,
	const struct offer *common, struct offer **ret);
struct offer *offer_ref(struct offer *o);
void offer_unref(struct offer *o); /* NULL is fine */

/* Stores what is new. *ret_changed: something was. */
int offer_store(struct registry *r, enum service_id service, const struct learnt *learnt,
	bool *ret_changed, struct error *err);
int offer_store_refusal(
	struct registry *r, enum service_id service, struct str text, struct error *err);
/* "ok", or why the last probe failed: for the status. */
int offer_store_probe(struct registry *r, enum service_id service, struct str result,
	struct error *err);

#endif
