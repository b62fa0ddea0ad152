/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "source/tls.h"

#include "base/hex.h"
#include "tls/stream_starttls.h"

#include <errno.h>
#include <stdio.h>

#define FACT_NAME_MAX 32 /* "submission.pin" */

static struct str fact_name(enum service_id service, char name[static FACT_NAME_MAX])
{
	(void)snprintf(name, FACT_NAME_MAX, "%s.pin", service_name(service));
	return str_from(name);
}

void pin_text(const unsigned char pin[static TLS_PIN_SIZE], char ret[static PIN_TEXT_MAX])
{
	hex_write(pin, TLS_PIN_SIZE, ret);
}

bool pin_read(struct str text, unsigned char ret[static TLS_PIN_SIZE])
{
	return hex_read(text, ret, TLS_PIN_SIZE);
}

int source_pin(struct registry *r, enum service_id service,
	unsigned char ret[static TLS_PIN_SIZE], struct error *err)
{
	char name[FACT_NAME_MAX];
	struct arena arena;
	struct str text;
	int code;

	arena_init(&arena);
	code = registry_fact(r, fact_name(service, name), &arena, &text, err);
	if (code == 0 && !pin_read(text, ret))
		code = error_set(err, -EBADMSG,
			"the pin of %s in the registry is damaged",
			service_name(service));
	arena_fini(&arena);
	return code;
}

int source_confirm_pin(struct registry *r, enum service_id service,
	const unsigned char pin[static TLS_PIN_SIZE], struct error *err)
{
	char name[FACT_NAME_MAX], text[PIN_TEXT_MAX];

	pin_text(pin, text);
	return registry_set_fact(r, fact_name(service, name), str_from(text), err);
}

const char *source_tls_name(const struct settings *s)
{
	return *s->source_name ? s->source_name : NULL;
}

static int version_of(enum tls_version v)
{
	static const int numbers[] = {
		[TLS_VERSION_1_0] = TLS1_VERSION,
		[TLS_VERSION_1_1] = TLS1_1_VERSION,
		[TLS_VERSION_1_2] = TLS1_2_VERSION,
		[TLS_VERSION_1_3] = TLS1_3_VERSION,
	};

	return numbers[v];
}

static int make_context(const struct source_tls *t, const struct settings *s,
	struct registry *r, enum service_id service, SSL_CTX **ret, struct error *err)
{
	static const enum tls_verify kinds[SOURCE_VERIFY_COUNT] = {
		[SOURCE_VERIFY_PIN] = TLS_VERIFY_PIN,
		[SOURCE_VERIFY_CA] = TLS_VERIFY_CA,
		[SOURCE_VERIFY_NONE] = TLS_VERIFY_NONE,
	};
	const struct service_settings *service_settings = &s->services[service];
	struct tls_client_policy policy = {
		.verify = kinds[service_settings->source_verify],
		.name = source_tls_name(s),
		.authorities = t->authorities,
		.min_version = version_of(service_settings->source_min_version)
	};
	int code = 0;

	if (policy.verify == TLS_VERIFY_PIN)
		code = source_pin(r, service, policy.pin, err);
	if (code == -ENOENT)
		return error_set(err, -ENOKEY,
			"the source's key on %s is not confirmed; compare what "
			"`mailferry "
			"check` shows and run `mailferry check --trust-source`",
			service_name(service));
	return code < 0 ? code : tls_client_context(&policy, ret, err);
}

static bool wants_authorities(const struct settings *s)
{
	for (int i = 0; i < SERVICE_COUNT; i++)
		if (s->services[i].source_verify == SOURCE_VERIFY_CA &&
			s->services[i].source_tls != SOURCE_TLS_NONE)
			return true;
	return (*s->smart_host && s->smart_host_verify == SMART_HOST_VERIFY_CA) ||
	       (destination_is_elsewhere(&s->destination) &&
		       s->destination_verify == SMART_HOST_VERIFY_CA);
}

void source_tls_prepare(struct source_tls *t, const struct settings *s)
{
	if (!t->authorities && wants_authorities(s))
		t->authorities = tls_authorities();
}

void source_tls_fini(struct source_tls *t)
{
	for (int i = 0; i < SERVICE_COUNT; i++)
		SSL_CTX_free(t->contexts[i]);
	SSL_CTX_free(t->smart_host);
	SSL_CTX_free(t->destination);
	X509_STORE_free(t->authorities);
	*t = (struct source_tls){ 0 };
}

static enum starttls_protocol dialogue_of(enum service_id service)
{
	if (service == SERVICE_IMAP || service == SERVICE_IMAPS)
		return STARTTLS_IMAP;
	return service == SERVICE_POP3 || service == SERVICE_POP3S ? STARTTLS_POP3
	                                                           : STARTTLS_SMTP;
}

int source_tls_prepare_service(struct source_tls *t, const struct settings *s,
	struct registry *r, enum service_id service, struct error *err)
{
	enum source_tls_mode how = s->services[service].source_tls;

	if (how == SOURCE_TLS_NONE || how == SOURCE_TLS_CLIENT || t->contexts[service])
		return 0;
	return make_context(t, s, r, service, &t->contexts[service], err);
}

static int wrap(struct source_tls *t, const struct settings *s, struct registry *r,
	enum service_id service, bool implicit, struct stream **stream, struct error *err)
{
	SSL_CTX **context = &t->contexts[service];
	struct stream *secure;
	int code = 0;

	if (!*context)
		code = make_context(t, s, r, service, context, err);
	if (code < 0)
		return code;
	code = implicit ? stream_tls_connect(
				  *stream, *context, source_tls_name(s), &secure)
	                : stream_starttls_connect(*stream, *context, source_tls_name(s),
				  dialogue_of(service), &secure);
	if (code < 0)
		return error_errno(err, code, "TLS to the source");
	*stream = secure;
	return 0;
}

int source_tls_wrap(struct source_tls *t, const struct settings *s, struct registry *r,
	enum service_id service, struct stream **stream, struct error *err)
{
	enum source_tls_mode how = s->services[service].source_tls;

	if (how == SOURCE_TLS_NONE || how == SOURCE_TLS_CLIENT)
		return 0;
	return wrap(t, s, r, service, how == SOURCE_TLS_IMPLICIT, stream, err);
}

int source_tls_wrap_for_tls(struct source_tls *t, const struct settings *s,
	struct registry *r, enum service_id service, struct stream **stream,
	struct error *err)
{
	int code;

	if (s->services[service].source_tls != SOURCE_TLS_CLIENT)
		return source_tls_wrap(t, s, r, service, stream, err);
	code = wrap(t, s, r, service, false, stream, err);
	return code == -ENOKEY ? 0 : code;
}

int source_tls_context_of_other(struct source_tls *t, const struct other_server *server,
	SSL_CTX **context, struct error *err)
{
	static const enum tls_verify verifiers[] = {
		[SMART_HOST_VERIFY_CA] = TLS_VERIFY_CA,
		[SMART_HOST_VERIFY_NONE] = TLS_VERIFY_NONE,
		[SMART_HOST_VERIFY_PIN] = TLS_VERIFY_PIN,
	};
	const char *noun = server->noun, *option = server->option;
	struct tls_client_policy policy = {
		.verify = verifiers[server->verify],
		.name = server->name,
		.authorities = t->authorities,
		.min_version = TLS1_2_VERSION,
	};

	if (*context)
		return 0;
	if (policy.verify == TLS_VERIFY_CA && !*server->name)
		return error_set(err, -EINVAL,
			"the %s's certificate cannot be verified without its name: set "
			"`%s_name`, or `%s_verify = \"none\"`",
			noun, option, option);
	if (policy.verify == TLS_VERIFY_PIN &&
		!pin_read(str_from(server->pin), policy.pin))
		return error_set(err, -ENOKEY,
			"%s_verify = \"pin\" needs the %s's key, 64 hexadecimal "
			"digits: set `%s_pin`",
			option, noun, option);
	return tls_client_context(&policy, context, err);
}
