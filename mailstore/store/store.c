/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening, transactions, and telling the watchers. */
#include "base/fd.h"
#include "base/process.h"
#include "mailstore/store/internal.h"
#include "mailstore/store/rows.h"
#include "mailstore/store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ── opening ───────────────────────────────────────────────────────────────────────── */

static int path_of(const struct store *s, const char *name, char path[static PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/%s", s->folder, name);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int sync_directory(struct store *s, const char *name, struct error *err)
{
	char path[PATH_MAX];
	int code = path_of(s, name, path);

	if (code < 0)
		return error_errno(err, code, "%s", s->folder);
	code = fd_sync_directory(path);
	return code < 0 ? error_errno(err, code, "cannot sync %s", path) : 0;
}

static int take_lock(struct store *s, struct error *err)
{
	char path[PATH_MAX];
	int code = path_of(s, "lock", path);

	if (code < 0)
		return error_errno(err, code, "%s", s->folder);
	s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock < 0)
		return error_errno(err, -errno, "cannot open %s", path);
	if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return presence_begin(s, err);
	if (errno == EWOULDBLOCK)
		return error_set(err, -EBUSY, "%s is open in another process", s->folder);
	return error_errno(err, -errno, "cannot lock %s", path);
}

static int make_folder(struct store *s, bool create, struct error *err)
{
	char bodies[PATH_MAX];
	int code = path_of(s, "bodies", bodies);

	if (code < 0)
		return error_errno(err, code, "%s", s->folder);
	if (!create) {
		if (access(bodies, F_OK) == 0)
			return 0;
		return error_errno(err, -errno, "no mail folder %s", s->folder);
	}
	code = process_make_directory(s->folder, 0700, err);
	if (code < 0)
		return code;
	if (mkdir(bodies, 0700) < 0 && errno != EEXIST)
		return error_errno(err, -errno, "cannot make %s", bodies);
	return 0;
}

static int open_bodies(struct store *s, struct error *err)
{
	char path[PATH_MAX];
	int fd, code = path_of(s, "bodies", path);

	if (code < 0)
		return error_errno(err, code, "%s", s->folder);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, -errno, "cannot open %s", path);
	return packs_find_newest(&s->packs, fd, err);
}

/* An index is never made beside bodies: it would show the user an empty mailbox. */
static int open_index(struct store *s, bool create, struct error *err)
{
	char path[PATH_MAX];
	int code = path_of(s, "index.sqlite", path);

	if (code < 0)
		return error_errno(err, code, "%s", s->folder);
	if (create && s->packs.newest && access(path, F_OK) < 0 && errno == ENOENT)
		return error_set(err, -EUCLEAN, "%s is missing, but there are bodies; %s",
			path, store_schema.cure);
	return database_open(
		path, create && !s->packs.newest, &store_schema, &s->db, err);
}

static int load_modseq(struct store *s, struct error *err)
{
	int code = sql_get(s->db, SQL_MODSEQ, SQL_NO_VALUES, &s->modseq, err);

	s->committed_modseq = s->modseq;
	return code;
}

/* Whoever may not read the parent did not make the folder either. */
static int sync_new_names(struct store *s, struct error *err)
{
	int code = sync_directory(s, ".", err);

	if (code == 0)
		code = sync_directory(s, "..", err);
	return code == -EACCES ? 0 : code;
}

/* With a full disk what is there can still be read, and room be made; without an INBOX
   they wait for one. */
static int settle(struct store *s, struct error *err)
{
	int code = store_settle(s, &s->settled, err);

	return code == -ENOSPC || code == -ENOENT ? 0 : code;
}

/* Of one moment: else the index is locked for each question. */
static int read_all(struct store *s, struct error *err)
{
	int code = store_read_begin(s, err);

	if (code == 0)
		code = load_modseq(s, err);
	if (code == 0)
		code = store_open_packs(s, err);
	if (code == 0)
		code = settle(s, err);
	store_read_end(s);
	return code;
}

static int open_all(struct store *s, bool create, struct error *err)
{
	int code = make_folder(s, create, err);

	if (code == 0)
		code = take_lock(s, err);
	if (code == 0)
		code = open_bodies(s, err);
	if (code == 0)
		code = open_index(s, create, err);
	if (code == 0)
		code = presence_of_index(s, err);
	if (code == 0 && create)
		code = sync_new_names(s, err);
	if (code == 0)
		code = read_all(s, err);
	return code;
}

static struct store *new_store(const char *folder)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->lock = -1;
	s->packs.directory = -1;
	s->folder = strdup(folder);
	if (s->folder)
		return s;
	store_close(s);
	return NULL;
}

int store_open(const char *folder, bool create, struct store **ret, struct error *err)
{
	struct store *s = new_store(folder);
	int code = s ? open_all(s, create, err) : error_set(err, -ENOMEM, "no memory");

	if (code < 0) {
		store_close(s);
		return code;
	}
	*ret = s;
	return 0;
}

int store_open_reading(const char *folder, struct store **ret, struct error *err)
{
	struct store *s = new_store(folder);
	int code = s ? open_index(s, false, err) : error_set(err, -ENOMEM, "no memory");

	if (code == 0)
		code = database_begin_reading(s->db, err);
	if (code == 0)
		code = load_modseq(s, err);
	if (code < 0) {
		store_close(s);
		return code;
	}
	*ret = s;
	return 0;
}

void store_give_back(struct store *s)
{
	database_give_back(s->db);
	packs_close_window(&s->packs);
}

int store_prepare_close(struct store *s, struct error *err)
{
	int code = database_empty_log(s->db, err);

	if (code == -EBUSY) /* somebody reads it: then it is long, no more than that */
		code = 0;
	if (code == 0)
		database_abandon(s->db);
	return code;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	store_rollback(s);
	if (s->presence.is != STORE_THERE && s->db)
		database_abandon(s->db);
	database_close(s->db);
	packs_close(&s->packs);
	pack_set_clear(&s->candidates);
	compared_free(&s->compared);
	presence_end(s);
	fd_closep(&s->lock); /* last: now another one may come */
	free(s->folder);
	free(s);
}

/* ── transactions ──────────────────────────────────────────────────────────────────── */

int store_writing(struct store *s, struct error *err)
{
	if (!s->in_transaction)
		return error_set(
			err, -EINVAL, "%s: a change outside a transaction", s->folder);
	if (!database_in_transaction(s->db))
		return error_set(err, -EIO,
			"%s: the transaction failed before; roll it back", s->folder);
	return 0;
}

static int begin(struct store *s, bool durable, struct error *err)
{
	int code;

	if (s->in_transaction)
		return error_set(
			err, -EALREADY, "%s: a transaction is open already", s->folder);
	if (store_presence(s) != STORE_THERE)
		return error_set(
			err, -ESTALE, "%s was replaced while it was open", s->folder);
	store_read_end(s);
	code = database_begin(s->db, durable, err);
	s->in_transaction = code == 0;
	return code;
}

int store_begin(struct store *s, struct error *err)
{
	return begin(s, true, err);
}

int store_begin_derived(struct store *s, struct error *err)
{
	return begin(s, false, err);
}

/* What the transaction gathered in memory; its boxes are the caller's to free. */
static struct box *end_transaction(struct store *s)
{
	struct box *boxes = s->boxes;

	s->boxes = NULL;
	s->in_transaction = false;
	packs_settle(&s->packs);
	return boxes;
}

void store_rollback(struct store *s)
{
	if (!s->in_transaction)
		return;
	database_rollback(s->db);
	boxes_free(end_transaction(s));
	s->modseq = s->committed_modseq;
	s->list_changed = false;
	pack_set_clear(&s->dead);
	pack_set_clear(&s->waiting);
}

static void tell(struct store *s, int64_t mailbox)
{
	struct watch_walk walk = { .next = s->watches, .outer = s->walks };

	s->walks = &walk;
	while (walk.next) {
		struct store_watch *w = walk.next;

		walk.next = w->next;
		w->changed(w->context, mailbox);
	}
	s->walks = walk.outer;
}

/* A watcher may begin the next transaction, so nothing of this one is left in s. */
static void tell_all(struct store *s, struct box *boxes, bool list_changed)
{
	if (list_changed)
		tell(s, 0);
	for (struct box *b = boxes; b; b = b->next)
		if (b->changed)
			tell(s, b->id);
}

int store_save_modseq(struct store *s, struct error *err)
{
	if (s->modseq == s->committed_modseq)
		return 0;
	return sql_run(s->db, SQL_SET_MODSEQ, SQL_VALUES(sql_number(s->modseq)), err);
}

/* Bodies first: no row may ever point at bytes that are not on the disk. */
static int commit(struct store *s, struct error *err)
{
	int code = store_writing(s, err);

	if (code == 0)
		code = packs_sync(&s->packs, err);
	if (code == 0)
		code = boxes_save(s, err);
	if (code == 0)
		code = store_collect_packs(s, err);
	if (code == 0)
		code = store_save_modseq(s, err);
	if (code == 0)
		code = database_commit(s->db, err);
	return code;
}

int store_commit(struct store *s, struct error *err)
{
	bool list_changed = s->list_changed;
	struct box *boxes;
	int code = commit(s, err);

	if (code < 0) {
		store_rollback(s);
		return code;
	}
	presence_next(s);
	boxes = end_transaction(s);
	s->committed_modseq = s->modseq;
	s->list_changed = false;
	store_unlink_packs(s);
	tell_all(s, boxes, list_changed);
	boxes_free(boxes);
	return 0;
}

uint64_t store_modseq(struct store *s)
{
	return s->modseq;
}

int store_raise_modseq(struct store *s, uint64_t modseq, struct error *err)
{
	int code = store_writing(s, err);

	if (code < 0)
		return code;
	if (modseq > STORE_MODSEQ_MAX)
		return error_set(err, -ERANGE, "%s: modseq %llu leaves no room for more",
			s->folder, (unsigned long long)modseq);
	if (modseq > s->modseq)
		s->modseq = modseq;
	return 0;
}

/* ── watchers ──────────────────────────────────────────────────────────────────────── */

void store_watch(struct store *s, struct store_watch *w)
{
	w->next = s->watches;
	s->watches = w;
}

void store_unwatch(struct store *s, struct store_watch *w)
{
	for (struct watch_walk *walk = s->walks; walk; walk = walk->outer)
		if (walk->next == w)
			walk->next = w->next;
	for (struct store_watch **at = &s->watches; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			return;
		}
}
