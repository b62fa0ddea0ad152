/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check_tls.h"

#include "base/clock.h"
#include "base/fd.h"
#include "source/tls.h"
#include "tls/stream_tls.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#define HANDSHAKE_MS 35000 /* a tarpit in front of it takes up to 30 s */

struct shown {
	unsigned char pin[TLS_PIN_SIZE];
	char version[16];
	char expiry[64];
};

/* ── what it shows ─────────────────────────────────────────────────────────────────── */

static int open_socket(const struct settings *s, enum service_id id)
{
	struct sockaddr_storage to = s->sources[0];
	in_port_t port = htons(s->services[id].upstream_port);
	socklen_t len = to.ss_family == AF_INET ? sizeof(struct sockaddr_in)
	                                        : sizeof(struct sockaddr_in6);
	CLEANUP(fd_closep)
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (to.ss_family == AF_INET)
		((struct sockaddr_in *)&to)->sin_port = port;
	else
		((struct sockaddr_in6 *)&to)->sin6_port = port;
	if (connect(fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS)
		return -errno;
	return fd_steal(&fd);
}

static int shake(struct stream *s)
{
	uint64_t end = clock_monotonic_ms() + HANDSHAKE_MS, now;
	int r, events;

	while ((r = stream_connected(s)) == -EINPROGRESS) {
		now = clock_monotonic_ms();
		if (now >= end)
			return -ETIMEDOUT;
		stream_want(s, UV_READABLE | UV_WRITABLE);
		(void)stream_wait(&s, 1, (unsigned)(end - now), &events);
	}
	return r;
}

static void read_expiry(X509 *x, char *text, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;
	long len;

	text[0] = '\0';
	if (bio && ASN1_TIME_print(bio, X509_get0_notAfter(x))) {
		len = BIO_get_mem_data(bio, &bytes);
		(void)snprintf(text, size, "%.*s", (int)len, bytes);
	}
	BIO_free(bio);
}

static int read_shown(struct stream *s, struct shown *ret)
{
	SSL *ssl = stream_tls_ssl(s);
	X509 *x = ssl ? SSL_get0_peer_certificate(ssl) : NULL;

	if (!x || !tls_certificate_pin(x, ret->pin))
		return -ENODATA;
	(void)snprintf(ret->version, sizeof(ret->version), "%s", SSL_get_version(ssl));
	read_expiry(x, ret->expiry, sizeof(ret->expiry));
	return 0;
}

/* Whoever it is: that is the question. */
static int ask(struct control *c, enum service_id id, struct shown *ret)
{
	struct settings anybody = c->settings; /* nothing in it is freed here */
	struct source_tls tls = { 0 };
	struct stream *s = NULL;
	int fd = open_socket(&c->settings, id), r = fd;

	anybody.services[id].source_verify = SOURCE_VERIFY_NONE;
	if (anybody.services[id].source_tls == SOURCE_TLS_CLIENT)
		anybody.services[id].source_tls = SOURCE_TLS_STARTTLS;
	if (fd >= 0)
		r = stream_plain_new(NULL, fd, &s);
	if (r < 0) {
		fd_closep(&fd);
		return error_errno(&c->err, r, "cannot connect");
	}
	r = shake(s);
	if (r == 0)
		r = source_tls_wrap(&tls, &anybody, NULL, id, &s, &c->err);
	if (r == 0)
		r = shake(s);
	if (r == 0)
		r = read_shown(s, ret);
	if (r < 0)
		error_errno(&c->err, r, "no TLS");
	stream_free(s);
	source_tls_fini(&tls);
	return r;
}

/* ── what we know of it ────────────────────────────────────────────────────────────── */

static bool is_ours(const struct settings *s, const unsigned char pin[TLS_PIN_SIZE])
{
	bool found = false;

	for (size_t i = 0; !found && i < s->tls.certificates.n; i++) {
		unsigned char ours[TLS_PIN_SIZE];
		FILE *file = fopen(s->tls.certificates.paths[i], "re");
		X509 *x = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

		found = x && tls_certificate_pin(x, ours) &&
		        memcmp(ours, pin, TLS_PIN_SIZE) == 0;
		X509_free(x);
		if (file)
			(void)fclose(file);
	}
	ERR_clear_error();
	return found;
}

static int open_registry(struct control *c, struct registry **ret)
{
	char path[PATH_MAX];
	int r = settings_state_path(&c->settings, REGISTRY_FILE, path, sizeof(path));

	return r < 0 ? r : registry_open(path, ret, &c->err);
}

/* 0: it is the confirmed one; -ENOENT: none is; -EKEYREJECTED: it is another one. */
static int compare(struct control *c, enum service_id id, const struct shown *shown)
{
	unsigned char pin[TLS_PIN_SIZE];
	struct registry *r = NULL;
	int code = control_registry(c, &r);

	if (code == 0)
		code = source_pin(r, id, pin, &c->err);
	registry_close(r);
	if (code == 0 && memcmp(pin, shown->pin, TLS_PIN_SIZE) != 0)
		return -EKEYREJECTED;
	return code;
}

static int confirm(struct control *c, enum service_id id, const struct shown *shown)
{
	struct registry *r = NULL;
	int code = open_registry(c, &r);

	if (code == 0)
		code = source_confirm_pin(r, id, shown->pin, &c->err);
	registry_close(r);
	return code;
}

/* ── one service ───────────────────────────────────────────────────────────────────── */

static const char *verdict(int code, enum finding_level *level)
{
	*level = code == 0 ? FINDING_OK : FINDING_PROBLEM;
	if (code == 0)
		return "it is the one that was confirmed";
	return code == -EKEYREJECTED
	               ? "it is NOT the one that was confirmed: somebody is between us "
	                 "and the source, or it has a new key; look at the source itself, "
	                 "then `mailferry check --trust-source`"
	               : "it is not confirmed, so nobody is taken there by TLS: compare "
	                 "it at the source itself, then `mailferry check --trust-source`";
}

static void say(struct control *c, struct findings *f, enum service_id id,
	const struct shown *shown)
{
	enum finding_level level = FINDING_OK;
	char pin[PIN_TEXT_MAX];
	const char *words = "it is not verified (source_verify = \"none\")";
	int code = 0;

	pin_text(shown->pin, pin);
	if (c->settings.services[id].source_verify == SOURCE_VERIFY_CA)
		words = "verified by its certificate";
	if (c->settings.services[id].source_verify == SOURCE_VERIFY_PIN) {
		code = c->trust_source ? confirm(c, id, shown) : 0;
		code = code < 0 ? code : compare(c, id, shown);
		words = verdict(code, &level);
		/* then it is reached in clear, as by clients in clear */
		if (code == -ENOENT &&
			c->settings.services[id].source_tls == SOURCE_TLS_CLIENT)
			level = FINDING_NOTE;
	}
	finding(f, level, "tls", service_name(id),
		"the source shows the key %s (%s, until %s)%s; %s", pin, shown->version,
		shown->expiry,
		is_ours(&c->settings, shown->pin) ? ", which is the one in `certificate`"
						  : "",
		words);
}

void check_tls(struct control *c, struct findings *f)
{
	for (int i = 0; i < SERVICE_COUNT; i++) {
		const struct service_settings *s = &c->settings.services[i];
		struct shown shown;

		/* without keys of ours the TLS of 993 and its likes passes unseen */
		if (!s->enabled || s->source_tls == SOURCE_TLS_NONE ||
			(!c->settings.tls.certificates.n &&
				(service_is_implicit((enum service_id)i) ||
					s->source_tls == SOURCE_TLS_CLIENT)))
			continue;
		if (ask(c, (enum service_id)i, &shown) == 0)
			say(c, f, (enum service_id)i, &shown);
		else
			finding(f, FINDING_NOTE, "tls", service_name((enum service_id)i),
				"the source's key cannot be seen: %s", c->err.text);
	}
}
