/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the process of a transfer can say to an account's process of bodies that are lost
 * (MESSAGE_MEND), one after the other: mailbox, UID, length (2 bytes), bytes. Whatever it
 * is, what was sound stays byte for byte, and what was lost is lost or exactly what it
 * was.
 */
#include "fuzz.h"

#include "mailstore/serve/delivery.h"
#include "support/folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGE 60000 /* with a length that fits */

static char spoilt[80]; /* the store's folder, as each run finds it */
static char now[80];    /* a copy: the store that is open */
static char large[LARGE];
static struct store *store;
static int64_t inbox;
static const struct {
	struct str body;
	bool is_packed, is_lost;
} bodies[] = {
	{ STR("first, lost\r\n"), true, true },
	{ STR("second, sound\r\n"), true, false },
	{ { large, LARGE }, true, true },
	{ STR("in the index\x80"), false, true },
	{ STR("in the index, sound"), false, false },
};
#define BODIES (sizeof(bodies) / sizeof(bodies[0]))

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void add(const struct str *body, bool is_packed)
{
	struct body_place place = store_body_inline(*body);
	const struct store_message m = {
		.size = body->len, .keywords = STR_LIT(""), .uidl = STR_LIT("")
	};
	struct body_writer w;

	if (is_packed) {
		must(store_body_begin(store, body->len, &w, NULL) == 0);
		must(store_body_write(store, &w, *body, NULL) == 0);
		must(store_body_end(store, &w, &place, NULL) == 0);
	}
	must(store_add(store, inbox, &m, &place, NULL, NULL) == 0);
}

/* Whether anything that was lost is there again. */
static bool look(void)
{
	bool any = false;

	for (uint32_t uid = 1; uid <= BODIES + 1; uid++) {
		size_t i = uid > BODIES ? 0 : uid - 1;
		struct body body;
		int code = store_body(store, inbox, uid, &body, NULL);

		must(code == 0 || (code == -EIO && bodies[i].is_lost));
		if (code < 0)
			continue;
		must(str_eq(body.bytes, bodies[i].body));
		any = any || bodies[i].is_lost;
		store_body_release(&body);
	}
	return any;
}

/* With what is lost. */
static void make_spoilt(void)
{
	const struct mailbox m = { .name = STR("INBOX"), .separator = '/' };
	char both[64], line[512];

	memset(large, 'l', sizeof(large));
	must(folder_make("mend", both, sizeof(both)) == 0);
	folder_remove_at_exit(both);
	(void)snprintf(spoilt, sizeof(spoilt), "%s/spoilt", both);
	(void)snprintf(now, sizeof(now), "%s/now", both);
	must(store_open(spoilt, true, &store, NULL) == 0);
	must(store_begin(store, NULL) == 0);
	must(store_create_mailbox(store, &m, &inbox, NULL) == 0);
	for (size_t i = 0; i < BODIES; i++)
		add(&bodies[i].body, bodies[i].is_packed);
	must(store_copy(store, inbox, 1, inbox, NULL, NULL) == 0);
	must(store_commit(store, NULL) == 0);
	store_close(store);
	(void)snprintf(line, sizeof(line),
		"d=%s; for at in 2 50000; do printf X |"
		" dd of=$d/bodies/0001.pack bs=1 seek=$at conv=notrunc 2>/dev/null; done;"
		" sqlite3 $d/index.sqlite \"UPDATE body SET bytes = 'X' WHERE id = 1\"",
		spoilt);
	must(system(line) == 0);
}

/* Before the first run, and after one that has mended something. */
static void set_up(void)
{
	if (!store) {
		make_spoilt();
	} else {
		store_close(store);
		folder_remove(now);
	}
	must(mkdir(now, 0700) == 0);
	must(folder_copy(spoilt, now) == 0);
	must(store_open(now, false, &store, NULL) == 0);
	must(!look());
}

static void say(int64_t mailbox, uint32_t uid, struct str bytes)
{
	struct serve serve = { .store = store, .message_bytes = 1, .quota = { 1, 1 } };
	struct delivery d = { .what = DELIVERY_MEND,
		.fd = memfd_create("body", MFD_CLOEXEC),
		.header = STR(""),
		.mailbox = mailbox,
		.uid = uid };
	struct delivery *list[] = { &d };

	must(d.fd >= 0);
	must(write(d.fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len);
	deliveries_run(&serve, list, 1);
	must(d.code <= 0);
	(void)close(d.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of((const char *)data, size);

	if (!store)
		set_up();
	while (input.len >= 4) {
		size_t len = (size_t)(unsigned char)input.ptr[2] << 8 |
		             (unsigned char)input.ptr[3];
		struct str bytes = str_take(str_skip(input, 4), len);

		say((signed char)input.ptr[0], (unsigned char)input.ptr[1], bytes);
		input = str_skip(input, 4 + bytes.len);
	}
	if (look())
		set_up();
	return 0;
}
