/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_VERIFY_H
#define INTERCEPTOR_VERIFY_H
/*
 * Passwords of accounts that live here. scrypt takes 50 ms of CPU, so it runs on libuv's
 * one helper thread, as a pure function on its own copy; what was right once is known
 * again by a keyed hash (HMAC-SHA256, the key random and only in this process), so that
 * a phone that polls costs nothing.
 *
 * A digest (APOP, CRAM-MD5) is compared with one made of the sealed password. Where none
 * is sealed any more, or the admin has set another one, the user is told to show the
 * password: a verifier cannot tell.
 */
#include "interceptor/session/host.h"

#include <uv.h>

#define VERIFY_CACHE 1024 /* 32 KiB; two that share a place take turns */
#define VERIFY_QUEUE 64   /* waiting for the helper: 3 s of work, then come again later */
#define VERIFY_DIGEST 32

struct verify {
	uv_loop_t *loop;
	struct registry *registry;
	unsigned char key[VERIFY_DIGEST];
	unsigned char seen[VERIFY_CACHE][VERIFY_DIGEST];
	LIST_HEAD(, job) jobs;
	unsigned queued;
};

int verify_init(struct verify *v, uv_loop_t *loop, struct registry *registry);

typedef void verify_fn(struct session *s, enum verdict verdict, struct str ticket);
/* host_ops.verify() */
void verify_password(
	struct verify *v, struct session *s, const struct question *q, verify_fn *done);
/* s is not interested any more. */
void verify_forget(struct verify *v, struct session *s);

#endif
