/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SOURCE_TLS_H
#define SOURCE_TLS_H
/*
 * TLS on our own connections to the source, as the settings of a service say: whether,
 * how old, and by what we know that it is the source. For the interceptor, the transfer
 * and `mailferry check` alike.
 *
 * A pin is the key that the source shows, as `mailferry check` saw it and the admin
 * confirmed: a fact of the registry, one for each service.
 */
#include "net/stream.h"
#include "registry/registry.h"
#include "settings/settings.h"
#include "tls/client.h"

/* What is the same for all connections of a process; all zero at first. */
struct source_tls {
	SSL_CTX *contexts[SERVICE_COUNT]; /* made when they are needed */
	SSL_CTX *smart_host, *destination;
	X509_STORE *authorities; /* NULL: not read yet, or not needed */
};
void source_tls_fini(struct source_tls *t);
/* Reads what cannot be read any more behind a sandbox: the authorities, where the
   settings want some. Without it they are read when they are needed. */
void source_tls_prepare(struct source_tls *t, const struct settings *s);

/* All that a connection to that service needs besides: behind it neither files nor the
   registry are asked. -ENOKEY: as below. */
int source_tls_prepare_service(struct source_tls *t, const struct settings *s,
	struct registry *r, enum service_id service, struct error *err);

/* *stream: a connection to that service that nothing was read from yet. It is put inside
   TLS when the service's `source_tls` says so; then the first bytes that are read are the
   server's greeting, and errors of TLS are errors of the stream. On an error here *stream
   is as it was. -ENOKEY: its pin is not confirmed, with the cure in err. */
int source_tls_wrap(struct source_tls *t, const struct settings *s, struct registry *r,
	enum service_id service, struct stream **stream, struct error *err);
/* The same behind a client that speaks TLS: "client" is STARTTLS there, without a
   confirmed pin none. */
int source_tls_wrap_for_tls(struct source_tls *t, const struct settings *s,
	struct registry *r, enum service_id service, struct stream **stream,
	struct error *err);

/* Another server than the source: the smart host, or the destination. */
struct other_server {
	const char *noun, *option; /* "smart host", and what its options begin with */
	enum smart_host_verify verify;
	const char *name, *pin; /* "" or as the settings have them */
};
/* Its context, made when it is needed and kept in *context. 0 or -errno with the cure. */
int source_tls_context_of_other(struct source_tls *t, const struct other_server *server,
	SSL_CTX **context, struct error *err);

/* The name of the source for SNI and certificates; NULL: not known. */
const char *source_tls_name(const struct settings *s);

#define PIN_TEXT_MAX (2 * TLS_PIN_SIZE + 1) /* hexadecimal */
/* false: it is none. */
bool pin_read(struct str text, unsigned char ret[static TLS_PIN_SIZE]);
void pin_text(
	const unsigned char pin[static TLS_PIN_SIZE], char ret[static PIN_TEXT_MAX]);
/* -ENOENT: none is confirmed. */
int source_pin(struct registry *r, enum service_id service,
	unsigned char ret[static TLS_PIN_SIZE], struct error *err);
int source_confirm_pin(struct registry *r, enum service_id service,
	const unsigned char pin[static TLS_PIN_SIZE], struct error *err);

#endif
