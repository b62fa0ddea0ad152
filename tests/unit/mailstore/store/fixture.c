/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fixture.h"

#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void assert_ok(int code, struct error *err, const char *call, const char *file, int line)
{
	if (code < 0)
		print_error("%s: %d: %s\n", call, code, err->text);
	_assert_int_equal((LargestIntegralType)code, 0, file, line);
}

void assert_str(struct str is, const char *expected)
{
	if (!str_eq(is, str_from(expected)))
		print_error("\"%.*s\" is not \"%s\"\n", STR_ARG(is), expected);
	assert_true(str_eq(is, str_from(expected)));
}

int fixture_setup(void **state)
{
	struct error err = { 0 };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	arena_init(&f->arena);
	(void)snprintf(f->folder, sizeof(f->folder), "%s/mailferry-store-XXXXXX",
		scratch_folder());
	assert_non_null(mkdtemp(f->folder));
	OK(store_open(f->folder, true, &f->store, &err));
	*state = f;
	return 0;
}

void fixture_shell(const struct fixture *f, const char *command)
{
	char text[2048];

	assert_true(snprintf(text, sizeof(text), "d=%s; %s", f->folder, command) <
		    (int)sizeof(text));
	assert_int_equal(system(text), 0); /* NOLINT(cert-env33-c): our own words */
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	fixture_shell(f, "rm -rf $d");
	arena_fini(&f->arena);
	free(f);
	return 0;
}

void fixture_reopen(struct fixture *f)
{
	struct error err = { 0 };

	store_close(f->store);
	f->store = NULL;
	OK(store_open(f->folder, false, &f->store, &err));
}

/* What takes version n + 1 back to n (rows of schema.c). */
static const char *const downgrades[] = {
	[1] = "DROP TRIGGER staged_gone; DROP TABLE staged; DROP TRIGGER message_gone;"
	      "CREATE TRIGGER message_gone AFTER DELETE ON message BEGIN"
	      " DELETE FROM body WHERE id = old.offset; END;",
	[2] = "ALTER TABLE message DROP COLUMN checksum;"
	      "ALTER TABLE staged DROP COLUMN checksum;"
	      "ALTER TABLE account DROP COLUMN owner;"
	      "ALTER TABLE account DROP COLUMN service;"
	      "ALTER TABLE account DROP COLUMN served_at;",
	[3] = "DROP TRIGGER mailbox_gone; DROP TABLE metadata; DROP TABLE keyword;"
	      "ALTER TABLE message DROP COLUMN saved;"
	      "ALTER TABLE message DROP COLUMN email;",
	[4] = "ALTER TABLE mailbox DROP COLUMN modseq_from;"
	      "ALTER TABLE mailbox DROP COLUMN source_modseq;",
	[5] = "DROP TRIGGER email_gone; DROP INDEX message_email; DROP TABLE header;"
	      "ALTER TABLE account DROP COLUMN read_version;"
	      "ALTER TABLE account DROP COLUMN read_to;",
	[6] = "ALTER TABLE account DROP COLUMN quota_bytes;"
	      "ALTER TABLE account DROP COLUMN quota_messages;",
	[7] = "DROP TABLE gram_row; DROP TABLE gram_block; DROP TABLE gram_new;"
	      "DROP TABLE gram_gone;"
	      "DROP TRIGGER email_gone; DROP TRIGGER grams_void;"
	      "ALTER TABLE account DROP COLUMN grams_version;"
	      "ALTER TABLE account DROP COLUMN grams_to;"
	      "CREATE TRIGGER email_gone AFTER DELETE ON message"
	      " WHEN NOT EXISTS (SELECT 1 FROM message WHERE email = old.email) BEGIN"
	      " DELETE FROM header WHERE email = old.email; END;",
	[8] = "DROP INDEX message_recent;",
	[10] = "DROP TABLE former_name;",
	[11] = "ALTER TABLE account DROP COLUMN quota_told;",
	[12] = "CREATE TABLE counterpart_was (mailbox, uid, folder, uidvalidity,"
	       " source_uid, digest, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;"
	       "INSERT INTO counterpart_was SELECT mailbox, uid, folder, uidvalidity,"
	       " other_uid, digest FROM counterpart WHERE side = 0;"
	       "DROP TABLE counterpart;"
	       "ALTER TABLE counterpart_was RENAME TO counterpart;"
	       "CREATE INDEX counterpart_source"
	       " ON counterpart (folder, uidvalidity, source_uid);",
	[13] = "DROP VIEW message_now; DROP TABLE range_change;",
	[14] = "ALTER TABLE account DROP COLUMN residence;",
	[15] = "DROP TRIGGER image_gone; DROP TRIGGER image_void; DROP TABLE image;",
	[16] = "DROP TABLE image; CREATE TABLE image (mailbox INTEGER PRIMARY KEY,"
	       " version, modseq, checksum, bytes);",
	[17] = "ALTER TABLE expunged DROP COLUMN len;"
	       "ALTER TABLE expunged DROP COLUMN checksum;",
	[9] = "DROP TABLE base; DROP TABLE base_subscription; DROP TABLE counterpart;"
	      "ALTER TABLE expunged DROP COLUMN date;"
	      "ALTER TABLE expunged DROP COLUMN size;",
};

void fixture_downgrade(struct fixture *f, unsigned version)
{
	struct error err = { 0 };
	char command[1024];

	store_close(f->store);
	f->store = NULL;
	for (size_t i = sizeof(downgrades) / sizeof(downgrades[0]); i-- > version;) {
		(void)snprintf(command, sizeof(command),
			"sqlite3 $d/index.sqlite '%s PRAGMA user_version = %zu'",
			downgrades[i], i);
		fixture_shell(f, command);
	}
	OK(store_open(f->folder, false, &f->store, &err));
}

int64_t add_mailbox(struct store *s, const char *name)
{
	struct error err = { 0 };
	struct mailbox m = { .name = str_from(name), .separator = '/' };
	int64_t id = 0;

	OK(store_create_mailbox(s, &m, &id, &err));
	assert_true(id > 0);
	return id;
}

struct mailbox get_mailbox(struct fixture *f, const char *name)
{
	struct error err = { 0 };
	struct mailbox m = { 0 };

	OK(store_find_mailbox(f->store, str_from(name), &f->arena, &m, &err));
	return m;
}

uint32_t add_packed(struct store *s, int64_t mailbox, uint32_t uid, struct str body)
{
	struct error err = { 0 };
	struct store_message m = { .uid = uid, .size = body.len };
	struct body_writer w;
	struct body_place place;
	uint32_t ret_uid = 0;

	OK(store_body_begin(s, body.len, &w, &err));
	OK(store_body_write(s, &w, body, &err));
	OK(store_body_end(s, &w, &place, &err));
	OK(store_add(s, mailbox, &m, &place, &ret_uid, &err));
	return ret_uid;
}

uint32_t add_inline(struct store *s, int64_t mailbox, uint32_t uid, struct str body)
{
	struct error err = { 0 };
	struct store_message m = { .uid = uid, .size = body.len };
	struct body_place place = store_body_inline(body);
	uint32_t ret_uid = 0;

	OK(store_add(s, mailbox, &m, &place, &ret_uid, &err));
	return ret_uid;
}

void assert_body(struct store *s, int64_t mailbox, uint32_t uid, struct str expected)
{
	struct error err = { 0 };
	struct body b;

	OK(store_body(s, mailbox, uid, &b, &err));
	assert_int_equal(b.bytes.len, expected.len);
	if (expected.len)
		assert_memory_equal(b.bytes.ptr, expected.ptr, expected.len);
	store_body_release(&b);
}

char *pattern(size_t len, unsigned seed)
{
	char *bytes = malloc(len ? len : 1);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		bytes[i] = (char)(seed >> 16);
	}
	return bytes;
}

off_t fixture_size(const struct fixture *f, const char *name)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	return stat(path, &st) < 0 ? -1 : st.st_size;
}
