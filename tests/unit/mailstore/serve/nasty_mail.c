/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/nasty_mail.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILE_MAX_BYTES 65536
#define FILES_MAX 64
#define LINES_MAX 4096

/* ── the mail ──────────────────────────────────────────────────────────────────────── */

static void read_file(struct nasty_mail *f, const char *name)
{
	char path[1024], *bytes = malloc(FILE_MAX_BYTES);
	struct str left;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", CORPUS, name);
	file = fopen(path, "rb");
	assert_non_null(file);
	assert_non_null(bytes);
	left = str_of(bytes, fread(bytes, 1, FILE_MAX_BYTES, file));
	(void)fclose(file);
	f->files[f->n_files] = bytes;
	f->bodies[f->n_files++] = left;
	while (left.len && f->n_lines < LINES_MAX) {
		size_t len = str_index(left, '\n') + 1;

		f->lines[f->n_lines++] = str_take(left, len);
		left = str_skip(left, len);
	}
}

static void read_corpus(struct nasty_mail *f)
{
	struct dirent **entries;
	int count = scandir(CORPUS, &entries, NULL, alphasort);

	assert_true(count > 10);
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.' && f->n_files < FILES_MAX)
			read_file(f, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

unsigned nasty_mail_random(struct nasty_mail *f, size_t below)
{
	f->seed = f->seed * 1103515245 + 12345;
	return (f->seed >> 8) % (unsigned)below;
}

static void add(struct store *s, int64_t inbox, struct str body)
{
	struct store_message m = {
		.size = body.len, .date = 1704186000, .uidl = STR(""), .keywords = STR("")
	};
	struct body_place place = store_body_inline(body);

	assert_return_code(store_add(s, inbox, &m, &place, NULL, NULL), 0);
}

static void add_mixed(struct nasty_mail *f, struct store *s, int64_t inbox)
{
	struct buf body;
	unsigned lines = 1 + nasty_mail_random(f, 30);

	buf_init(&body, 0);
	for (unsigned i = 0; i < lines; i++)
		assert_return_code(
			buf_append(&body, f->lines[nasty_mail_random(f, f->n_lines)]), 0);
	add(s, inbox, buf_view(&body));
	buf_fini(&body);
}

int64_t nasty_mail_inbox(struct store *s)
{
	struct mailbox m = { 0 };
	struct arena arena;

	arena_init(&arena);
	assert_return_code(store_find_mailbox(s, STR_LIT("INBOX"), &arena, &m, NULL), 0);
	arena_fini(&arena);
	return m.id;
}

void nasty_mail_add(struct nasty_mail *f)
{
	add_mixed(f, f->server.serve.store, nasty_mail_inbox(f->server.serve.store));
}

int nasty_mail_open(struct nasty_mail *f)
{
	struct store *s;
	int64_t inbox;

	f->seed = 1;
	read_corpus(f);
	assert_return_code(memory_server_open(&f->server), 0);
	s = f->server.serve.store;
	inbox = nasty_mail_inbox(s);
	assert_return_code(store_begin(s, NULL), 0);
	for (size_t i = 0; i < f->n_files; i++)
		add(s, inbox, f->bodies[i]);
	for (unsigned i = 0; i < NASTY_MIXED; i++)
		add_mixed(f, s, inbox);
	assert_return_code(store_commit(s, NULL), 0);
	assert_return_code(memory_session_open(&f->server, 0, STR_LIT("")), 0);
	return 0;
}

void nasty_mail_close(struct nasty_mail *f)
{
	memory_server_close(&f->server);
	for (size_t i = 0; i < f->n_files; i++)
		free(f->files[i]);
}

/* ── asking ────────────────────────────────────────────────────────────────────────── */

void nasty_mail_ask(struct nasty_mail *f, struct str command, struct buf *ret)
{
	char *text = str_dup_c(command);
	struct str said;

	assert_non_null(text);
	assert_return_code(memory_session_say(&f->server, 0, text, &said), 0);
	assert_return_code(buf_append(ret, said), 0);
	free(text);
}

void nasty_mail_same(struct str command, struct str before, struct str after)
{
	size_t at = 0;

	while (at < before.len && at < after.len && before.ptr[at] == after.ptr[at])
		at++;
	if (at < before.len || at < after.len)
		fail_msg("%.*s: at byte %zu\nbefore: %.*s\n after: %.*s",
			STR_ARG(command), at,
			STR_ARG(str_take(str_skip(before, at), 300)),
			STR_ARG(str_take(str_skip(after, at), 300)));
}
