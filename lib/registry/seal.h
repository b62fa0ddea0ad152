/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_SEAL_H
#define REGISTRY_SEAL_H
/*
 * Sealing (AES-256-GCM) for passwords that must come back, and verifiers (scrypt) for
 * those that must only be compared. OpenSSL does the work.
 *
 *   sealed:   version 1 byte | nonce 12 | ciphertext | tag 16
 *   verifier: "scrypt$" N "$" r "$" p "$" salt-hex "$" hash-hex
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#define SEAL_KEY_SIZE 32

/* Reads or makes the key file (see registry_open). */
int seal_key_load(const char *path, bool create, uint8_t key[static SEAL_KEY_SIZE],
	struct error *err);

/* Appends the sealed form to out. associated: the account's name. */
int seal(const uint8_t key[static SEAL_KEY_SIZE], struct str associated, struct str clear,
	struct buf *out);
/* -EBADMSG: another key, another account, or damaged. */
int unseal(const uint8_t key[static SEAL_KEY_SIZE], struct str associated,
	struct str sealed, struct arena *arena, struct str *ret_clear);

/* Takes about 50 ms of CPU and 16 MiB: never on a connection's path. */
int verifier_make(struct str password, struct buf *out);
/* 0 right, -EACCES wrong, -EBADMSG not a verifier. Pure: may run on a helper thread. */
int verifier_check(struct str verifier, struct str password);
/* Of several, a line each (registry_verifiers()). */
int verifier_check_any(struct str verifiers, struct str password);

#endif
