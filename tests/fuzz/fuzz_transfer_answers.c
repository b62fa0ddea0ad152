/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a source answers to the transfer's questions, in any pieces. Whatever it is:
 *   - a body has as many bytes as were announced before its message is told
 *   - a message is told of the folder that was asked for, as it was when it was listed
 *   - every listing and every fetch ends once
 *   - UIDs of a folder of which the changes are listed ascend
 */
#include "fuzz.h"

#include "transfer/read/imap_answers.h"

#include <stdlib.h>

#define FOLDERS 2
#define WANTED_MOST 64

struct model {
	struct imap_queue queue;
	struct imap_connection imap;
	bool is_careful;
	uint32_t uidvalidity[FOLDERS];
	struct wanted wanted[FOLDERS][WANTED_MOST];
	size_t n_wanted[FOLDERS], to_fetch[FOLDERS];
	bool is_listed[FOLDERS], has_body;
	uint32_t last_uid[FOLDERS];
	uint64_t announced, come;
	struct error err;
};

static const struct str names[FOLDERS] = { STR("INBOX"), STR("Sent") };

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int on_folder(void *context, const struct mail_folder *f)
{
	(void)context;
	must(f->name.ptr != NULL);
	return 0;
}

static int on_text(void *context, struct str text)
{
	(void)context;
	must(text.ptr != NULL || !text.len);
	return 0;
}

/* Words as the store has them: single spaces, nothing that a line could not hold. */
static int on_keywords(void *context, size_t folder, struct str words)
{
	(void)context;
	(void)folder;
	for (size_t i = 0; i < words.len; i++)
		if ((unsigned char)words.ptr[i] < 0x20)
			abort();
	return 0;
}

static int on_opened(void *context, size_t folder, const struct source_status *s)
{
	struct model *m = context;

	must(folder < FOLDERS && s->uidvalidity);
	if (m->is_listed[folder])
		return 0;
	m->uidvalidity[folder] = s->uidvalidity;
	m->n_wanted[folder] = 0;
	m->last_uid[folder] = 0;
	return 0;
}

static int on_row(void *context, size_t folder, const struct mail *mail)
{
	struct model *m = context;

	must(folder < FOLDERS && !m->is_listed[folder]);
	if (m->n_wanted[folder] < WANTED_MOST)
		m->wanted[folder][m->n_wanted[folder]++] =
			(struct wanted){ .uid = mail->uid };
	return 0;
}

static int on_uids(void *context, size_t folder, uint32_t first, uint32_t last)
{
	struct model *m = context;

	must(folder < FOLDERS && !m->is_listed[folder]);
	must(first > m->last_uid[folder] && last >= first);
	m->last_uid[folder] = last;
	return 0;
}

static int on_unreadable(void *context, size_t folder, uint32_t uid, struct str text)
{
	(void)uid;
	must(folder < FOLDERS && !((struct model *)context)->is_listed[folder]);
	must(text.len > 0);
	return 0;
}

static int on_listed(void *context, size_t folder, enum source_end end, struct str text)
{
	struct model *m = context;
	struct imap_job job = { .folder = folder,
		.name = names[folder],
		.uidvalidity = m->uidvalidity[folder],
		.wanted = m->wanted[folder],
		.n = m->n_wanted[folder] };

	must(text.ptr != NULL || !text.len);
	must(!m->is_listed[folder]);
	m->is_listed[folder] = true;
	if (end != SOURCE_DONE)
		return 0;
	m->to_fetch[folder] = job.n;
	return imap_queue_fetch(&m->queue, &job);
}

static int on_body(void *context, unsigned connection, uint64_t len)
{
	struct model *m = context;

	(void)connection;
	m->has_body = true;
	m->announced = len;
	m->come = 0;
	return 0;
}

static int on_bytes(void *context, unsigned connection, struct str bytes)
{
	struct model *m = context;

	(void)connection;
	must(m->has_body);
	m->come += bytes.len;
	must(m->come <= m->announced);
	return 0;
}

static int on_message(
	void *context, unsigned connection, size_t folder, const struct mail *mail)
{
	struct model *m = context;

	(void)connection;
	(void)mail;
	must(m->has_body && m->come == m->announced);
	must(m->imap.status.uidvalidity == m->uidvalidity[folder]);
	m->has_body = false;
	return 0;
}

static int on_fetched(void *context, size_t folder, const struct wanted *first, size_t n,
	enum source_end end, struct str text)
{
	struct model *m = context;

	(void)first;
	(void)end;
	must(text.ptr != NULL || !text.len);
	must(m->to_fetch[folder] >= n);
	m->to_fetch[folder] -= n;
	return 0;
}

static const struct source_events events = {
	.folder = on_folder,
	.subscription = on_text,
	.namespaces = on_text,
	.opened = on_opened,
	.keywords = on_keywords,
	.row = on_row,
	.uids = on_uids,
	.unreadable = on_unreadable,
	.listed = on_listed,
	.body = on_body,
	.bytes = on_bytes,
	.message = on_message,
	.fetched = on_fetched,
};

static int ask(struct model *m)
{
	int r = imap_queue_send(&m->queue, &m->imap, true, m->is_careful);

	buf_clear(&m->imap.net.out);
	return r;
}

/* As long as answers bring further questions. */
static int ask_and_take(struct model *m, const struct imap_answers *answers)
{
	size_t before;
	int r = 0;

	do {
		before = buf_len(&m->imap.net.in);
		r = ask(m);
		if (r == 0)
			r = imap_answers_take(answers, &m->imap, 0, &m->err);
	} while (r == 0 && buf_len(&m->imap.net.in) != before);
	return r;
}

static int queue_looks(struct model *m)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < FOLDERS; i++)
		r = imap_queue_status(&m->queue, i, names[i]);
	return r;
}

static int queue_lists(struct model *m)
{
	int r = 0;

	imap_queue_folders(&m->queue);
	for (size_t i = 0; r == 0 && i < FOLDERS; i++)
		r = imap_queue_list(&m->queue, i, names[i], 0);
	return r;
}

static int queue_changes(struct model *m)
{
	static const uint32_t cuts[] = { 5, 300 };
	static const struct source_known known[FOLDERS] = { { .modseq = 7 },
		{ .modseq = 9, .cuts = cuts, .n_cuts = 2 } };
	int r = 0;

	for (size_t i = 0; r == 0 && i < FOLDERS; i++)
		r = imap_queue_changes(&m->queue, i, names[i], &known[i]);
	return r;
}

static void run(struct str input, size_t step, int (*queue)(struct model *m))
{
	struct model m = { .is_careful = false };
	struct source_events e = events;
	struct imap_answers answers = {
		.events = &e, .queue = &m.queue, .ret_careful = &m.is_careful
	};
	int r;

	e.context = &m;
	imap_connection_init(&m.imap);
	r = queue(&m);
	for (; r == 0 && input.len; input = str_skip(input, step)) {
		r = buf_append(&m.imap.net.in, str_take(input, step));
		if (r == 0)
			r = ask_and_take(&m, &answers);
	}
	imap_queue_fini(&m.queue);
	imap_connection_close(&m.imap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run(str_of(data, size), SIZE_MAX, queue_lists);
	run(str_of(data, size), 1, queue_lists);
	run(str_of(data, size), 13, queue_lists);
	run(str_of(data, size), 7, queue_looks);
	run(str_of(data, size), 11, queue_changes);
	return 0;
}
