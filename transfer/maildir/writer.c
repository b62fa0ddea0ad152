/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/maildir/writer.h"

#include "transfer/maildir/writer_parts.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PENDING_MAX 500 /* then they are synced, as the store does it */
#define PENDING_BYTES ((uint64_t)32 << 20)
#define READ_SIZE 65536
#define OUT_MAX 65536

/* ---- to the mover ---- */

static int flush(struct maildir_writer *w)
{
	while (buf_len(&w->out)) {
		struct str all = buf_view(&w->out);
		ssize_t n = send(w->socket, all.ptr, all.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf_consume(&w->out, (size_t)n);
	}
	return 0;
}

static int say(void *context, enum maildir_record_kind kind, struct str name)
{
	struct maildir_writer *w = context;
	const struct maildir_record r = { .kind = kind, .name = name };
	int code = maildir_record_put(&w->out, &r);

	return code == 0 && buf_len(&w->out) > OUT_MAX ? flush(w) : code;
}

static void say_failed(struct maildir_writer *w, int code)
{
	const struct maildir_record r = { .kind = RECORD_FAILED,
		.code = w->err.code ? w->err.code : code,
		.bytes = str_from(w->err.code ? w->err.text : strerror(-code)) };

	buf_clear(&w->out);
	if (maildir_record_put(&w->out, &r) == 0)
		(void)flush(w);
}

/* ---- messages ---- */

static void forget_pending(struct maildir_writer *w)
{
	for (size_t i = 0; i < w->n_pending; i++)
		free(w->pending[i].name);
	w->n_pending = 0;
	w->pending_bytes = 0;
}

/* What was written is on the disk, and is what was sent: it gets its name. */
static int settle(struct maildir_writer *w)
{
	int r = 0;

	if (!w->n_pending)
		return 0;
	if (syncfs(w->root) < 0)
		r = error_errno(&w->err, -errno, "cannot sync the Maildir");
	for (size_t i = 0; r == 0 && i < w->n_pending; i++)
		r = maildir_folder_publish(&w->at, &w->pending[i], &w->err);
	forget_pending(w);
	return r;
}

static int note_pending(struct maildir_writer *w, const unsigned char *digest)
{
	struct maildir_pending *p;

	if (!w->pending)
		w->pending = calloc(PENDING_MAX, sizeof(*w->pending));
	if (!w->pending)
		return error_set(&w->err, -ENOMEM, "no memory");
	p = &w->pending[w->n_pending];
	p->name = str_dup_c(buf_view(&w->name));
	if (!p->name)
		return error_set(&w->err, -ENOMEM, "no memory");
	memcpy(p->digest, digest, sizeof(p->digest));
	w->n_pending++;
	w->pending_bytes += w->body_len;
	return w->n_pending == PENDING_MAX || w->pending_bytes >= PENDING_BYTES
	               ? settle(w)
	               : 0;
}

/* ---- what it is told ---- */

static int makes_no_sense(struct maildir_writer *w)
{
	return error_set(&w->err, -EBADMSG, "what the writer is told makes no sense");
}

static int on_folder(struct maildir_writer *w, const struct maildir_record *r)
{
	int code = settle(w);

	if (code == 0)
		code = maildir_folder_open(w->root, r->name, &w->at, &w->err);
	if (code == 0)
		code = maildir_folder_list(&w->at, say, w, &w->err);
	if (code == 0)
		code = say(w, RECORD_LISTED, STR_LIT(""));
	return code ? code : flush(w);
}

static int begin_body(struct maildir_writer *w, const struct maildir_record *r)
{
	w->body_len = r->len;
	w->came = 0;
	crypto_generichash_init(&w->digest, NULL, 0, MAILDIR_DIGEST_SIZE);
	if (fd_leaves_room(w->root, r->len, w->disk_reserve) < 0)
		return error_set(&w->err, -ENOSPC,
			"the disk of the Maildir has no more room than the reserve that "
			"stays free (`limits { disk_reserve }`)");
	return 0;
}

static int on_message(struct maildir_writer *w, const struct maildir_record *r)
{
	int code = begin_body(w, r);

	buf_clear(&w->name);
	if (code == 0 && buf_append(&w->name, r->name) < 0)
		code = error_set(&w->err, -ENOMEM, "no memory");
	w->date = r->date;
	if (code == 0)
		code = maildir_folder_draft(&w->at, r->name, &w->body, &w->err);
	w->doing = code == 0 ? WRITER_MESSAGE : WRITER_NOTHING;
	return code;
}

/* The list's messages come first. */
static int on_file(struct maildir_writer *w, const struct maildir_record *r)
{
	int code = settle(w);

	w->file = (enum export_file)r->file;
	if (code == 0)
		code = begin_body(w, r);
	if (code == 0)
		code = maildir_list_draft(&w->at, &w->body, &w->err);
	w->doing = code == 0 ? WRITER_FILE : WRITER_NOTHING;
	return code;
}

static int on_bytes(struct maildir_writer *w, const struct maildir_record *r)
{
	int code;

	if (w->doing == WRITER_NOTHING || r->bytes.len > w->body_len - w->came)
		return makes_no_sense(w);
	w->came += r->bytes.len;
	crypto_generichash_update(
		&w->digest, (const unsigned char *)r->bytes.ptr, r->bytes.len);
	code = fd_write_all(w->body, r->bytes.ptr, r->bytes.len);
	return code < 0 ? error_errno(&w->err, code, "cannot write into the Maildir") : 0;
}

static int end_message(struct maildir_writer *w, const unsigned char *digest)
{
	const struct timespec times[2] = { { .tv_sec = w->date }, { .tv_sec = w->date } };

	if (futimens(w->body, times) < 0)
		return error_errno(&w->err, -errno, "cannot set a message's date");
	fd_closep(&w->body);
	return note_pending(w, digest);
}

static int on_end(struct maildir_writer *w, const struct maildir_record *r)
{
	unsigned char digest[MAILDIR_DIGEST_SIZE];
	enum writer_doing was = w->doing;

	w->doing = WRITER_NOTHING;
	if (was == WRITER_NOTHING || w->came != w->body_len)
		return makes_no_sense(w);
	crypto_generichash_final(&w->digest, digest, sizeof(digest));
	if (memcmp(digest, r->bytes.ptr, sizeof(digest)) != 0)
		return error_set(&w->err, -EIO, "bytes were changed on their way");
	if (was == WRITER_MESSAGE)
		return end_message(w, digest);
	return maildir_list_replace(&w->at, w->root, w->file, &w->body, &w->err);
}

static int on_commit(struct maildir_writer *w)
{
	int code = settle(w);

	if (code == 0 && syncfs(w->root) < 0)
		code = error_errno(&w->err, -errno, "cannot sync the Maildir");
	if (code == 0)
		code = say(w, RECORD_DONE, STR_LIT(""));
	return code ? code : flush(w);
}

/* Between two messages, and in a folder, where it takes one. */
static bool is_allowed(const struct maildir_writer *w, enum maildir_record_kind kind)
{
	bool in_body = w->doing != WRITER_NOTHING;

	if (kind == RECORD_BYTES || kind == RECORD_END)
		return in_body;
	if (kind == RECORD_FOLDER || kind == RECORD_DROP || kind == RECORD_COMMIT)
		return !in_body;
	return !in_body && w->at.fd >= 0;
}

static int obey(struct maildir_writer *w, const struct maildir_record *r)
{
	if (!is_allowed(w, r->kind))
		return makes_no_sense(w);
	switch (r->kind) {
	case RECORD_FOLDER:
		return on_folder(w, r);
	case RECORD_MESSAGE:
		return on_message(w, r);
	case RECORD_FILE:
		return on_file(w, r);
	case RECORD_BYTES:
		return on_bytes(w, r);
	case RECORD_END:
		return on_end(w, r);
	case RECORD_RENAME:
		return maildir_folder_rename(&w->at, r->name, r->other, &w->err);
	case RECORD_REMOVE:
		return maildir_folder_remove(&w->at, r->name, &w->err);
	case RECORD_DROP:
		maildir_folder_close(&w->at);
		return maildir_folder_drop(w->root, r->name, &w->err);
	case RECORD_COMMIT:
		return on_commit(w);
	case RECORD_IS_FOLDER:
	case RECORD_READY:
	case RECORD_HAS:
	case RECORD_LISTED:
	case RECORD_DONE:
	case RECORD_FAILED:
	case RECORD_KINDS:
		break;
	}
	return makes_no_sense(w);
}

/* ---- bytes ---- */

/* All that is complete. */
static int obey_all(struct maildir_writer *w)
{
	struct str bytes = buf_view(&w->in);
	size_t len = bytes.len;
	struct maildir_record r;
	enum maildir_record_result is = MAILDIR_OK;
	int code = 0;

	while (code == 0 && (is = maildir_record_read(&bytes, &r)) == MAILDIR_OK)
		code = obey(w, &r);
	if (code == 0 && is == MAILDIR_BAD)
		code = makes_no_sense(w);
	buf_consume(&w->in, len - bytes.len);
	return code;
}

/* 1: the other end has left. */
static int hear(struct maildir_writer *w)
{
	ssize_t n = buf_read(&w->in, w->socket, READ_SIZE);

	if (n == -EAGAIN) {
		struct pollfd end = { .fd = w->socket, .events = POLLIN };

		return poll(&end, 1, -1) < 0 && errno != EINTR ? -errno : 0;
	}
	return n < 0 ? (int)n : n == 0;
}

static void fini(struct maildir_writer *w)
{
	forget_pending(w);
	free(w->pending);
	maildir_folder_close(&w->at);
	fd_closep(&w->body);
	buf_fini(&w->in);
	buf_fini(&w->out);
	buf_fini(&w->name);
}

int maildir_write(int socket, int folder, const char *account, uint64_t disk_reserve)
{
	struct maildir_writer w = { .socket = socket,
		.root = folder,
		.disk_reserve = disk_reserve,
		.at = { .fd = -1, .parts = { -1, -1, -1 } },
		.body = -1 };
	int r, left = 0;

	buf_init(&w.in, MAILDIR_RECORD_MAX + 2 * READ_SIZE);
	buf_init(&w.out, 0);
	buf_init(&w.name, 0);
	r = maildir_claim(folder, account, &w.err);
	if (r == 0)
		r = maildir_each_folder(folder, say, &w, &w.err);
	if (r == 0)
		r = say(&w, RECORD_READY, STR_LIT(""));
	if (r == 0)
		r = flush(&w);
	while (r == 0 && !left) {
		left = hear(&w);
		r = left < 0 ? left : left ? 0 : obey_all(&w);
	}
	if (r < 0)
		say_failed(&w, r);
	fini(&w);
	return r;
}

int maildir_writer_run(const struct settings *s, const char *account)
{
	const struct sandbox_path paths[] = { { "/proc/self/fd/5", false } };
	const struct sandbox sandbox = {
		.allows = SANDBOX_FOLDER | SANDBOX_MAILDIR, .paths = paths, .n_paths = 1
	};
	struct error err;
	int r = sodium_init() < 0 ? error_set(&err, -EIO, "no libsodium") : 0;

	_Static_assert(MAILDIR_WRITER_FOLDER == 5, "as in the path");
	if (r == 0)
		r = sandbox_enter(&sandbox, &err);
	if (r < 0) {
		log_error(NULL, "start", "account=%s error=\"%s\"", account, err.text);
		return EXIT_FAILURE;
	}
	r = maildir_write(MAILDIR_WRITER_SOCKET, MAILDIR_WRITER_FOLDER, account,
		s->limits.disk_reserve);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
