/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signatures of handshakes. RSA takes 0.4 ms (2048 bits) to 3 ms (4096): it goes to
 * libuv's helper threads, one for each CPU, so that no handshake and no login waits for
 * another one's. An elliptic curve takes 0.03 ms, less than a way there and back.
 */
#include "base/log.h"
#include "vault/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct signing {
	uv_work_t work; /* first: libuv gives it back */
	struct asker *asker;
	EVP_PKEY *key;               /* counted: it may be renewed meanwhile */
	uint64_t number, key_scheme; /* as asked */
	unsigned char digest[EVP_MAX_MD_SIZE], bytes[TLS_SIGNATURE_MAX];
	size_t n_digest, n_bytes;
	int result;
};

static void compute(uv_work_t *work)
{
	struct signing *s = (struct signing *)work;

	s->result = tls_sign(s->key, (unsigned)(s->key_scheme & 0xffff),
		str_of((char *)s->digest, s->n_digest), s->bytes, &s->n_bytes);
}

static void answer(const struct signing *s)
{
	struct message m = { .type = MESSAGE_SIGNED, .number = s->number };

	if (s->result == 0)
		m.payload = str_of((const char *)s->bytes, s->n_bytes);
	else
		log_error(NULL, "sign", "key=%llu scheme=%llx error=%d",
			(unsigned long long)(s->key_scheme >> 16),
			(unsigned long long)(s->key_scheme & 0xffff), s->result);
	asker_send(s->asker, &m);
}

static void done(uv_work_t *work, int status)
{
	struct signing *s = (struct signing *)work;

	if (status < 0)
		s->result = status;
	answer(s);
	asker_signed(s->asker);
	EVP_PKEY_free(s->key);
	free(s);
}

/* false: it is to be computed here. */
static bool to_a_thread(const struct signing *s, struct server *server)
{
	struct signing *job = EVP_PKEY_is_a(s->key, "RSA") ? malloc(sizeof(*job)) : NULL;

	if (!job)
		return false;
	*job = *s;
	(void)EVP_PKEY_up_ref(job->key);
	if (uv_queue_work(&server->loop, &job->work, compute, done) == 0) {
		job->asker->jobs++;
		job->asker->signings++;
		return true;
	}
	EVP_PKEY_free(job->key);
	free(job);
	return false;
}

void sign(struct asker *a, const struct message *m)
{
	struct server *server = a->server;
	uint64_t key = m->number2 >> 16;
	struct signing s = {
		.asker = a,
		.number = m->number,
		.key_scheme = m->number2,
		.key = vault_tls_key(&server->tls, key),
		.n_digest = m->payload.len,
		.result = -ENOENT,
	};

	if (!s.key) /* a handshake that began before they were renewed */
		s.key = vault_tls_key(&server->tls_before, key);
	if (s.n_digest > sizeof(s.digest))
		s.result = -EINVAL;
	else if (s.key) {
		memcpy(s.digest, m->payload.ptr, s.n_digest);
		if (to_a_thread(&s, server))
			return;
		compute(&s.work);
	}
	answer(&s);
}
