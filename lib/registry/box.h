/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_BOX_H
#define REGISTRY_BOX_H
/*
 * A password on its way to the vault: a box that anybody can close with the vault's
 * public key and only the vault can open (X25519, XSalsa20-Poly1305). Its account is
 * inside, so that a box under another account's name does not open. What opens it, and
 * what the vault makes of it, is vault/seal.h.
 *
 *   version 1 byte (3) | public key 32 | nonce 24 | sealed: length of name 1 | name |
 *   password
 *
 * A key pair is made for the boxes of a short time, since making it and agreeing on a key
 * with it cost more than the rest of a login. Its secret half is forgotten at once, the
 * agreed key with box_forget_key(): who reads this process's memory after that opens no
 * box that was closed before.
 */
#include "base/buf.h"

#define BOX_KEY_SIZE 32
/* A password that opens one session's mailbox, later on, is in a box of that name and the
   session's id. No account has such a name, so it is no candidate, and no candidate opens
   a session. */
#define BOX_OF_SESSION STR_LIT("\0session\0")
#define BOX_NONCE_SIZE 24
#define BOX_VERSION 3

struct box_closer {
	uint8_t vault[BOX_KEY_SIZE]; /* the vault's public key */
	uint8_t own[BOX_KEY_SIZE];   /* the public half of the pair */
	uint8_t agreed[BOX_KEY_SIZE];
	uint64_t closed; /* with that key: the next one's nonce, which no other has */
	bool has_key;
};

void box_closer_init(struct box_closer *c, const uint8_t public_key[static BOX_KEY_SIZE]);
void box_forget_key(struct box_closer *c);

/* The name of a box for that session: name[BOX_NAME_MAX]. -EINVAL: its id is too long. */
#define BOX_NAME_MAX 255
int box_name_of_session(
	struct str session, char name[static BOX_NAME_MAX], struct str *ret);

/* Appends the box to out. 0; -EINVAL: a name longer than 255 bytes; -EIO, -ENOMEM. */
int box_close(
	struct box_closer *c, struct str account, struct str clear, struct buf *out);

#endif
