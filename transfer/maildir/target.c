/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/maildir/target.h"

#include "transfer/maildir/record.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define OUT_MAX (256 * 1024) /* on its way to the writer */
#define READ_SIZE 65536
#define FIRST 64

struct maildir_known {
	struct str name;
	bool is_wanted; /* by the export that runs */
};

void maildir_target_init(struct maildir_target *t, int socket)
{
	*t = (struct maildir_target){ .socket = socket };
	buf_init(&t->out, 0);
	buf_init(&t->in, MAILDIR_RECORD_MAX + 2 * READ_SIZE);
	arena_init(&t->arena);
	arena_init(&t->arena_of_folder);
}

static void list_fini(struct maildir_list *l)
{
	free(l->at);
	*l = (struct maildir_list){ .at = NULL };
}

static void forget_files(struct maildir_target *t)
{
	list_fini(&t->files);
	arena_fini(&t->arena_of_folder);
}

void maildir_target_fini(struct maildir_target *t)
{
	forget_files(t);
	list_fini(&t->folders);
	arena_fini(&t->arena);
	buf_fini(&t->out);
	buf_fini(&t->in);
}

static int no_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "no memory");
}

/* ---- from the writer ---- */

static int makes_no_sense(struct error *err)
{
	return error_set(err, -EBADMSG, "the writer's answer makes no sense");
}

/* Not what may pass by itself, whatever the writer says of it. */
static int has_failed(const struct maildir_record *r, struct error *err)
{
	return error_set(err, r->code == -ENOSPC || r->code == -EDQUOT ? -ENOSPC : -EIO,
		"Maildir: %.*s", STR_ARG(r->bytes));
}

static int hear(struct maildir_target *t, struct error *err)
{
	ssize_t n;
	int r;

	while ((n = buf_read(&t->in, t->socket, READ_SIZE)) == -EAGAIN) {
		r = wait_for(t->socket, POLLIN, &t->patience);
		if (r == -ETIMEDOUT)
			return error_set(
				err, -EIO, "the writer of the Maildir does not answer");
		if (r)
			return r; /* what tick() said has its sentence */
	}
	if (n <= 0)
		return error_set(err, -EIO, "the writer of the Maildir has ended");
	return 0;
}

/* The next one; its views live until the next call. */
static int next_record(struct maildir_target *t, size_t *used, struct maildir_record *ret,
	struct error *err)
{
	enum maildir_record_result is;
	struct str bytes;
	size_t len;
	int r = 0;

	buf_consume(&t->in, *used);
	*used = 0;
	do {
		bytes = buf_view(&t->in);
		len = bytes.len;
		is = maildir_record_read(&bytes, ret);
		if (is == MAILDIR_NEED_MORE)
			r = hear(t, err);
	} while (r == 0 && is == MAILDIR_NEED_MORE);
	if (r)
		return r;
	*used = len - bytes.len;
	if (is == MAILDIR_BAD)
		return makes_no_sense(err);
	return ret->kind == RECORD_FAILED ? has_failed(ret, err) : 0;
}

static int keep(
	struct arena *arena, struct str name, struct maildir_list *l, struct error *err)
{
	size_t cap = l->cap ? l->cap * 2 : FIRST;

	if (l->n == l->cap) {
		struct maildir_known *more = reallocarray(l->at, cap, sizeof(*more));

		if (!more)
			return no_memory(err);
		l->at = more;
		l->cap = cap;
	}
	l->at[l->n] = (struct maildir_known){ .name = arena_str(arena, name) };
	return l->at[l->n++].name.ptr ? 0 : no_memory(err);
}

/* Names until `last`. */
static int receive(struct maildir_target *t, enum maildir_record_kind each,
	enum maildir_record_kind last, struct error *err)
{
	bool is_folder = each == RECORD_IS_FOLDER;
	struct maildir_record record;
	size_t used = 0;
	int r;

	while ((r = next_record(t, &used, &record, err)) == 0 && record.kind != last) {
		if (record.kind != each)
			r = makes_no_sense(err);
		else if (is_folder)
			r = keep(&t->arena, record.name, &t->folders, err);
		else
			r = keep(&t->arena_of_folder, record.name, &t->files, err);
		if (r < 0)
			break;
	}
	buf_consume(&t->in, used);
	return r;
}

/* ---- to the writer ---- */

/* One that ends says why: that is its last word. */
static int lost(struct maildir_target *t, struct error *err)
{
	struct maildir_record record;
	size_t used = 0;
	int r;

	while ((r = next_record(t, &used, &record, err)) == 0)
		;
	return r;
}

static int flush(struct maildir_target *t, struct error *err)
{
	while (buf_len(&t->out)) {
		struct str all = buf_view(&t->out);
		ssize_t n =
			send(t->socket, all.ptr, all.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r = 0;

		if (n < 0 && errno == EAGAIN)
			r = wait_for(t->socket, POLLOUT, &t->patience);
		else if (n < 0 && errno != EINTR)
			return lost(t, err);
		if (r == -ETIMEDOUT)
			return error_set(
				err, -EIO, "the writer of the Maildir does not answer");
		if (r)
			return r;
		if (n > 0)
			buf_consume(&t->out, (size_t)n);
	}
	return 0;
}

static int tell(
	struct maildir_target *t, const struct maildir_record *record, struct error *err)
{
	int r = maildir_record_put(&t->out, record);

	if (r == -EINVAL)
		return error_set(err, -EREMOTEIO,
			"Maildir: \"%.*s\" is no name that a Maildir can have",
			STR_ARG(record->name));
	if (r < 0)
		return no_memory(err);
	return buf_len(&t->out) > OUT_MAX ? flush(t, err) : 0;
}

static int tell_bytes(struct maildir_target *t, struct str bytes, struct error *err)
{
	unsigned char digest[MAILDIR_DIGEST_SIZE] = { 0 };
	struct maildir_record end = { .kind = RECORD_END,
		.bytes = str_of(digest, sizeof(digest)) };
	int r = 0;

	crypto_generichash(digest, sizeof(digest), (const unsigned char *)bytes.ptr,
		bytes.len, NULL, 0);
	while (r == 0 && bytes.len) {
		struct maildir_record piece = { .kind = RECORD_BYTES,
			.bytes = str_take(bytes, MAILDIR_RECORD_MAX) };

		r = tell(t, &piece, err);
		bytes = str_skip(bytes, piece.bytes.len);
	}
	return r ? r : tell(t, &end, err);
}

/* ---- what is there already ---- */

/* By what follows "cur/" or "new/". */
static int compare(const void *a, const void *b)
{
	const struct maildir_known *left = a, *right = b;

	return str_cmp(str_skip(left->name, 4), str_skip(right->name, 4));
}

static void sort(struct maildir_target *t)
{
	if (t->files.n)
		qsort(t->files.at, t->files.n, sizeof(*t->files.at), compare);
}

static struct str base_of(const struct maildir_known *k)
{
	return str_skip(str_take(k->name, maildir_file_base(k->name)), 4);
}

static struct maildir_known *find(struct maildir_target *t, struct str base)
{
	size_t low = 0, high = t->files.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (str_cmp(str_skip(t->files.at[middle].name, 4), base) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	/* those with flags lie behind the bare name */
	return low < t->files.n && str_eq(base_of(&t->files.at[low]), base)
	               ? &t->files.at[low]
	               : NULL;
}

static int remove_unwanted(struct maildir_target *t, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->files.n; i++) {
		const struct maildir_record record = { .kind = RECORD_REMOVE,
			.name = t->files.at[i].name };

		if (t->files.at[i].is_wanted)
			continue;
		t->counts.removed++;
		r = tell(t, &record, err);
	}
	forget_files(t);
	return r;
}

/* One that is not known yet is made by the writer. */
static int want_folder(struct maildir_target *t, struct str name, struct error *err)
{
	size_t at = 0;
	int r = 0;

	while (at < t->folders.n && !str_eq(t->folders.at[at].name, name))
		at++;
	if (at == t->folders.n) {
		t->counts.folders++;
		r = keep(&t->arena, name, &t->folders, err);
	}
	if (r == 0)
		t->folders.at[at].is_wanted = true;
	return r;
}

/* ---- an export ---- */

static int greet(struct maildir_target *t, struct error *err)
{
	int r = t->is_ready ? 0 : receive(t, RECORD_IS_FOLDER, RECORD_READY, err);

	t->is_ready = t->is_ready || r == 0;
	return r;
}

static int begin_folder(void *self, const char *name, struct error *err)
{
	struct maildir_target *t = self;
	const struct maildir_record record = { .kind = RECORD_FOLDER,
		.name = str_from(name) };
	int r = greet(t, err);

	if (r == 0)
		r = remove_unwanted(t, err); /* of the one before */
	if (r == 0)
		r = tell(t, &record, err);
	if (r == 0)
		r = flush(t, err);
	if (r == 0)
		r = receive(t, RECORD_HAS, RECORD_LISTED, err);
	sort(t);
	return r ? r : want_folder(t, record.name, err);
}

static int rename_file(struct maildir_target *t, struct maildir_known *is, struct str to,
	struct error *err)
{
	const struct maildir_record record = {
		.kind = RECORD_RENAME, .name = is->name, .other = to
	};

	is->is_wanted = true;
	if (str_eq(is->name, to))
		return 0;
	t->counts.renamed++;
	return tell(t, &record, err);
}

static int offer_message(void *self, const struct export_message *m, struct error *err)
{
	struct maildir_target *t = self;
	struct maildir_record record = {
		.kind = RECORD_MESSAGE, .len = m->len, .date = m->date
	};
	struct maildir_known *is = find(t, str_from(m->base));
	char name[MAILDIR_NAME_MAX + 1];
	int len = snprintf(name, sizeof(name), m->is_new ? "new/%s" : "cur/%s:2,%s",
		    m->base, m->flags),
	    r;

	if (len < 0 || (size_t)len >= sizeof(name))
		return error_set(err, -ENAMETOOLONG, "the name of a file is too long");
	if (is)
		return rename_file(t, is, str_from(name), err);
	record.name = str_from(name);
	t->counts.written++;
	t->counts.bytes += m->len;
	r = tell(t, &record, err);
	return r ? r : 1;
}

static int take_body(
	void *self, const struct export_message *m, struct str bytes, struct error *err)
{
	(void)m;
	return tell_bytes(self, bytes, err);
}

static int take_file(void *self, enum export_file f, struct str bytes, struct error *err)
{
	struct maildir_target *t = self;
	const struct maildir_record record = {
		.kind = RECORD_FILE, .file = (unsigned)f, .len = bytes.len
	};
	int r = tell(t, &record, err);

	return r ? r : tell_bytes(t, bytes, err);
}

/* Those that are left are known to the next export. */
static int drop_folders(struct maildir_target *t, struct error *err)
{
	size_t left = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->folders.n; i++) {
		const struct maildir_record record = { .kind = RECORD_DROP,
			.name = t->folders.at[i].name };

		if (t->folders.at[i].is_wanted) {
			t->folders.at[left] = t->folders.at[i];
			t->folders.at[left++].is_wanted = false;
			continue;
		}
		t->counts.folders++;
		r = tell(t, &record, err);
	}
	if (r == 0)
		t->folders.n = left;
	return r;
}

static int finish(void *self, struct error *err)
{
	static const struct maildir_record commit = { .kind = RECORD_COMMIT };
	struct maildir_target *t = self;
	int r = remove_unwanted(t, err);

	if (r == 0)
		r = drop_folders(t, err);
	if (r == 0)
		r = tell(t, &commit, err);
	if (r == 0)
		r = flush(t, err);
	return r ? r : receive(t, RECORD_DONE, RECORD_DONE, err);
}

struct export_target maildir_target_begin(struct maildir_target *t)
{
	static const struct export_target_ops operations = { .folder = begin_folder,
		.message = offer_message,
		.body = take_body,
		.file = take_file,
		.finish = finish };

	t->counts = (struct maildir_counts){ 0 };
	return (struct export_target){ &operations, t };
}
