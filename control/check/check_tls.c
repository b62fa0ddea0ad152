/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/check_tls.h"

#include "base/clock.h"
#include "base/process.h"
#include "control/check/certificate_view.h"
#include "control/check/outsider.h"
#include "control/check/ownership.h"
#include "control/check/talk.h"
#include "net/stream_ktls.h"
#include "source/proxy.h"
#include "source/tls.h"
#include "tls/stream_tls.h"
#include "wire/sasl_bound.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_MS 5000
#define HANDSHAKE_MS 35000 /* a tarpit in front of it takes up to 30 s */

struct shown {
	struct certificate_view certificate;
	char version[16];
};

/* ── what it shows ─────────────────────────────────────────────────────────────────── */

static int read_shown(struct stream *s, struct shown *ret)
{
	SSL *ssl = stream_tls_ssl(s);
	X509 *x = ssl ? SSL_get0_peer_certificate(ssl) : NULL;

	if (!x || !certificate_view_of(x, &ret->certificate))
		return -ENODATA;
	(void)snprintf(ret->version, sizeof(ret->version), "%s", SSL_get_version(ssl));
	return 0;
}

struct question {
	struct settings settings; /* nothing in it is freed here */
	enum service_id id;
	struct source_tls tls;
	struct shown shown;
};

static int prepare(void *context, struct error *err)
{
	struct question *q = context;

	(void)err;
	source_tls_prepare(&q->tls, &q->settings);
	return 0;
}

static int ask_it(void *context, struct error *err)
{
	struct question *q = context;
	struct sockaddr_storage to = settings_upstream(&q->settings);
	struct talk t;
	int r = talk_dial(&t, &q->settings, q->id, &to, CONNECT_MS, 0);

	if (r < 0)
		return error_errno(err, r, "cannot connect");
	r = source_proxy_begin(&q->settings, q->id, NULL, NULL, t.stream);
	if (r == 0)
		r = talk_connected(&t);
	if (r == 0)
		r = source_tls_wrap(&q->tls, &q->settings, NULL, q->id, &t.stream, err);
	t.end = clock_monotonic_ms() + HANDSHAKE_MS;
	if (r == 0)
		r = talk_connected(&t);
	if (r == 0)
		r = read_shown(t.stream, &q->shown);
	if (r < 0)
		error_errno(err, r, "no TLS");
	talk_end(&t);
	source_tls_fini(&q->tls);
	return r;
}

/* verify NONE: whoever it is, that is the question. */
static int ask(struct control *c, enum service_id id, enum source_verify verify,
	struct shown *ret)
{
	static const struct outsider asker = { prepare, ask_it };
	struct question q = { .settings = c->settings, .id = id };
	struct service_settings *how = &q.settings.services[id];
	int r;

	how->source_verify = verify;
	/* however we speak with it: this is what its clients are shown */
	if (!service_is_implicit(id) || how->source_tls == SOURCE_TLS_CLIENT)
		how->source_tls = SOURCE_TLS_STARTTLS;
	r = outsider_ask(&c->settings, &asker, &q, &q.shown, sizeof(q.shown), &c->err);
	if (r < 0)
		return r;
	*ret = q.shown;
	ret->version[sizeof(ret->version) - 1] = '\0';
	ret->certificate.names[sizeof(ret->certificate.names) - 1] = '\0';
	return 0;
}

/* ── what we know of it ────────────────────────────────────────────────────────────── */

/* Whether one of our certificates has the source's key; names: of all of ours. */
static bool is_ours(
	const struct settings *s, const struct shown *shown, char *names, size_t size)
{
	bool found = false;

	names[0] = '\0';
	for (size_t i = 0; i < s->tls.certificates.n; i++) {
		struct certificate_view ours;

		if (certificate_view_read(s->tls.certificates.paths[i], &ours, NULL) < 0)
			continue;
		found = found ||
		        memcmp(ours.pin, shown->certificate.pin, TLS_PIN_SIZE) == 0;
		if (!strstr(names, ours.names))
			certificate_view_add(names, size, ours.names, strlen(ours.names));
	}
	return found;
}

/* Before the first `up`, too: a key is confirmed while `check` is still being read. */
static int open_registry(struct control *c, struct registry **ret)
{
	char path[PATH_MAX];
	int r = settings_state_path(&c->settings, REGISTRY_FILE, path, sizeof(path));

	if (r == 0)
		r = process_make_directory(
			c->settings.state_dir, STATE_DIRECTORY_MODE, &c->err);
	return r < 0 ? r : registry_make(path, ret, &c->err);
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
	if (code == 0 && memcmp(pin, shown->certificate.pin, TLS_PIN_SIZE) != 0)
		return -EKEYREJECTED;
	return code;
}

static int confirm(struct control *c, enum service_id id, const struct shown *shown)
{
	struct registry *r = NULL;
	int code = open_registry(c, &r);

	if (code == 0)
		code = source_confirm_pin(r, id, shown->certificate.pin, &c->err);
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

/* Another handshake: by it we know what the interceptor's will find. */
static const char *verify(
	struct control *c, enum service_id id, enum finding_level *level)
{
	struct shown again;

	if (ask(c, id, SOURCE_VERIFY_CA, &again) == 0)
		return "verified by its certificate";
	*level = FINDING_PROBLEM;
	return "its certificate is not one for `source_name` by a known authority "
	       "(source_verify = \"ca\"), so nobody is taken there by TLS";
}

/* How our leg to it is verified. */
static const char *judge(struct control *c, enum service_id id, const struct shown *shown,
	enum finding_level *level)
{
	const struct service_settings *s = &c->settings.services[id];
	int code;

	if (s->source_tls == SOURCE_TLS_NONE)
		return "we speak with it in clear (source_tls)";
	if (!c->settings.tls.certificates.n && !c->trust_source &&
		(service_is_implicit(id) || s->source_tls == SOURCE_TLS_CLIENT))
		return "we do not speak TLS with it there";
	if (s->source_verify == SOURCE_VERIFY_CA)
		return verify(c, id, level);
	if (s->source_verify == SOURCE_VERIFY_NONE)
		return "it is not verified (source_verify = \"none\")";
	code = c->trust_source ? confirm(c, id, shown) : 0;
	return verdict(code < 0 ? code : compare(c, id, shown), level);
}

static void say(struct control *c, struct findings *f, enum service_id id,
	const struct shown *shown)
{
	enum finding_level level = FINDING_OK;
	char pin[PIN_TEXT_MAX], left[64], names[512];
	bool ours = is_ours(&c->settings, shown, names, sizeof(names));
	bool none = !c->settings.tls.certificates.n;
	const char *words = judge(c, id, shown, &level);

	if (none && level == FINDING_OK)
		level = FINDING_NOTE;
	pin_text(shown->certificate.pin, pin);
	certificate_view_left(&shown->certificate, left, sizeof(left));
	finding(f, level, "tls", service_name(id),
		"the source shows the key %s for %s (%s, %s); %s%s%s; %s", pin,
		shown->certificate.names, shown->version, left,
		none ? "no key here: clients' TLS passes unseen, and who reads by it is "
		       "not switched"
		: ours ? "our key fits: it is the same one"
		       : "our key is another one, for ",
		none || ours ? "" : names,
		none || ours ? "" : " (clients that compare keys will notice)", words);
}

/* ── ours ──────────────────────────────────────────────────────────────────────────── */

static void say_own(struct findings *f, const char *file)
{
	struct certificate_view v;
	struct error err;
	char left[64];

	if (certificate_view_read(file, &v, &err) < 0) {
		finding(f, FINDING_PROBLEM, "tls", "certificate", "%s", err.text);
		return;
	}
	certificate_view_left(&v, left, sizeof(left));
	finding(f,
		v.days_left < 0                       ? FINDING_PROBLEM
		: v.days_left < CERTIFICATE_SOON_DAYS ? FINDING_NOTE
						      : FINDING_OK,
		"tls", "certificate", "%s: %s, %s", file, v.names, left);
}

/* STARTTLS that is not there is no trouble, where we do not need it. */
static bool is_wanted(const struct settings *s, enum service_id id)
{
	return s->services[id].source_tls != SOURCE_TLS_NONE &&
	       s->services[id].source_tls != SOURCE_TLS_CLIENT &&
	       (s->tls.certificates.n || !service_is_implicit(id));
}

/* What a client's TLS that ends here takes from it, as the interceptor saw it offered. */
static void say_bound(struct control *c, struct findings *f, enum service_id id)
{
	struct registry *r = NULL;
	struct arena arena;
	struct str offered;
	char name[64];
	bool is_bound = false;

	if (!settings_ends_tls(&c->settings, id) || control_registry(c, &r) < 0)
		return;
	arena_init(&arena);
	(void)snprintf(name, sizeof(name), "%s.capability", service_name(id));
	if (registry_fact(r, str_from(name), &arena, &offered, NULL) == 0)
		while (!is_bound && offered.len) { /* POP3 has lines */
			struct str line = str_trim(str_split(&offered, '\n'));

			is_bound = sasl_any_bound(line, STR_LIT("")) ||
			           sasl_any_bound(line, STR_LIT("AUTH="));
		}
	arena_fini(&arena);
	registry_close(r);
	if (is_bound)
		finding(f, FINDING_NOTE, "tls", service_name(id),
			"the source offers logins that are bound to its own TLS "
			"(EXTERNAL, which is a client's certificate, or SCRAM-…-PLUS); "
			"they and SCRAM are not offered where TLS ends here: who needs "
			"them needs services { %s { tls = \"pass\" } }, and cannot be "
			"moved by that service",
			service_name(id));
}

static void say_kernel(const struct settings *s, struct findings *f)
{
	int code = s->tls.certificates.n ? stream_ktls_probe() : 0;

	if (!s->tls.certificates.n)
		return;
	if (code == 0)
		finding(f, FINDING_OK, "kernel", "tls",
			"the kernel does the TLS of sessions after their login (kTLS)");
	else
		finding(f, FINDING_NOTE, "kernel", "tls",
			"no kTLS: TLS of sessions is done by the workers, which costs "
			"more processor time; the kernel's module is called tls");
}

void check_tls(struct control *c, struct findings *f)
{
	const struct settings *s = &c->settings;

	say_kernel(s, f);
	for (size_t i = 0; i < s->tls.certificates.n; i++)
		say_own(f, s->tls.certificates.paths[i]);
	for (int i = 0; i < SERVICE_COUNT; i++) {
		enum service_id id = (enum service_id)i;
		struct shown shown;

		if (!s->services[id].enabled)
			continue;
		say_bound(c, f, id);
		if (ask(c, id, SOURCE_VERIFY_NONE, &shown) == 0)
			say(c, f, id, &shown);
		else if (is_wanted(s, id))
			finding(f, FINDING_NOTE, "tls", service_name(id),
				"the source's key cannot be seen: %s", c->err.text);
	}
}
