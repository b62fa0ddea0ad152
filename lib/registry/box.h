/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_BOX_H
#define REGISTRY_BOX_H
/*
 * A password on its way to the vault: a box that anybody can close with the vault's
 * public key and only the vault can open (libsodium's sealed box: X25519,
 * XSalsa20-Poly1305). Its account is inside, so that a box under another account's name
 * does not open. What opens it, and what the vault makes of it, is vault/seal.h.
 *
 *   version 1 byte (2) | sealed: length of name 1 | name | password
 */
#include "base/buf.h"

#define BOX_KEY_SIZE 32
#define BOX_VERSION 2

/* Appends the box to out. 0; -EINVAL: a name longer than 255 bytes; -EIO, -ENOMEM. */
int box_seal(const uint8_t public_key[static BOX_KEY_SIZE], struct str account,
	struct str clear, struct buf *out);

#endif
