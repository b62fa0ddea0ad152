/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/maildir_source.h"

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDERS_MAX 20000
#define LIST_MAX ((size_t)16 << 20) /* of subscriptions */
/* Dovecot's lists have 100 bytes a message, and stay in memory: of a file with holes more
   would cost whoever wrote it nothing. */
#define LISTS_MAX ((size_t)512 << 20)
#define TRASHED STR_LIT("..DOVECOT-TRASHED") /* what Dovecot is deleting */

struct job {
	size_t folder; /* the caller's number */
	struct maildir_folder *of;
	const struct wanted *wanted; /* NULL: a listing */
	size_t n;
};

struct maildir_source {
	struct maildir_options options;
	struct maildir_reader reader;
	size_t list_room;
	struct arena arena; /* names, as long as the source */
	struct maildir_folder **folders;
	size_t n_folders, cap_folders;
	bool wants_folders;
	struct job *jobs;
	size_t n_jobs, cap_jobs;
	const struct source_events *events; /* while it runs */
	struct error *err;
	int ended; /* what a callback of the caller's said that ends it; 0 */
};

static int no_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "no memory");
}

/* ---- which mailboxes there are ---- */

static struct maildir_folder *find(const struct maildir_source *s, struct str name)
{
	for (size_t i = 0; i < s->n_folders; i++)
		if (str_eq(s->folders[i]->name, name))
			return s->folders[i];
	return NULL;
}

static int add(struct maildir_source *s, struct str name, struct str directory)
{
	struct maildir_folder *f;

	if (s->n_folders == s->cap_folders) {
		size_t cap = s->cap_folders ? s->cap_folders * 2 : 32;
		struct maildir_folder **at =
			reallocarray(s->folders, cap, sizeof(struct maildir_folder *));

		if (!at)
			return no_memory(s->err);
		s->folders = at;
		s->cap_folders = cap;
	}
	f = calloc(1, sizeof(*f));
	if (!f)
		return no_memory(s->err);
	name = arena_str(&s->arena, name);
	directory = arena_str(&s->arena, directory);
	maildir_folder_init(f, name, directory);
	s->folders[s->n_folders++] = f;
	return name.ptr && directory.ptr ? 0 : no_memory(s->err);
}

/* 1: it is there. */
static int has(struct maildir_source *s, struct str directory, const char *part)
{
	struct error ignored;
	struct buf path;
	int fd, r;

	buf_init(&path, 0);
	r = buf_append(&path, directory);
	if (r == 0)
		r = buf_append_c(&path, part);
	fd = r == 0 ? maildir_files_open(s->options.files, MAILDIR_DIRECTORY,
			      buf_view(&path), &ignored)
	            : r;
	buf_fini(&path);
	if (fd == -ENOMEM)
		return no_memory(s->err);
	if (fd >= 0)
		(void)close(fd);
	/* what is there and cannot be opened is found by who lists it */
	return fd != -ENOENT && fd != -ENOTDIR;
}

static int is_mailbox(struct maildir_source *s, struct str directory)
{
	int r = has(s, directory, "/cur");

	return r ? r : has(s, directory, "/new");
}

static int show(struct maildir_source *s, struct str name, unsigned attributes)
{
	const struct mail_folder folder = { .name = name,
		.separator = s->options.separator,
		.attributes = attributes,
		.special_use = STR("") };

	return s->events->folder(s->events->context, &folder);
}

/* Those above it, which may have no directory of their own. */
static int show_parents(struct maildir_source *s, struct str name)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < name.len; i++)
		if (name.ptr[i] == s->options.separator && !find(s, str_take(name, i)) &&
			!str_ieq(str_take(name, i), STR_LIT("INBOX")))
			r = show(s, str_take(name, i), FOLDER_NOSELECT);
	return r;
}

static int add_named(struct maildir_source *s, struct str directory)
{
	struct maildir_folder *other;
	struct buf name;
	int r;

	buf_init(&name, 0);
	r = maildir_folder_name(directory, s->options.separator, &name, s->err);
	other = r == 0 ? find(s, buf_view(&name)) : NULL;
	if (r == 0 && str_ieq(buf_view(&name), STR_LIT("INBOX")))
		r = error_set(s->err, -EEXIST,
			"%.*s has the name of INBOX, which is the directory itself",
			STR_ARG(directory));
	else if (other && !str_eq(other->directory, directory))
		r = error_set(s->err, -EEXIST, "%.*s and %.*s are the same mailbox",
			STR_ARG(directory), STR_ARG(other->directory));
	else if (r == 0 && !other)
		r = add(s, buf_view(&name), directory);
	buf_fini(&name);
	return r;
}

/* A directory of that name, or what would be one by a link: that one is not followed, and
   must not be missing unseen. */
static int look_at(struct maildir_source *s, struct str entry)
{
	int fd, r;

	if (entry.len < 2 || entry.ptr[0] != '.' || str_eq(entry, STR_LIT("..")) ||
		str_eq(entry, TRASHED))
		return 0;
	if (s->n_folders == FOLDERS_MAX)
		return error_set(
			s->err, -E2BIG, "there are more than %d mailboxes", FOLDERS_MAX);
	fd = maildir_files_open(s->options.files, MAILDIR_DIRECTORY, entry, s->err);
	if (fd == -ENOTDIR || fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	(void)close(fd);
	r = is_mailbox(s, entry);
	return r > 0 ? add_named(s, entry) : r;
}

static int scan(struct maildir_source *s)
{
	struct dirent *e;
	DIR *d;
	int fd = maildir_files_open(
		s->options.files, MAILDIR_DIRECTORY, STR_LIT("."), s->err);
	int r = 0;

	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d) {
		r = error_errno(s->err, -errno, "cannot read the directory");
		(void)close(fd);
		return r;
	}
	errno = 0;
	while (r == 0 && (e = readdir(d))) {
		r = look_at(s, str_from(e->d_name));
		errno = 0;
	}
	if (r == 0 && errno)
		r = error_errno(s->err, -errno, "cannot read the directory");
	(void)closedir(d);
	return r;
}

static int scan_top(struct maildir_source *s)
{
	int r = is_mailbox(s, STR_LIT("."));

	if (r == 0)
		return error_set(s->err, -ENOTDIR,
			"it is no Maildir: there is neither cur nor new in it");
	if (r > 0)
		r = find(s, STR_LIT("INBOX")) ? 0
		                              : add(s, STR_LIT("INBOX"), STR_LIT("."));
	return r;
}

static int subscription(void *context, struct str name)
{
	struct maildir_source *s = context;

	return s->events->subscription(s->events->context, name);
}

static int subscriptions(struct maildir_source *s)
{
	struct buf text;
	ssize_t n = 0;
	int r = 0;
	CLEANUP(fd_closep)
	int fd = maildir_files_open(
		s->options.files, MAILDIR_FILE, STR_LIT("subscriptions"), s->err);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	buf_init(&text, LIST_MAX);
	do
		n = buf_read(&text, fd, MAILDIR_PIECE);
	while (n > 0);
	r = n < 0 ? error_errno(s->err, (int)n, "cannot read subscriptions")
	          : maildir_subscriptions_read(buf_view(&text), s->options.separator,
			    subscription, s, s->err);
	buf_fini(&text);
	return r;
}

static int folders(struct maildir_source *s)
{
	int r = scan_top(s);

	if (r == 0)
		r = scan(s);
	for (size_t i = 0; r == 0 && i < s->n_folders; i++)
		r = show(s, s->folders[i]->name, 0);
	for (size_t i = 0; r == 0 && i < s->n_folders; i++)
		r = show_parents(s, s->folders[i]->name);
	return r ? r : subscriptions(s);
}

/* ---- one mailbox ---- */

static int tick(void *context)
{
	struct maildir_source *s = context;

	s->ended = s->events->tick(s->events->context);
	return s->ended;
}

static int tell(void *context, const char *kind, struct str mailbox, struct str text)
{
	struct maildir_source *s = context;

	s->ended = s->options.tell(s->options.context, kind, mailbox, text);
	return s->ended;
}

static int tell_opened(struct maildir_source *s, const struct job *j)
{
	const struct source_events *e = s->events;
	const struct source_status status = { .uidvalidity = j->of->uidlist.uidvalidity,
		.uidnext = j->of->next,
		.messages = (uint32_t)j->of->listing.count };
	struct arena arena;
	struct str words;
	int r = e->opened(e->context, j->folder, &status);

	arena_init(&arena);
	words = maildir_folder_words(j->of, &arena);
	if (r == 0)
		r = words.ptr ? e->keywords(e->context, j->folder, words)
		              : no_memory(s->err);
	arena_fini(&arena);
	return r;
}

static int tell_row(
	struct maildir_source *s, const struct job *j, const struct maildir_message *m)
{
	const struct source_events *e = s->events;

	return m->why ? e->unreadable(e->context, j->folder, m->is.uid, str_from(m->why))
	              : e->row(e->context, j->folder, &m->is);
}

static int list(struct maildir_source *s, const struct job *j)
{
	const struct source_events *e = s->events;
	struct error why = { 0 };
	int r = maildir_folder_list(j->of, &s->reader, &why);

	if (s->ended || r == -ENOMEM)
		return s->ended ? s->ended : no_memory(s->err);
	if (r < 0)
		return e->listed(
			e->context, j->folder, SOURCE_REFUSED, str_from(why.text));
	r = tell_opened(s, j);
	for (size_t i = 0; r == 0 && i < j->of->listing.count; i++)
		r = tell_row(s, j, &j->of->listing.at[i]);
	return r ? r : e->listed(e->context, j->folder, SOURCE_DONE, STR_LIT(""));
}

/* ---- messages ---- */

static int put_bytes(void *context, struct str bytes)
{
	struct maildir_source *s = context;

	return s->events->bytes(s->events->context, 0, bytes);
}

/* 0; -ESTALE and its likes with the sentence: it did not come. A positive or another
   number is the caller's. */
static int read_message(struct maildir_source *s, const struct job *j,
	const struct maildir_message *m, bool *ret_came, struct error *why)
{
	const struct source_events *e = s->events;
	uint64_t len = 0;
	int r;
	CLEANUP(fd_closep) int fd = maildir_message_open(m, &s->reader, why);

	*ret_came = false;
	if (fd < 0)
		return 0;
	r = e->body(e->context, 0, m->is.size);
	if (r == 0)
		r = maildir_message_bytes(m, fd, &s->reader, put_bytes, s, &len, why);
	if (r == -ESTALE && why->text[0])
		return 0;
	if (r == 0 && len != m->is.size)
		return error_set(
			why, 0, "%.*s is changed while it is read", STR_ARG(m->path));
	if (r == 0)
		r = e->message(e->context, 0, j->folder, &m->is);
	*ret_came = r == 0;
	return r;
}

static int fetch_one(struct maildir_source *s, const struct job *j, size_t i)
{
	const struct source_events *e = s->events;
	const struct maildir_message *m = maildir_folder_find(j->of, j->wanted[i].uid);
	struct error why = { 0 };
	bool came = false;
	int r = e->tick(e->context);

	if (!m || m->why)
		(void)error_set(&why, 0, "its file is gone");
	else if (r == 0)
		r = read_message(s, j, m, &came, &why);
	return r ? r
	         : e->fetched(e->context, j->folder, &j->wanted[i], 1, SOURCE_DONE,
			   str_from(why.text));
}

static int fetch(struct maildir_source *s, const struct job *j)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < j->n; i++)
		r = fetch_one(s, j, i);
	return r;
}

/* ---- the interface ---- */

static int push(struct maildir_source *s, size_t folder, struct str name,
	const struct wanted *wanted, size_t n, struct error *err)
{
	struct maildir_folder *of = find(s, name);

	if (!of)
		return error_set(
			err, -ENOENT, "there is no mailbox \"%.*s\"", STR_ARG(name));
	if (s->n_jobs == s->cap_jobs) {
		size_t cap = s->cap_jobs ? s->cap_jobs * 2 : 32;
		struct job *at = reallocarray(s->jobs, cap, sizeof(*at));

		if (!at)
			return no_memory(err);
		s->jobs = at;
		s->cap_jobs = cap;
	}
	s->jobs[s->n_jobs++] = (struct job){ folder, of, wanted, n };
	return 0;
}

static int source_connect(void *self, struct error *err)
{
	(void)self;
	(void)err;
	return 0;
}

static int source_folders(void *self, struct error *err)
{
	struct maildir_source *s = self;

	(void)err;
	s->wants_folders = true;
	return 0;
}

static int source_list(void *self, size_t folder, struct str name, struct error *err)
{
	return push(self, folder, name, NULL, 0, err);
}

/* Nobody but Dovecot changes a UIDVALIDITY, and its list is read once. */
static int source_fetch(void *self, size_t folder, struct str name, uint32_t uidvalidity,
	const struct wanted *wanted, size_t n, struct error *err)
{
	(void)uidvalidity;
	return push(self, folder, name, wanted, n, err);
}

static void source_close(void *self)
{
	struct maildir_source *s = self;

	s->wants_folders = false;
	s->n_jobs = 0;
}

static int source_run(void *self, const struct source_events *events, struct error *err)
{
	struct maildir_source *s = self;
	int r = 0;

	s->events = events;
	s->err = err;
	s->ended = 0;
	if (s->wants_folders)
		r = folders(s);
	for (size_t i = 0; r == 0 && i < s->n_jobs; i++) { /* more may come meanwhile */
		const struct job job = s->jobs[i];

		r = job.wanted ? fetch(s, &job) : list(s, &job);
	}
	source_close(s);
	return r;
}

static void source_patience(void *self, unsigned milliseconds)
{
	(void)self;
	(void)milliseconds;
}

static void source_free(void *self)
{
	struct maildir_source *s = self;

	if (!s)
		return;
	for (size_t i = 0; i < s->n_folders; i++) {
		maildir_folder_fini(s->folders[i]);
		free(s->folders[i]);
	}
	free(s->folders);
	free(s->jobs);
	free(s->reader.piece);
	arena_fini(&s->arena);
	free(s);
}

static const struct source_ops maildir_ops = {
	.name = "maildir",
	.has_uids = true,
	.compares = "UIDs, flags, dates, sizes",
	.cannot_see = "",
	.connect = source_connect,
	.folders = source_folders,
	.list = source_list,
	.fetch = source_fetch,
	.run = source_run,
	.patience = source_patience,
	.close = source_close,
	.free = source_free,
};

int maildir_source_new(
	const struct maildir_options *o, struct source *ret, struct error *err)
{
	struct maildir_source *s = calloc(1, sizeof(*s));

	if (!s)
		return no_memory(err);
	s->options = *o;
	s->list_room = LISTS_MAX;
	arena_init(&s->arena);
	s->reader = (struct maildir_reader){ .files = o->files,
		.piece = malloc(MAILDIR_PIECE),
		.list_room = &s->list_room,
		.tell = tell,
		.tick = tick,
		.context = s };
	if (!s->reader.piece) {
		source_free(s);
		return no_memory(err);
	}
	*ret = (struct source){ .ops = &maildir_ops, .self = s };
	return 0;
}
