/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef VAULT_SEAL_H
#define VAULT_SEAL_H
/*
 * The two forms in which a password lies in the registry, and the verifier that replaces
 * them. Only the vault opens, compares or makes any of them; all are bound to the
 * account's name.
 *
 *   box       closed by a worker (registry/box.h): a candidate. The source took it, or
 *             so that worker says. It opens no mailbox.
 *   seal      AES-256-GCM under the sealing key, so made here: this very password was
 *             used with success by a transfer. Rows of older versions count as such.
 *             version 1 byte (1) | nonce 12 | ciphertext | tag 16
 *   verifier  scrypt, for a password that must only be compared, with a keyed hash over
 *             it and the account's name: a row that was written by anybody else is none.
 *             "bound$" mac-hex "$scrypt$" N "$" r "$" p "$" salt-hex "$" hash-hex
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "registry/box.h"
#include "registry/residence.h"

#define SEAL_KEY_SIZE 32

/* All come from the one key in key_file. */
struct vault_keys {
	uint8_t sealing[SEAL_KEY_SIZE];
	uint8_t binding[SEAL_KEY_SIZE]; /* of verifiers */
	uint8_t box_public[BOX_KEY_SIZE], box_secret[BOX_KEY_SIZE];
};

/* Reads the key file, or makes it (mode 0600) when `create` and absent. One that others
   can read is refused with the cure. */
int seal_key_load(const char *path, bool create, uint8_t key[static SEAL_KEY_SIZE],
	struct error *err);
int keys_derive(const uint8_t key[static SEAL_KEY_SIZE], struct vault_keys *ret);

/* Appends the sealed form to out. associated: the account's name. */
int seal(const uint8_t key[static SEAL_KEY_SIZE], struct str associated, struct str clear,
	struct buf *out);
/* -EBADMSG: another key, another account, or damaged. */
int unseal(const uint8_t key[static SEAL_KEY_SIZE], struct str associated,
	struct str sealed, struct arena *arena, struct str *ret_clear);

/* Opens either form. *ret_proven: it is a seal, not a box. -EBADMSG as above. */
int seal_open(const struct vault_keys *keys, struct str account, struct str sealed,
	struct arena *arena, struct str *ret_clear, bool *ret_proven);

/* Equal, in a time that says nothing about where they differ. */
bool seal_same(struct str a, struct str b);

/* Takes some 100 ms of CPU and 32 MiB: never on a loop. Pure: for a helper thread. */
int verifier_make(struct str password, struct buf *out);
/* 0 right, -EACCES wrong, -EBADMSG not a verifier. Pure, too. */
int verifier_check(struct str verifier, struct str password);
/* Of several, a line each. */
int verifier_check_any(struct str verifiers, struct str password);
/* What the source calls an account that was renamed here: bound in the same way, so that
   nobody else can say it. It is no verifier, and a verifier is none. */
int source_name_bind(const struct vault_keys *keys, struct str account, struct str name,
	struct buf *out);
/* *ret: a view. -EBADMSG: as below. */
int source_name_unbind(const struct vault_keys *keys, struct str account,
	struct str bound, struct str *ret);

/* Where an account lives (registry/residence.h): likewise. */
int residence_bind(const struct vault_keys *keys, struct str account, struct str text,
	struct buf *out);
bool residence_is_bound(
	const struct vault_keys *keys, struct str account, struct str bound);

/* Appends the bound form of a verifier. */
int verifier_bind(const struct vault_keys *keys, struct str account, struct str verifier,
	struct buf *out);
/* *ret: the verifier inside, a view. -EBADMSG: not bound, or not by us, or not to that
   account. */
int verifier_unbind(const struct vault_keys *keys, struct str account, struct str bound,
	struct str *ret);

#endif
