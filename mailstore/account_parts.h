/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_ACCOUNT_PARTS_H
#define MAILSTORE_ACCOUNT_PARTS_H
/* One account's process, as its files see it. */
#include "mailstore/account.h"
#include "mailstore/background.h"
#include "mailstore/serve/connection.h"
#include "mailstore/serve/delivery.h"
#include "messages/exchange.h"

struct pending_delivery;

struct account {
	const char *name;
	struct loop loop;
	struct channel master;
	struct timer *timer;
	uint64_t disk_reserve;
	bool entered; /* we are inside the folder */
	bool ending;
	bool sleeps; /* its sessions are the master's, as soon as that is told */
	struct timer *sleep_timer;
	uint64_t hibernate_ms; /* 0: never */
	struct serve serve;    /* store NULL: not open */
	struct connections connections;
	struct background background;
	struct pending_delivery
		*deliveries[DELIVERY_BATCH]; /* came in this turn of the loop */
	size_t n_deliveries;
};

/* ---- account.c ---- */

void account_tell_master(struct account *a, const struct message *m);
/* The sentence of what is wrong with the mailbox or the disk under it. */
void account_alarm(struct account *a, const struct error *err);
/* 0: it is open; else -errno, and what clients are told. */
int account_open_store(struct account *a, const char **ret_why);
/* Another folder is in its place: all was ended. */
bool account_is_replaced(void *account);

/* ---- account_delivery.c ---- */

/* STAGE, DELIVER and their likes: they wait until all of this turn is read. */
void account_on_delivery(void *account, const struct message *m, int fd);
/* All that came, in one transaction where it can be: one fsync for many. */
void account_run_deliveries(struct account *a);

/* ---- account_sleep.c ---- */

/* After connections_init(). 0 or -errno. */
int account_sleep_init(struct account *a);
void account_on_leave(void *account, const struct message *m, int fd); /* LEAVE */
/* Before the loop sleeps: is all told? */
void account_look_for_sleep(struct account *a);

#endif
