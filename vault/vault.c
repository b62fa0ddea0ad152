/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening: the key, the registry, and that one belongs to the other. */
#include "vault/vault.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_CHECK STR_LIT("key-check")
#define KEY_CHECK_TEXT STR_LIT("mailferry 2")
/* Verifiers were not bound to their accounts then. */
#define KEY_CHECK_TEXT_1 STR_LIT("mailferry")

static int write_key_check(struct vault *v, struct error *err)
{
	struct buf sealed;
	int r;

	buf_init(&sealed, 0);
	r = seal(v->keys.sealing, KEY_CHECK, KEY_CHECK_TEXT, &sealed);
	if (r == 0)
		r = registry_set_fact(v->registry, KEY_CHECK, buf_view(&sealed), err);
	buf_fini(&sealed);
	return r;
}

/* ── verifiers of older versions ───────────────────────────────────────────────────── */

struct upgrade {
	struct vault *vault;
	struct buf accounts; /* their numbers */
	struct error *err;
};

static int each_account(void *context, const struct account *a)
{
	struct upgrade *u = context;

	return a->passwords ? buf_append(&u->accounts, str_of(&a->id, sizeof(a->id))) : 0;
}

static int bind_one(void *context, const struct password *p)
{
	struct upgrade *u = context;
	struct buf bound;
	int r = 0;

	if (!str_starts(p->verifier, STR_LIT("scrypt$")))
		return 0;
	buf_init(&bound, 0);
	r = verifier_bind(&u->vault->keys, p->account_name, p->verifier, &bound);
	if (r == 0)
		r = registry_replace_verifier(
			u->vault->registry, p->id, p->verifier, buf_view(&bound), u->err);
	buf_fini(&bound);
	return r;
}

/* Once: afterwards a verifier that is not bound was written by somebody else. That this
   was done is sealed, so nobody else can have it done again. */
static int bind_verifiers(struct vault *v, struct error *err)
{
	struct upgrade u = { .vault = v, .err = err };
	int r;

	buf_init(&u.accounts, 0);
	r = registry_each(v->registry, each_account, &u, err);
	while (r == 0 && buf_len(&u.accounts)) {
		int64_t id;

		memcpy(&id, buf_view(&u.accounts).ptr, sizeof(id));
		buf_consume(&u.accounts, sizeof(id));
		r = registry_each_password(v->registry, id, bind_one, &u, err);
	}
	buf_fini(&u.accounts);
	return r == 0 ? write_key_check(v, err) : r;
}

/* ── the key ───────────────────────────────────────────────────────────────────────── */

/* A key that does not open the passwords here would be noticed at the first transfer, by
   a user who is told that the password is wrong. So it is noticed now. */
static int check_key(struct vault *v, const struct settings *s, bool anything_sealed,
	struct error *err)
{
	struct arena arena;
	struct str sealed, clear;
	bool is_old = false;
	int r;

	arena_init(&arena);
	r = registry_fact(v->registry, KEY_CHECK, &arena, &sealed, NULL);
	if (r == 0)
		r = unseal(v->keys.sealing, KEY_CHECK, sealed, &arena, &clear);
	if (r == 0)
		is_old = str_eq(clear, KEY_CHECK_TEXT_1);
	arena_fini(&arena);
	if (r == 0)
		return is_old ? bind_verifiers(v, err) : 0;
	if (r == -EBADMSG && anything_sealed)
		return error_set(err, -EBADMSG,
			"the key file %s is not the one that the passwords in "
			"%s/" REGISTRY_FILE " are sealed with; restore that one",
			s->key_file, s->state_dir);
	return write_key_check(v, err);
}

static int load_key(struct vault *v, const struct settings *s, bool create,
	bool anything_sealed, struct error *err)
{
	uint8_t key[SEAL_KEY_SIZE];
	int r;

	if (anything_sealed && create && access(s->key_file, F_OK) < 0 && errno == ENOENT)
		return error_set(err, -ENOENT,
			"the key file %s is missing, but passwords in %s/" REGISTRY_FILE
			" are sealed with it; restore it from your backup",
			s->key_file, s->state_dir);
	r = seal_key_load(s->key_file, create, key, err);
	if (r == 0 && keys_derive(key, &v->keys) < 0)
		r = error_set(err, -EIO, "cannot derive the vault's keys");
	explicit_bzero(key, sizeof(key));
	return r;
}

static int open_registry(
	struct vault *v, const struct settings *s, bool create, struct error *err)
{
	char path[PATH_MAX];
	int r = settings_state_path(s, REGISTRY_FILE, path, sizeof(path));

	if (r < 0)
		return error_errno(err, r, "%s", s->state_dir);
	r = create ? registry_make(path, &v->registry, err)
	           : registry_open(path, &v->registry, err);
	if (r == 0)
		r = registry_set_domains(v->registry, s->domains, s->n_domains);
	return r;
}

static int make_memory(struct vault *v)
{
	size_t size = sizeof(*v->fingerprints) * FINGERPRINTS;

	v->fingerprints = malloc(size);
	v->recent = calloc(RECENT_PLACES, sizeof(*v->recent));
	if (!v->fingerprints || !v->recent)
		return -ENOMEM;
	/* an empty place must not be something that can be hit */
	randombytes_buf(v->fingerprints, size);
	randombytes_buf(v->fingerprint_key, sizeof(v->fingerprint_key));
	return ticket_key_make(&v->ticket_key);
}

int vault_open(
	const struct settings *s, bool create, struct vault *ret, struct error *err)
{
	struct vault v = { .next_serial = 1 };
	bool sealed = false;
	int r = open_registry(&v, s, create, err);

	if (r == 0)
		r = registry_any_password(v.registry, &sealed, err);
	if (r == 0)
		r = load_key(&v, s, create, sealed, err);
	if (r == 0)
		r = check_key(&v, s, sealed, err);
	if (r == 0 && make_memory(&v) < 0)
		r = error_set(err, -ENOMEM, "no memory");
	if (r < 0) {
		vault_close(&v);
		return r;
	}
	*ret = v;
	explicit_bzero(&v, sizeof(v));
	return 0;
}

static int check_key_file(const struct settings *s, struct error *err)
{
	uint8_t key[SEAL_KEY_SIZE];
	int r = seal_key_load(s->key_file, false, key, err);

	explicit_bzero(key, sizeof(key));
	return r;
}

int vault_check(const struct settings *s, struct error *err)
{
	struct vault v;
	char path[PATH_MAX];
	int r = settings_state_path(s, REGISTRY_FILE, path, sizeof(path));

	if (r < 0)
		return error_errno(err, r, "%s", s->state_dir);
	if (access(path, F_OK) < 0)
		return check_key_file(s, err);
	r = vault_open(s, false, &v, err);
	if (r == 0)
		vault_close(&v);
	return r;
}

void vault_close(struct vault *v)
{
	registry_close(v->registry);
	free(v->fingerprints);
	free(v->recent);
	explicit_bzero(v, sizeof(*v));
}

int vault_renew_tickets(struct vault *v)
{
	int r = v->ticket_key_given ? ticket_key_make(&v->ticket_key) : 0;

	v->ticket_key_given = true;
	return r;
}
