/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/vouch.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "registry/masters.h"
#include "transfer/account/job/job.h"
#include "transfer/copy/refetch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define NOTE "copied-by" /* in the copy; "": the user's own login */
#define MASTER_WORD "master"
#define WHOLE_WORD "master, whole"
#define NEWEST 2              /* of each folder */
#define OTHERS 4              /* of each folder, by chance */
#define SMALL (256 << 10)     /* larger ones only where a folder has no other */
#define ANY 256               /* of the account, by chance */
#define ANY_SMALL (64u << 10) /* so that all of them are 16 MiB at the most */
#define DROPPED "the master user opened another mailbox than this user's"
#define CANNOT_TELL                                                                      \
	"whether the master user opened this user's mailbox cannot be told by POP3"

/* What is compared of one folder. */
struct sample {
	int64_t id;
	struct str name;
	uint32_t uidvalidity;
	uint32_t uids[NEWEST + OTHERS];
	size_t n;
	uint64_t seen; /* small ones that were walked over */
	uint32_t largest;
	bool agrees; /* one of them is there, the same */
};

struct any {
	size_t folder; /* of the samples */
	uint32_t uid;
};

struct check {
	struct job *j;
	struct any any[ANY];
	uint64_t seen; /* that could be among them */
	struct sample *folders;
	size_t n_folders, cap, cap_messages;
	struct refetch refetch;
	char spool[PATH_MAX];
	struct sample *now; /* while it is walked over */
	bool differs;
};

/* ---- the note ---- */

static int set_note(struct job *j, struct str value)
{
	const struct destination *to = &j->destination;
	int r = to->ops->set_note(to->self, STR_LIT(NOTE), value, &j->err);

	return r ? r : to->ops->commit(to->self, &j->err);
}

static int read_note(struct job *j, struct vouching *v)
{
	const struct destination *to = &j->destination;
	struct arena arena;
	struct str value = STR_LIT("");
	int r;

	arena_init(&arena);
	r = to->ops->note(to->self, STR_LIT(NOTE), &arena, &value, &j->err);
	v->is_due = r == 0 && value.len;
	v->is_whole = r == 0 && str_eq(value, STR_LIT(WHOLE_WORD));
	arena_fini(&arena);
	return r == -ENOENT ? 0 : r;
}

/* ---- what is to be compared ---- */

static struct sample *sample_new(struct check *c, int64_t folder)
{
	if (c->n_folders == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 16;
		struct sample *more = reallocarray(c->folders, cap, sizeof(*more));

		if (!more)
			return NULL;
		c->folders = more;
		c->cap = cap;
	}
	c->folders[c->n_folders] = (struct sample){ .id = folder };
	return &c->folders[c->n_folders++];
}

static uint64_t random_below(uint64_t n)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return 0;
	return random % n;
}

/* The newest ones move through the first places; what leaves them may stay by chance,
   each with the same (reservoir sampling). */
static void keep(struct sample *s, uint32_t uid)
{
	uint32_t left = s->seen >= NEWEST ? s->uids[NEWEST - 1] : 0;
	uint64_t place = s->seen - NEWEST;

	memmove(&s->uids[1], &s->uids[0], (NEWEST - 1) * sizeof(s->uids[0]));
	s->uids[0] = uid;
	if (s->seen++ >= NEWEST) {
		if (place >= OTHERS)
			place = random_below(place + 1);
		if (place < OTHERS)
			s->uids[NEWEST + place] = left;
	}
	s->n = s->seen < NEWEST + OTHERS ? (size_t)s->seen : NEWEST + OTHERS;
}

static void keep_any(struct check *c, uint32_t uid)
{
	uint64_t place = c->seen < ANY ? c->seen : random_below(c->seen + 1);

	c->seen++;
	if (place < ANY)
		c->any[place] = (struct any){ (size_t)(c->now - c->folders), uid };
}

static int each_mail(void *context, const struct mail *m)
{
	struct check *c = context;

	if (m->body_len && m->body_len <= ANY_SMALL)
		keep_any(c, m->uid);

	if (m->body_len && m->body_len <= SMALL)
		keep(c->now, m->uid);
	else if (m->body_len)
		c->now->largest = m->uid;
	return 0;
}

static int add_message(struct check *c, size_t folder, uint32_t uid)
{
	struct refetch *all = &c->refetch;
	const struct sample *s = &c->folders[folder];

	if (all->n == c->cap_messages) {
		size_t cap = c->cap_messages ? c->cap_messages * 2 : 2 * (size_t)ANY;
		struct refetch_message *more = reallocarray(all->at, cap, sizeof(*more));

		if (!more)
			return error_set(&c->j->err, -ENOMEM, "no memory");
		all->at = more;
		c->cap_messages = cap;
	}
	all->at[all->n++] = (struct refetch_message){ .folder = s->name,
		.uidvalidity = s->uidvalidity,
		.uid = uid,
		.number = folder };
	return 0;
}

/* One may be among both; it is asked for once. */
static int add_messages(struct check *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_folders; i++)
		for (size_t k = 0; r == 0 && k < c->folders[i].n; k++)
			r = add_message(c, i, c->folders[i].uids[k]);
	for (size_t i = 0; r == 0 && i < c->seen && i < ANY; i++)
		r = add_message(c, c->any[i].folder, c->any[i].uid);
	return r;
}

static int each_folder(void *context, const struct destination_folder *f)
{
	struct check *c = context;
	struct job *j = c->j;
	struct sample *s = sample_new(c, f->id);
	int r;

	if (!s || !(s->name = arena_str(c->refetch.arena, f->is.name)).ptr)
		return error_set(&j->err, -ENOMEM, "no memory");
	s->uidvalidity = f->uidvalidity;
	if (j->vouching.is_whole && sync_was_whole(&j->sync, f->id, f->uidnext) < 0)
		return error_set(&j->err, -ENOMEM, "no memory");
	c->now = s;
	r = j->destination.ops->each_mail(
		j->destination.self, f->id, 1, UINT32_MAX, each_mail, c, &j->err);
	if (!s->n && s->largest)
		s->uids[s->n++] = s->largest;
	return r;
}

/* ---- comparing ---- */

struct two {
	int fd; /* what the user has */
	bool same;
};

static int compare_bytes(void *context, struct str copy)
{
	struct two *two = context;
	char bytes[16384];
	size_t at = 0;
	ssize_t n;

	while ((n = pread(two->fd, bytes, sizeof(bytes), (off_t)at)) > 0) {
		if ((size_t)n > copy.len - at ||
			memcmp(bytes, copy.ptr + at, (size_t)n) != 0)
			return 0;
		at += (size_t)n;
	}
	two->same = n == 0 && at == copy.len;
	return 0;
}

static int compare(
	void *context, const struct refetch_message *m, int fd, struct error *err)
{
	struct check *c = context;
	const struct destination *to = &c->j->destination;
	struct sample *s = &c->folders[m->number];
	struct two two = { .fd = fd };
	int r = to->ops->read_body(to->self, s->id, m->uid, compare_bytes, &two, err);

	if (r < 0)
		return r;
	s->agrees = s->agrees || two.same;
	if (two.same)
		return 0;
	c->differs = true;
	return error_set(err, -EBADMSG, "it is another message");
}

/* ---- what comes of it ---- */

/* Emptied: the next pass brings what the user has. */
static int empty(struct job *j, int64_t folder)
{
	return j->destination.ops->reset_folder(j->destination.self, folder, 0, &j->err);
}

static int empty_each(void *context, const struct destination_folder *f)
{
	return buf_append(context, str_of(&f->id, sizeof(f->id)));
}

static int is_settled(struct job *j)
{
	int r = set_note(j, STR_LIT(""));

	if (r == 0)
		j->vouching.is_due = false;
	j->sync.doubts = false;
	return r;
}

/* The note goes in the same commit. */
static int drop(struct job *j, struct str why)
{
	const struct destination *to = &j->destination;
	struct buf ids;
	int64_t id;
	int r;

	log_warning(NULL, "copy-dropped", "account=%.*s reason=\"%.*s\"",
		STR_ARG(j->account.name), STR_ARG(why));
	r = registry_note_copy_dropped(j->registry, j->account.id, why, &j->err);
	buf_init(&ids, 0);
	if (r == 0)
		r = to->ops->each_folder(to->self, empty_each, &ids, &j->err);
	while (r == 0 && buf_len(&ids)) {
		memcpy(&id, buf_view(&ids).ptr, sizeof(id));
		buf_consume(&ids, sizeof(id));
		r = empty(j, id);
	}
	buf_fini(&ids);
	return r ? r : is_settled(j);
}

static int settle(struct check *c)
{
	struct job *j = c->j;
	size_t n = 0;
	int r = 0;

	if (c->differs)
		return drop(j, j->source.ops->has_uids ? STR_LIT(DROPPED)
						       : STR_LIT(CANNOT_TELL));
	for (size_t i = 0; r == 0 && i < c->n_folders; i++) {
		const struct sample *s = &c->folders[i];

		if (!s->n || s->agrees)
			continue;
		r = empty(j, s->id);
		n++;
	}
	if (r == 0)
		log_info(NULL, "vouched", "account=%.*s messages=%zu anew=%zu",
			STR_ARG(j->account.name), c->refetch.n, n);
	j->vouching.is_compared = r == 0;
	j->sync.doubts = true;
	return r;
}

static int look(struct check *c)
{
	struct job *j = c->j;
	int r = settings_mail_path(
		j->settings, j->account.name, c->spool, sizeof(c->spool));

	if (r < 0)
		return error_errno(&j->err, r, "%s", j->settings->state_dir);
	if (!j->source.ops->has_uids) {
		c->differs = true;
		return 0;
	}
	r = j->destination.ops->each_folder(j->destination.self, each_folder, c, &j->err);
	if (r == 0)
		r = add_messages(c);
	if (r)
		return r;
	refetch_sort(&c->refetch);
	return c->refetch.n ? refetch_run(&c->refetch, &j->err) : 0;
}

static int check(struct job *j)
{
	struct check c = { .j = j };
	struct arena arena;
	int r;

	arena_init(&arena);
	refetch_init(&c.refetch, &j->source);
	c.refetch.arena = &arena;
	c.refetch.hand_on = compare;
	c.refetch.context = &c;
	c.refetch.spool_folder = c.spool;
	r = look(&c);
	if (r == 0)
		r = settle(&c);
	refetch_fini(&c.refetch);
	free(c.refetch.at);
	free(c.folders);
	arena_fini(&arena);
	return r;
}

int vouch_open(struct job *j)
{
	return read_note(j, &j->vouching);
}

int vouch(struct job *j)
{
	struct vouching *v = &j->vouching;
	int r = 0;

	if (!passwords_by_master(&j->passwords))
		return v->is_due && !v->is_compared ? check(j) : 0;
	if (!v->is_noted)
		r = set_note(j, STR_LIT(MASTER_WORD));
	v->is_due = true;
	v->is_noted = r == 0;
	return r;
}

int vouch_passed(struct job *j)
{
	if (!j->vouching.is_due)
		return 0;
	if (!passwords_by_master(&j->passwords))
		return is_settled(j);
	return j->sync.n_unreadable ? 0 : set_note(j, STR_LIT(WHOLE_WORD));
}

int vouch_failed(struct job *j)
{
	struct error is = j->err;

	(void)error_set(&j->err, -ESTALE, DROPPED " (%s)", is.text);
	is = j->err;
	return drop(j, str_from(is.text));
}
