/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_IMAP_LOGIN_H
#define TRANSFER_IMAP_LOGIN_H
/*
 * From connecting to a login that works.
 *
 *   greeting ─► CAPABILITY ─► ID ─► AUTHENTICATE PLAIN ──refused──► LOGIN ─► CAPABILITY
 *
 * Each question only where it is needed: a server that says its capabilities by itself is
 * not asked for them. ID goes where it is announced, since some refuse everything before
 * it. Some take LOGIN and refuse AUTHENTICATE although they offer it.
 */
#include "transfer/read/imap_connection.h"

struct imap_account {
	struct str login, password; /* the caller's, as long as the reader lives */
	struct source_dialer dialer;
	struct str user;    /* whom to act as (SASL's authzid); "": whose login it is */
	bool is_master;     /* the login is a master user's */
	bool prefers_login; /* AUTHENTICATE was refused, and LOGIN taken */
};

/* Connects and logs in; results as source_ops.connect. A greeting is waited for as long
   as a client would, however short the patience. */
int imap_log_in(struct imap_connection *imap, const struct sockaddr_storage *to,
	struct imap_account *account, unsigned patience_ms, struct error *err);

#endif
