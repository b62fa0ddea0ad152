/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/maildir_folder.h"

#include "base/fd.h"
#include "wire/imap/flags.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGES_MAX ((size_t)1 << 23) /* memory for names stays below 2 GB */
#define MESSAGE_MAX UINT32_MAX         /* what IMAP4rev1 has a number for (RFC 3501, 9) */
#define TICK_EVERY 64                  /* messages */
/* Years 1 to 9998: with any zone a date is one that IMAP can write (RFC 3501, 9). */
#define DATE_FIRST (-INT64_C(62135596800))
#define DATE_LAST INT64_C(253370764799)

static int no_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "no memory");
}

static void listing_end(struct maildir_listing *l)
{
	free(l->at);
	arena_fini(&l->arena);
	*l = (struct maildir_listing){ 0 };
}

void maildir_folder_init(struct maildir_folder *f, struct str name, struct str directory)
{
	*f = (struct maildir_folder){ .name = name, .directory = directory };
	buf_init(&f->uidlist_text, 0);
	buf_init(&f->keywords_text, 0);
	arena_init(&f->arena);
	arena_init(&f->listing.arena);
}

void maildir_folder_fini(struct maildir_folder *f)
{
	buf_fini(&f->uidlist_text);
	buf_fini(&f->keywords_text);
	maildir_uidlist_fini(&f->uidlist);
	free(f->given);
	arena_fini(&f->arena);
	listing_end(&f->listing);
	*f = (struct maildir_folder){ 0 };
}

/* "cur/name", ".Sent/cur/name" */
static struct str path_of(const struct maildir_folder *f, struct arena *arena,
	const char *part, struct str name)
{
	bool top = str_eq(f->directory, STR_LIT("."));
	struct str prefix = top ? STR_LIT("") : f->directory;
	size_t size = prefix.len + strlen(part) + name.len + 3;
	char *path = arena_alloc(arena, size);

	if (!path)
		return (struct str){ 0 };
	(void)snprintf(path, size, "%.*s%s%s%s%.*s", STR_ARG(prefix), top ? "" : "/",
		part, name.len ? "/" : "", STR_ARG(name));
	return str_from(path);
}

/* ---- the lists ---- */

/* 0, with what is in it; 1: there is none. */
static int read_list(const struct maildir_folder *f, const struct maildir_reader *r,
	const char *name, struct buf *to, struct error *err)
{
	struct arena arena;
	struct str path;
	CLEANUP(fd_closep) int fd = -1;
	ssize_t n = -ENOMEM;

	arena_init(&arena);
	path = path_of(f, &arena, name, STR_LIT(""));
	if (path.ptr)
		fd = maildir_files_open(r->files, MAILDIR_FILE, path, err);
	arena_fini(&arena);
	if (fd == -ENOENT)
		return 1;
	if (!path.ptr)
		return no_memory(err);
	if (fd < 0)
		return fd;
	buf_init(to, *r->list_room);
	do
		n = buf_read(to, fd, MAILDIR_PIECE);
	while (n > 0);
	if (n < 0) {
		buf_fini(to);
		return error_errno(err, (int)n, "cannot read %s", name);
	}
	*r->list_room -= buf_len(to);
	return 0;
}

static int tell(const struct maildir_folder *f, const struct maildir_reader *r,
	const char *kind, const char *list, const char *text)
{
	char whole[ERROR_TEXT_MAX + 64];

	(void)snprintf(whole, sizeof(whole), "%s: %s%s", list, text,
		strcmp(kind, "uids") == 0 ? "; all UIDs of this mailbox are new" : "");
	return r->tell(r->context, kind, f->name, str_from(whole));
}

/* UIDVALIDITY and UIDs together, or neither. */
static int read_uidlist(
	struct maildir_folder *f, const struct maildir_reader *r, struct error *err)
{
	struct error why = { 0 };
	int code = read_list(f, r, "dovecot-uidlist", &f->uidlist_text, &why);

	if (code == 0)
		code = maildir_uidlist_read(
			buf_view(&f->uidlist_text), &f->uidlist, &why);
	if (code < 0) {
		*r->list_room += buf_len(&f->uidlist_text);
		buf_fini(&f->uidlist_text);
	}
	f->next = code == 0 ? f->uidlist.uidnext : 1;
	if (code == 0)
		return 0;
	if (code == -ENOMEM)
		return no_memory(err);
	return tell(
		f, r, "uids", "dovecot-uidlist", code == 1 ? "there is none" : why.text);
}

static int read_keywords(
	struct maildir_folder *f, const struct maildir_reader *r, struct error *err)
{
	struct error why = { 0 };
	int code = read_list(f, r, "dovecot-keywords", &f->keywords_text, &why);

	if (code == 0)
		code = maildir_keywords_read(buf_view(&f->keywords_text), f->words, &why);
	if (code == 1 || code == 0)
		return 0;
	return code == -ENOMEM ? no_memory(err)
	                       : tell(f, r, "keyword", "dovecot-keywords", why.text);
}

static int read_lists(
	struct maildir_folder *f, const struct maildir_reader *r, struct error *err)
{
	int code;

	if (f->is_read)
		return 0;
	for (size_t i = 0; i < MAILDIR_LETTERS; i++)
		f->words[i] = STR_LIT("");
	code = read_uidlist(f, r, err);
	if (code == 0)
		code = read_keywords(f, r, err);
	f->is_read = code == 0;
	return code;
}

struct str maildir_folder_words(const struct maildir_folder *f, struct arena *arena)
{
	struct str all = STR("");

	for (size_t i = 0; i < MAILDIR_LETTERS && all.ptr; i++)
		if (f->words[i].len)
			all = imap_keywords_add(arena, all, f->words[i]);
	return all;
}

/* A letter without a word is one that Dovecot does not know either. */
static struct str keywords_of(
	const struct maildir_folder *f, uint32_t letters, struct arena *arena)
{
	struct str all = STR("");

	for (size_t i = 0; i < MAILDIR_LETTERS && all.ptr; i++) {
		char unknown[16];
		struct str word = f->words[i];

		if (!(letters >> i & 1))
			continue;
		if (!word.len) {
			(void)snprintf(unknown, sizeof(unknown), "unknown-%zu", i);
			word = str_from(unknown);
		}
		all = imap_keywords_add(arena, all, word);
	}
	return all;
}

/* ---- the files ---- */

static struct maildir_message *push(struct maildir_listing *l)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 256;
		struct maildir_message *at = reallocarray(l->at, cap, sizeof(*at));

		if (!at)
			return NULL;
		l->at = at;
		l->cap = cap;
	}
	l->at[l->count] = (struct maildir_message){ 0 };
	return &l->at[l->count++];
}

static int add_file(struct maildir_folder *f, struct maildir_listing *l, const char *part,
	struct str file, struct error *err)
{
	struct maildir_message *m;
	struct maildir_name name;

	if (l->count == MESSAGES_MAX)
		return error_set(err, -E2BIG, "%.*s has more than %zu messages",
			STR_ARG(f->directory), MESSAGES_MAX);
	m = push(l);
	if (!m)
		return no_memory(err);
	m->path = path_of(f, &l->arena, part, file);
	if (!m->path.ptr)
		return no_memory(err);
	maildir_name_read(str_skip(m->path, m->path.len - file.len), &name);
	m->base = name.base;
	m->is.flags = name.flags | (part[0] == 'n' ? MAIL_RECENT : 0);
	m->is_exact = name.is_exact;
	m->is.zone = name.zone;
	m->is.size = name.has_size ? name.size : MAIL_SIZE_UNKNOWN; /* to be seen */
	m->is.keywords = keywords_of(f, name.letters, &l->arena);
	return m->is.keywords.ptr ? 0 : no_memory(err);
}

static int scan(struct maildir_folder *f, const struct maildir_reader *r,
	struct maildir_listing *l, const char *part, struct error *err)
{
	struct str path = path_of(f, &l->arena, part, STR_LIT(""));
	int fd = path.ptr ? maildir_files_open(r->files, MAILDIR_DIRECTORY, path, err)
	                  : no_memory(err);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int code = 0;

	if (fd == -ENOENT) /* a mailbox needs one of the two */
		return 0;
	if (!d) {
		code = fd < 0 ? fd : error_errno(err, -errno, "cannot read it");
		fd_closep(&fd);
		return code;
	}
	errno = 0;
	while (code == 0 && (e = readdir(d))) {
		if (e->d_name[0] != '.')
			code = add_file(f, l, part, str_from(e->d_name), err);
		errno = 0;
	}
	if (code == 0 && errno)
		code = error_errno(err, -errno, "cannot read %.*s", STR_ARG(path));
	(void)closedir(d);
	return code;
}

/* ---- their UIDs ---- */

/* It names the file: as it stands, or before what is wrong with it. */
static int spoil(struct maildir_message *m, struct maildir_listing *l, const char *why)
{
	char text[ERROR_TEXT_MAX];
	bool is_named = strstr(why, m->path.ptr) != NULL;

	(void)snprintf(text, sizeof(text), "%s%s%s", is_named ? "" : m->path.ptr,
		is_named ? "" : ": ", why);
	m->why = arena_str(&l->arena, str_from(text)).ptr;
	return m->why ? 0 : -ENOMEM;
}

static int by_time(const void *a, const void *b)
{
	const struct maildir_message *x = a, *y = b;

	return maildir_name_cmp(x->base, y->base);
}

static int by_uid(const void *a, const void *b)
{
	const struct maildir_message *x = a, *y = b;

	return (x->is.uid > y->is.uid) - (x->is.uid < y->is.uid);
}

static int given_by_base(const void *a, const void *b)
{
	const struct maildir_given *x = a, *y = b;

	return str_cmp(x->base, y->base);
}

static uint32_t known_uid(const struct maildir_folder *f, struct str base)
{
	const struct maildir_uid *listed = maildir_uidlist_find(&f->uidlist, base);
	const struct maildir_given key = { .base = base };
	const struct maildir_given *given =
		listed || !f->n_given ? NULL
				      : bsearch(&key, f->given, f->n_given,
						sizeof(*f->given), given_by_base);

	return listed ? listed->uid : given ? given->uid : 0;
}

/* Behind those that are sorted. */
static int give_uid(struct maildir_folder *f, struct maildir_message *m, size_t *n_given,
	struct error *err)
{
	if (!f->next)
		return error_set(
			err, -EOVERFLOW, "no UID is left for %.*s", STR_ARG(m->path));
	if (*n_given == f->cap_given) {
		size_t cap = f->cap_given ? f->cap_given * 2 : 64;
		struct maildir_given *at = reallocarray(f->given, cap, sizeof(*f->given));

		if (!at)
			return no_memory(err);
		f->given = at;
		f->cap_given = cap;
	}
	m->is.uid = f->next++;
	f->given[*n_given] =
		(struct maildir_given){ arena_str(&f->arena, m->base), m->is.uid };
	return f->given[(*n_given)++].base.ptr ? 0 : no_memory(err);
}

static int settle_uids(
	struct maildir_folder *f, struct maildir_listing *l, struct error *err)
{
	size_t n_given = f->n_given;
	int code = 0;

	if (l->count)
		qsort(l->at, l->count, sizeof(*l->at), by_time);
	for (size_t i = 0; code == 0 && i < l->count; i++) {
		struct maildir_message *m = &l->at[i];

		/* renamed while the directories were read, or a copy: the next look
		   knows */
		if (i && str_eq(m->base, l->at[i - 1].base))
			code = spoil(
				m, l, "another file has the same name, but for flags");
		else if (!(m->is.uid = known_uid(f, m->base)))
			code = give_uid(f, m, &n_given, err);
	}
	f->n_given = n_given;
	if (code < 0)
		return code == -ENOMEM ? no_memory(err) : code;
	if (f->n_given)
		qsort(f->given, f->n_given, sizeof(*f->given), given_by_base);
	return code;
}

/* ---- what is in them ---- */

static bool is_same(const struct maildir_message *m, const struct stat *is)
{
	return m->file_size == (uint64_t)is->st_size && m->inode == (int64_t)is->st_ino &&
	       m->changed.tv_sec == is->st_mtim.tv_sec &&
	       m->changed.tv_nsec == is->st_mtim.tv_nsec;
}

int maildir_message_open(const struct maildir_message *m, const struct maildir_reader *r,
	struct error *err)
{
	CLEANUP(fd_closep)
	int fd = maildir_files_open(r->files, MAILDIR_FILE, m->path, err);
	struct stat is;

	if (fd < 0)
		return fd;
	if (fstat(fd, &is) < 0 || !is_same(m, &is))
		return error_set(err, -ESTALE, "%.*s is changed while it is read",
			STR_ARG(m->path));
	return fd_steal(&fd);
}

struct line_ends { /* each LF gets its CR */
	char out[2 * 4096];
	size_t len;
	bool after_cr;
	uint64_t total;
};

static int flush(
	struct line_ends *l, int (*put)(void *context, struct str bytes), void *context)
{
	int r = put && l->len ? put(context, str_of(l->out, l->len)) : 0;

	l->total += l->len;
	l->len = 0;
	return r;
}

static int put_lines(struct line_ends *l, struct str bytes,
	int (*put)(void *context, struct str bytes), void *context)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < bytes.len; i++) {
		char c = bytes.ptr[i];

		if (c == '\n' && !l->after_cr)
			l->out[l->len++] = '\r';
		l->out[l->len++] = c;
		l->after_cr = c == '\r';
		if (l->len > sizeof(l->out) - 2)
			r = flush(l, put, context);
	}
	return r;
}

static int put_exact(struct line_ends *l, struct str bytes,
	int (*put)(void *context, struct str bytes), void *context)
{
	l->total += bytes.len;
	return put ? put(context, bytes) : 0;
}

int maildir_message_bytes(const struct maildir_message *m, int fd,
	const struct maildir_reader *r, int (*put)(void *context, struct str bytes),
	void *context, uint64_t *ret_len, struct error *err)
{
	struct line_ends lines = { .len = 0 };
	uint64_t left = m->file_size;
	int code = 0;

	while (code == 0 && left) {
		size_t want = left < MAILDIR_PIECE ? (size_t)left : MAILDIR_PIECE;
		ssize_t n = read(fd, r->piece, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			(void)error_errno(err, n ? -errno : -ESTALE, "cannot read %.*s",
				STR_ARG(m->path));
			return -ESTALE;
		}
		left -= (uint64_t)n;
		code = (m->is_exact ? put_exact : put_lines)(
			&lines, str_of(r->piece, (size_t)n), put, context);
	}
	if (code == 0)
		code = flush(&lines, put, context);
	*ret_len = lines.total;
	return code;
}

/* ---- listing ---- */

static const struct maildir_message *of_before(
	const struct maildir_listing *l, uint32_t uid)
{
	const struct maildir_message key = { .is.uid = uid };

	return l->count && uid ? bsearch(&key, l->at, l->count, sizeof(*l->at), by_uid)
	                       : NULL;
}

/* Why it is no message. Its name may say the file's size: another one means that it was
   cut short, or that it is no plain message (Dovecot's zlib plugin compresses them). */
static const char *odd(const struct maildir_message *m)
{
	if (m->is.date < DATE_FIRST || m->is.date > DATE_LAST)
		return "its file has a date that no calendar has";
	if (m->file_size > MESSAGE_MAX)
		return "it is larger than 4 GiB";
	if (m->is.size != MAIL_SIZE_UNKNOWN && m->is.size != m->file_size)
		return "its file has another size than its name says; cut short, or "
		       "compressed";
	return NULL;
}

static int measure(struct maildir_folder *f, struct maildir_listing *l,
	struct maildir_message *m, const struct maildir_reader *r)
{
	const struct maildir_message *was = of_before(&f->listing, m->is.uid);
	struct error why = { 0 };
	struct stat is;
	uint64_t size;
	CLEANUP(fd_closep)
	int fd = maildir_files_open(r->files, MAILDIR_FILE, m->path, &why);
	int code;

	if (fd < 0)
		return spoil(m, l, why.text);
	if (fstat(fd, &is) < 0)
		return spoil(m, l, strerror(errno));
	m->file_size = (uint64_t)is.st_size;
	m->inode = (int64_t)is.st_ino;
	m->changed = is.st_mtim;
	m->is.date = is.st_mtim.tv_sec;
	if (odd(m))
		return spoil(m, l, odd(m));
	if (was && !was->why && is_same(was, &is)) {
		m->is.size = was->is.size;
		return 0;
	}
	code = maildir_message_bytes(m, fd, r, NULL, NULL, &size, &why);
	m->is.size = size;
	if (code == 0 && size > MESSAGE_MAX)
		return spoil(m, l, "it is larger than 4 GiB");
	return code < 0 ? spoil(m, l, why.text) : 0;
}

static int measure_all(struct maildir_folder *f, struct maildir_listing *l,
	const struct maildir_reader *r, struct error *err)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < l->count; i++) {
		struct maildir_message *m = &l->at[i];

		if (!m->why && measure(f, l, m, r) < 0)
			return no_memory(err);
		if (i % TICK_EVERY == 0)
			code = r->tick(r->context);
	}
	return code;
}

/* POP3's side of those that Dovecot's list knows. */
static void add_uidls(const struct maildir_folder *f, struct maildir_listing *l)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct maildir_uid *u =
			maildir_uidlist_find(&f->uidlist, l->at[i].base);

		l->at[i].is.uidl = u ? u->uidl : STR_LIT("");
		l->at[i].is.pop3_order = u ? u->order : 0;
	}
}

int maildir_folder_list(
	struct maildir_folder *f, const struct maildir_reader *r, struct error *err)
{
	struct maildir_listing l = { 0 };
	int code;

	arena_init(&l.arena);
	code = read_lists(f, r, err);
	if (code == 0)
		code = scan(f, r, &l, "new", err);
	if (code == 0)
		code = scan(f, r, &l, "cur", err);
	if (code == 0)
		code = settle_uids(f, &l, err);
	if (code == 0)
		code = measure_all(f, &l, r, err);
	if (code) {
		listing_end(&l);
		return code;
	}
	if (l.count)
		qsort(l.at, l.count, sizeof(*l.at), by_uid);
	add_uidls(f, &l);
	listing_end(&f->listing);
	f->listing = l;
	return 0;
}

const struct maildir_message *maildir_folder_find(
	const struct maildir_folder *f, uint32_t uid)
{
	return of_before(&f->listing, uid);
}
