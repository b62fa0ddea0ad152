/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Invariants 1 and 6 for APPENDs that are committed together: two sessions append, and
 * the process is killed before every single step, with what was not synced lost.
 *
 * Afterwards each message whose APPEND was answered OK is there; each other one is there
 * as a whole, or not at all; all of one command are, or none; none is there twice. Then
 * the store takes another one. An image of the mailbox is kept in between; one that is
 * there says what the rows say.
 */
#include "mailstore/serve/append_queue.h"
#include "mailstore/serve/services.h"
#include "mailstore/serve/view_stored.h"
#include "steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SESSIONS 2
#define ROUNDS 2   /* of input, with a commit behind each */
#define COMMANDS 3 /* of each session in a round */
#define MESSAGES (ROUNDS * SESSIONS * COMMANDS * 2)
#define LARGE_EVERY 17 /* such a message goes to a pack, by itself */
#define LARGE 70000

struct shared {
	bool answered[MESSAGES]; /* OK */
	bool found[MESSAGES];
};

static char folder[64];
static struct shared *shared;

/* ── messages ──────────────────────────────────────────────────────────────────────── */

/* Its number, and bytes that only this one has, as many as only it has. */
static void put_message(struct buf *out, unsigned number)
{
	size_t len = number % LARGE_EVERY == 0 ? LARGE + number : 200 + number * 7;
	char word[16];
	size_t end;

	(void)buf_printf(out, "Number: %u\r\n\r\n", number);
	(void)snprintf(word, sizeof(word), "%08x\r\n", number * 2654435761u);
	for (end = buf_len(out) + len; buf_len(out) < end;)
		(void)buf_append_c(out, word);
}

/* Every second command is one of two messages. */
static unsigned messages_of(unsigned command)
{
	return 1 + command % 2;
}

static void put_command(struct buf *out, unsigned command)
{
	struct buf message;

	(void)buf_printf(out, "%u APPEND INBOX", command);
	for (unsigned i = 0; i < messages_of(command); i++) {
		buf_init(&message, 0);
		put_message(&message, command * 2 + i);
		(void)buf_printf(out, " {%zu+}\r\n", buf_len(&message));
		(void)buf_append(out, buf_view(&message));
		buf_fini(&message);
	}
	(void)buf_append_c(out, "\r\n");
}

/* ── the work ──────────────────────────────────────────────────────────────────────── */

static void note_answers(struct session *s)
{
	struct str said = output_view(&s->out);

	while (said.len) {
		struct str line = str_split(&said, '\n'), rest = line;
		uint32_t command;

		if (!str_to_u32(str_split(&rest, ' '), &command))
			continue;
		if (!str_starts(rest, STR_LIT("OK [APPENDUID")))
			fail("it said %.*s", STR_ARG(line));
		for (unsigned i = 0; i < messages_of(command); i++)
			shared->answered[command * 2 + i] = true;
	}
	output_consume(&s->out, output_view(&s->out).len);
}

static void run(struct session *s)
{
	enum service_need need;

	do {
		need = session_run(s);
		if (need == SERVICE_OUTPUT)
			note_answers(s);
	} while (need != SERVICE_INPUT);
}

/* What the background does. */
static void keep_image(struct store *s)
{
	struct error err = { 0 };
	int64_t inbox;

	MUST(store_find_inbox(s, &inbox, &err));
	MUST(store_begin_derived(s, &err));
	MUST(view_stored_keep(s, inbox, &err));
	MUST(store_commit(s, &err));
}

static void work(void *context)
{
	const struct login login = { .session = STR("crash"), .tag = STR("login") };
	struct session sessions[SESSIONS];
	struct serve serve = { .message_bytes = 1000000 };
	struct error err = { 0 };
	unsigned command = 0;

	(void)context;
	MUST(store_open(folder, false, &serve.store, &err));
	for (unsigned i = 0; i < SESSIONS; i++)
		if (session_open(&sessions[i], service_find(STR_LIT("imap")), &serve,
			    &login) < 0)
			fail("no session");
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < SESSIONS; i++) {
			for (unsigned n = 0; n < COMMANDS; n++)
				put_command(&sessions[i].in, command++);
			run(&sessions[i]);
			note_answers(&sessions[i]);
		}
		append_queue_commit(&serve);
		for (unsigned i = 0; i < SESSIONS; i++)
			note_answers(&sessions[i]);
		keep_image(serve.store);
	}
	for (unsigned i = 0; i < SESSIONS; i++)
		session_close(&sessions[i]);
	store_close(serve.store);
}

/* ── what is there then ────────────────────────────────────────────────────────────── */

struct look {
	struct store *store;
	int64_t inbox;
	bool has_image;
};

static int look_at(void *context, const struct store_message *m)
{
	struct look *l = context;
	struct error err = { 0 };
	struct buf expected;
	struct body body;
	unsigned number;

	MUST(store_body(l->store, l->inbox, m->uid, &body, &err));
	if (sscanf(body.bytes.ptr, "Number: %u", &number) != 1 || number >= MESSAGES)
		fail("UID %u is none of ours", m->uid);
	buf_init(&expected, 0);
	put_message(&expected, number);
	if (!str_eq(body.bytes, buf_view(&expected)))
		fail("message %u is not as it was", number);
	if (shared->found[number])
		fail("message %u is there twice", number);
	shared->found[number] = true;
	buf_fini(&expected);
	store_body_release(&body);
	return 0;
}

/* An image that is there is of what is there. */
static void look_at_image(struct look *l)
{
	struct mailbox m = { .id = l->inbox };
	struct error err = { 0 };
	struct view rows, image;

	MUST(store_mailbox_counts(l->store, l->inbox, &m, &err));
	if (!view_stored_open(&image, l->store, &m))
		return;
	MUST(view_open(&rows, l->store, &m, true, &err));
	if (image.count != rows.count)
		fail("an image of %u messages, not of %u", image.count, rows.count);
	for (uint32_t i = 0; i < rows.count; i++)
		if (image.messages[i].uid != rows.messages[i].uid ||
			image.messages[i].modseq != rows.messages[i].modseq)
			fail("message %u of the image is another one", i);
	view_close(&rows);
	view_close(&image);
	l->has_image = true;
}

static void append_one_more(struct look *l)
{
	struct store_message m = { .keywords = STR(""), .size = 4, .uidl = STR("") };
	struct body_place place = store_body_inline(STR_LIT("more"));
	struct error err = { 0 };

	MUST(store_begin(l->store, &err));
	MUST(store_add(l->store, l->inbox, &m, &place, NULL, &err));
	MUST(store_commit(l->store, &err));
	MUST(store_verify(l->store, &err));
}

/* Whether there was an image. */
static bool check(unsigned step)
{
	struct look l = { 0 };
	struct error err = { 0 };
	unsigned commands = ROUNDS * SESSIONS * COMMANDS;

	MUST(store_open(folder, false, &l.store, &err));
	MUST(store_verify(l.store, &err));
	MUST(store_find_inbox(l.store, &l.inbox, &err));
	MUST(store_each_message(l.store, l.inbox, 1, UINT32_MAX, look_at, &l, &err));
	for (unsigned n = 0; n < MESSAGES; n++)
		if (shared->answered[n] && !shared->found[n])
			fail("step %u: message %u was acknowledged and is lost", step, n);
	for (unsigned n = 1; n < commands; n += 2)
		if (shared->found[2 * n] != shared->found[2 * n + 1])
			fail("step %u: command %u is there in half", step, n);
	look_at_image(&l);
	append_one_more(&l);
	look_at_image(&l);
	store_close(l.store);
	return l.has_image;
}

static void make_store(void)
{
	struct mailbox inbox = {
		.name = STR("INBOX"), .separator = '/', .special_use = STR("")
	};
	struct error err = { 0 };
	struct store *s;

	MUST(store_open(folder, true, &s, &err));
	MUST(store_begin(s, &err));
	MUST(store_create_mailbox(s, &inbox, NULL, &err));
	MUST(store_commit(s, &err));
	store_close(s);
}

static unsigned count_answers(void)
{
	unsigned count = 0;

	for (unsigned n = 0; n < MESSAGES; n++)
		count += shared->answered[n];
	return count;
}

int main(void)
{
	struct steps steps = { .folder = folder };
	unsigned some = 0, images = 0, step;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)snprintf(folder, sizeof(folder), "%s/mailferry-crash-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (shared == MAP_FAILED || !mkdtemp(folder))
		fail("cannot make a folder");
	for (step = 1; step == 1 || steps.killed; step++) {
		unsigned answers;

		empty_folder(folder);
		memset(shared, 0, sizeof(*shared));
		make_store();
		steps_run(&steps, step, work, NULL);
		images += check(step) && steps.killed;
		answers = count_answers();
		some += answers && steps.killed;
	}
	if (steps.count < 50 || !some || !images)
		fail("only %u steps, %u with answers, %u with an image", steps.count,
			some, images);
	if (count_answers() != ROUNDS * SESSIONS * COMMANDS * 3 / 2)
		fail("%u answers at the end", count_answers());
	printf("killed before each of %u steps, %u of them with answers given, %u with "
	       "an image\n",
		steps.count, some, images);
	empty_folder(folder);
	(void)rmdir(folder);
	return 0;
}
