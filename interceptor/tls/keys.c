/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/tls/keys.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- signatures ---- */

static int ask(struct tls_signer *signer, struct tls_signature *s)
{
	struct tls_keys *k = (struct tls_keys *)signer;
	struct message m = { .type = MESSAGE_SIGN,
		.number = ++k->next_number,
		.number2 = (uint64_t)s->key << 16 | (uint64_t)s->scheme,
		.payload = str_of(s->digest, s->n_digest) };
	int r = k->ask(k->context, &m);

	if (r < 0)
		return r;
	s->number = m.number;
	LIST_INSERT_HEAD(&k->asked, s, all);
	return 0;
}

static void forget(struct tls_signer *signer, struct tls_signature *s)
{
	(void)signer;
	LIST_REMOVE(s, all);
}

void tls_keys_signed(struct tls_keys *k, const struct message *m)
{
	struct tls_signature *s;

	LIST_FOREACH(s, &k->asked, all)
	{
		if (s->number != m->number)
			continue;
		LIST_REMOVE(s, all);
		tls_signature_done(s, m->payload.len ? 0 : -EACCES, m->payload);
		return;
	}
}

/* ---- certificates ---- */

static void put_in_place(struct tls_keys *k)
{
	if (k->still_to_come)
		return;
	tls_server_free(k->server); /* sessions keep what they use */
	k->server = k->coming;
	k->coming = NULL;
}

static int make_server(struct tls_keys *k, const struct message *m, struct error *err)
{
	const struct settings *s = k->settings;
	struct tls_policy policy = {
		.min_version = tls_version_number(
			str_from(tls_version_name(s->tls.min_version))),
		.ciphers = s->tls.ciphers,
	};

	if (m->payload.len != TLS_TICKET_SECRET)
		return error_set(err, -EBADMSG, "the ticket secret has another length");
	/* a vault that has started anew has another secret: old tickets are void */
	if (tls_tickets_init(
		    &k->tickets, (const unsigned char *)m->payload.ptr, m->number2) < 0)
		return error_set(err, -EIO, "no ticket keys");
	return tls_server_new(k->library, &policy, &k->tickets, &k->coming, err);
}

void tls_keys_begin(struct tls_keys *k, const struct message *m)
{
	struct error err = { 0 };

	tls_server_free(k->coming);
	k->coming = NULL;
	k->still_to_come = m->number;
	if (m->number && make_server(k, m, &err) < 0)
		log_error(NULL, "tls", "error=\"%s\"", err.text);
	put_in_place(k);
}

void tls_keys_identity(struct tls_keys *k, const struct message *m)
{
	char *file = str_dup_c(m->text);
	struct error err = { 0 };

	if (k->coming && tls_server_add(k->coming, m->payload, (uint32_t)m->number,
				 m->tag, file ? file : "tls", &err) < 0)
		log_error(NULL, "tls", "error=\"%s\"", err.text);
	free(file);
	if (k->still_to_come) {
		k->still_to_come--;
		put_in_place(k);
	}
}

int tls_keys_context(
	struct tls_keys *k, const char *name, const char *address, SSL_CTX **ret)
{
	/* a client that is passed on now could be one whose mailbox is here */
	if (!k->server && k->settings->tls.certificates.n)
		return -EAGAIN;
	*ret = k->server ? tls_server_context(
				   k->server, name, address, k->settings->source_name)
	                 : NULL;
	return *ret ? 0 : -ENOENT;
}

int tls_keys_init(struct tls_keys *k, const struct settings *settings,
	tls_keys_ask *ask_vault, void *context)
{
	k->signer = (struct tls_signer){ ask, forget };
	k->settings = settings;
	k->ask = ask_vault;
	k->context = context;
	LIST_INIT(&k->asked);
	k->library = tls_library_new(&k->signer);
	return k->library ? 0 : -ENOMEM;
}
