/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/verify.h"

#include "base/log.h"
#include "interceptor/session/session.h"
#include "registry/passwords.h"
#include "registry/seal.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

/* What the helper thread works on: nobody else touches it meanwhile. */
struct job {
	uv_work_t work; /* first: libuv gives it back */
	struct verify *verify;
	struct session *session; /* NULL: gone */
	verify_fn *tell;
	int result;
	struct arena arena;
	struct str password, verifier;
	unsigned char digest[VERIFY_DIGEST];
	LIST_ENTRY(job) all;
};

int verify_init(struct verify *v, uv_loop_t *loop, struct registry *registry)
{
	memset(v, 0, sizeof(*v));
	v->loop = loop;
	v->registry = registry;
	LIST_INIT(&v->jobs);
	if (RAND_bytes(v->key, sizeof(v->key)) != 1)
		return -EIO;
	/* an empty place must not be something that can be hit */
	return RAND_bytes(&v->seen[0][0], sizeof(v->seen)) == 1 ? 0 : -EIO;
}

/* The verifier goes in too: another password makes another one, and old proofs void. */
static int digest(const struct verify *v, struct str verifier, struct str password,
	unsigned char ret[static VERIFY_DIGEST])
{
	unsigned char inner[2 * VERIFY_DIGEST];
	unsigned n;
	bool ok;

	ok = HMAC(EVP_sha256(), v->key, sizeof(v->key),
		     (const unsigned char *)verifier.ptr, verifier.len, inner, &n) &&
	     HMAC(EVP_sha256(), v->key, sizeof(v->key),
		     (const unsigned char *)(password.len ? password.ptr : ""),
		     password.len, inner + VERIFY_DIGEST, &n) &&
	     HMAC(EVP_sha256(), v->key, sizeof(v->key), inner, sizeof(inner), ret, &n);
	explicit_bzero(inner, sizeof(inner));
	return ok ? 0 : -EIO;
}

static size_t place(const unsigned char d[static VERIFY_DIGEST])
{
	return ((size_t)d[0] << 8 | d[1]) % VERIFY_CACHE;
}

static void job_free(struct job *job)
{
	LIST_REMOVE(job, all);
	job->verify->queued--;
	arena_fini(&job->arena);
	free(job);
}

static void run(uv_work_t *work)
{
	struct job *job = (struct job *)work;

	job->result = verifier_check_any(job->verifier, job->password);
}

static void answer(struct job *job)
{
	struct verify *v = job->verify;
	enum verdict verdict = VERDICT_UNKNOWN;

	if (job->result == 0) {
		memcpy(v->seen[place(job->digest)], job->digest, VERIFY_DIGEST);
		verdict = VERDICT_RIGHT;
	} else if (job->result == -EACCES) {
		verdict = VERDICT_WRONG;
	}
	if (job->session)
		job->tell(job->session, verdict, STR_LIT(""));
}

static void done(uv_work_t *work, int status)
{
	struct job *job = (struct job *)work;

	if (status == 0)
		answer(job);
	job_free(job);
}

static struct job *job_new(struct verify *v, struct str password)
{
	struct job *job = v->queued < VERIFY_QUEUE ? calloc(1, sizeof(*job)) : NULL;

	if (!job)
		return NULL;
	job->verify = v;
	arena_init(&job->arena);
	job->password = arena_str(&job->arena, password);
	LIST_INSERT_HEAD(&v->jobs, job, all);
	v->queued++;
	return job;
}

static int job_start(struct job *job)
{
	int r = job->password.ptr
	                ? uv_queue_work(job->verify->loop, &job->work, run, done)
	                : -ENOMEM;

	if (r < 0)
		job_free(job);
	return r;
}

/* Somebody's question. */
struct ask {
	struct session *session;
	const struct question *question;
	verify_fn *tell;
};

static void tell(const struct ask *a, enum verdict verdict)
{
	a->tell(a->session, verdict, STR_LIT(""));
}

static int check(struct verify *v, const struct ask *a, struct str verifier)
{
	struct str password = a->question->password;
	unsigned char d[VERIFY_DIGEST];
	struct job *job;
	int r = digest(v, verifier, password, d);

	if (r < 0)
		return r;
	if (CRYPTO_memcmp(v->seen[place(d)], d, VERIFY_DIGEST) == 0) {
		tell(a, VERDICT_RIGHT);
		return 0;
	}
	job = job_new(v, password);
	if (!job)
		return -EBUSY;
	job->session = a->session;
	job->tell = a->tell;
	job->verifier = arena_str(&job->arena, verifier);
	memcpy(job->digest, d, VERIFY_DIGEST);
	if (!job->verifier.ptr) {
		job_free(job);
		return -ENOMEM;
	}
	return job_start(job);
}

static int judge_password(struct verify *v, const struct ask *a, struct arena *arena)
{
	struct str verifiers;
	int r = registry_verifiers(
		v->registry, a->session->account_id, arena, &verifiers, NULL);

	return r < 0 ? r : check(v, a, verifiers);
}

/* A digest needs the password in clear. The sealed one is the source's: it is the one for
   here, too, unless the admin gave another one, of which there is a verifier only. */
static int judge_proof(struct verify *v, const struct ask *a, struct arena *arena)
{
	struct account account;
	struct str right;
	int r = registry_find_id(
		v->registry, a->session->account_id, arena, &account, NULL);

	if (r == 0)
		r = account.local_password_at
		            ? -ENODATA
		            : registry_password(v->registry, a->session->account_id,
				      arena, &right, NULL, NULL);
	if (r == 0)
		r = challenge_check(&a->question->proof, right);
	if (r != 0 && r != -EACCES && r != -ENODATA)
		return r;
	tell(a, r == 0         ? VERDICT_RIGHT
		: r == -EACCES ? VERDICT_WRONG
			       : VERDICT_NO_PASSWORD);
	return 0;
}

void verify_password(
	struct verify *v, struct session *s, const struct question *q, verify_fn *done_fn)
{
	struct ask a = { .session = s, .question = q, .tell = done_fn };
	struct arena arena;
	char id[SESSION_ID_MAX];
	int r;

	arena_init(&arena);
	r = q->proof.kind == CHALLENGE_NONE ? judge_password(v, &a, &arena)
	                                    : judge_proof(v, &a, &arena);
	arena_fini(&arena);
	if (r < 0) {
		log_error(session_id(s, id), "verify", "account=%s error=\"%s\"",
			s->account, strerror(-r));
		tell(&a, VERDICT_UNKNOWN);
	}
}

void verify_forget(struct verify *v, struct session *s)
{
	struct job *job;

	LIST_FOREACH(job, &v->jobs, all)
	if (job->session == s)
		job->session = NULL;
}
