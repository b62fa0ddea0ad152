/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "messages/ticket.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define MAC_SIZE 32
#define MAC_AT (TICKET_SIZE - MAC_SIZE)
#define WORD_BITS 64u

_Static_assert(TICKET_KEY_SIZE == crypto_generichash_KEYBYTES, "a key of libsodium's");

int ticket_key_make(struct ticket_key *ret)
{
	if (sodium_init() < 0)
		return -EIO;
	do {
		randombytes_buf(ret, sizeof(*ret));
	} while (!ret->epoch);
	return 0;
}

static void put_number(char *at, uint64_t value)
{
	for (size_t i = 8; i > 0; i--) {
		at[i - 1] = (char)(value & 0xff);
		value >>= 8;
	}
}

static uint64_t get_number(const char *at)
{
	uint64_t value = 0;

	for (size_t i = 0; i < 8; i++)
		value = value << 8 | (unsigned char)at[i];
	return value;
}

static int add(crypto_generichash_state *state, struct str s)
{
	char len[8];

	put_number(len, s.len);
	return crypto_generichash_update(state, (const unsigned char *)len, sizeof(len)) |
	       crypto_generichash_update(state, (const unsigned char *)s.ptr, s.len);
}

static int make_mac(const struct ticket_key *key, const char *head,
	const struct ticket_bearer *bearer, unsigned char mac[static MAC_SIZE])
{
	crypto_generichash_state state;
	int r = crypto_generichash_init(&state, key->key, sizeof(key->key), MAC_SIZE);

	r |= add(&state, str_of(head, MAC_AT));
	r |= add(&state, bearer->account);
	r |= add(&state, bearer->session);
	r |= add(&state, bearer->service);
	r |= crypto_generichash_final(&state, mac, MAC_SIZE);
	return r ? -EIO : 0;
}

int ticket_make(const struct ticket_key *key, uint64_t serial, uint64_t now_ms,
	const struct ticket_bearer *bearer, char ret[static TICKET_SIZE])
{
	put_number(ret, key->epoch);
	put_number(ret + 8, serial);
	put_number(ret + 16, now_ms + TICKET_MS);
	return make_mac(key, ret, bearer, (unsigned char *)ret + MAC_AT);
}

uint64_t ticket_epoch(struct str ticket)
{
	return ticket.len == TICKET_SIZE ? get_number(ticket.ptr) : 0;
}

static void forget(struct ticket_window *w, uint64_t serial)
{
	uint64_t place = serial % TICKET_WINDOW;

	w->used[place / WORD_BITS] &= ~(UINT64_C(1) << place % WORD_BITS);
}

static void move_to(struct ticket_window *w, uint64_t serial)
{
	if (serial - w->newest >= TICKET_WINDOW)
		memset(w->used, 0, sizeof(w->used));
	else
		for (uint64_t i = w->newest + 1; i <= serial; i++)
			forget(w, i);
	w->newest = serial;
}

static int use(struct ticket_window *w, uint64_t serial)
{
	uint64_t place = serial % TICKET_WINDOW, bit = UINT64_C(1) << place % WORD_BITS;
	uint64_t *word = &w->used[place / WORD_BITS];

	if (serial > w->newest)
		move_to(w, serial);
	else if (w->newest - serial >= TICKET_WINDOW)
		return -ETIME;
	if (*word & bit)
		return -EALREADY;
	*word |= bit;
	return 0;
}

int ticket_use(const struct ticket_key *key, struct ticket_window *window,
	struct str ticket, uint64_t now_ms, const struct ticket_bearer *bearer)
{
	unsigned char mac[MAC_SIZE];

	if (!key->epoch || ticket_epoch(ticket) != key->epoch ||
		make_mac(key, ticket.ptr, bearer, mac) < 0 ||
		sodium_memcmp(mac, ticket.ptr + MAC_AT, MAC_SIZE) != 0)
		return -EACCES;
	if (now_ms > get_number(ticket.ptr + 16))
		return -ETIME;
	return use(window, get_number(ticket.ptr + 8));
}
