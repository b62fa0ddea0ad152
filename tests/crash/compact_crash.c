/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Compaction killed before every single step, with what was not synced lost: each message
 * is there with its bytes, and another run gives back as much room as one that nothing
 * has disturbed. There are equal bodies, which are to be shared, and a pack of which most
 * is deleted.
 */
#include "mailstore/store/compact.h"
#include "steps.h"
#include "store_work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BODIES 8
#define LEN 150000

/* 'a' and 'b' come several times; those in capitals are deleted. */
static const char bodies[BODIES] = { 'a', 'X', 'b', 'a', 'Y', 'b', 'a', 'Z' };

static void add(struct store *s, int64_t mailbox, char byte, const char *text)
{
	struct error err = { 0 };
	struct store_message m = { .keywords = STR(""), .size = LEN, .uidl = STR("") };
	struct body_writer w;
	struct body_place place;
	uint32_t uid;

	MUST(store_body_begin(s, LEN, &w, &err));
	MUST(store_body_write(s, &w, str_of(text, LEN), &err));
	MUST(store_body_end(s, &w, &place, &err));
	MUST(store_add(s, mailbox, &m, &place, &uid, &err));
	if (byte < 'a')
		MUST(store_expunge(s, mailbox, uid, &err));
}

static void fill(const char *folder)
{
	const struct mailbox inbox = { .name = STR("INBOX"), .uidvalidity = 11 };
	char *text = malloc(LEN);
	struct error err = { 0 };
	struct store *s;
	int64_t id = 0;

	empty_folder(folder);
	if (!text)
		fail("no memory");
	MUST(store_open(folder, true, &s, &err));
	MUST(store_begin(s, &err));
	MUST(store_create_mailbox(s, &inbox, &id, &err));
	for (size_t i = 0; i < BODIES; i++) {
		memset(text, bodies[i], LEN);
		add(s, id, bodies[i], text);
	}
	MUST(store_commit(s, &err));
	store_close(s);
	free(text);
}

static void compact(void *context)
{
	struct store_compacted is;
	struct error err = { 0 };

	MUST(store_compact(context, &is, &err));
}

static uint64_t compact_again(const char *folder)
{
	struct store_compacted is;
	struct error err = { 0 };

	MUST(store_compact(folder, &is, &err));
	return is.after;
}

static void look(const char *folder, struct buf *ret_text)
{
	struct error err = { 0 };
	struct store *s;

	buf_init(ret_text, 0);
	MUST(store_open(folder, false, &s, &err));
	MUST(store_verify(s, &err));
	work_dump(s, ret_text);
	store_close(s);
}

static void expect_same(const char *folder, const struct buf *expected, unsigned step)
{
	struct buf is;

	look(folder, &is);
	if (!str_eq(buf_view(&is), buf_view(expected)))
		fail("step %u:\n%.*swas to be\n%.*s", step, STR_ARG(buf_view(&is)),
			STR_ARG(buf_view(expected)));
	buf_fini(&is);
}

int main(void)
{
	char folder[] = "/dev/shm/mailferry-compact-XXXXXX";
	struct steps steps = { .folder = folder };
	struct buf expected;

	if (!mkdtemp(folder))
		fail("cannot make %s", folder);
	fill(folder);
	look(folder, &expected);
	for (unsigned step = 1; step == 1 || steps.killed; step++) {
		fill(folder);
		steps_run(&steps, step, compact, folder);
		expect_same(folder, &expected, step);
		if (compact_again(folder) != (uint64_t)2 * LEN)
			fail("step %u: room did not come back", step);
		expect_same(folder, &expected, step);
	}
	if (steps.count < 20)
		fail("only %u steps: is anything counted?", steps.count);
	printf("killed before each of %u steps\n", steps.count);
	buf_fini(&expected);
	empty_folder(folder);
	(void)rmdir(folder);
	return 0;
}
