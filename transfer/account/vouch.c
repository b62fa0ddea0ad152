/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/vouch.h"

#include "base/fd.h"
#include "base/log.h"
#include "registry/masters.h"
#include "transfer/account/job.h"
#include "transfer/copy/refetch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define NOTE "copied-by" /* in the copy: "master"; "": the user's own login */
#define MASTER_WORD "master"
#define NEWEST 2          /* of each folder */
#define OTHERS 4          /* of each folder, by chance */
#define SMALL (256 << 10) /* larger ones only where a folder has no other */
#define DROPPED "the master user opened another mailbox than this user's"
#define CANNOT_TELL                                                                      \
	"whether the master user opened this user's mailbox cannot be told by POP3"

/* What is compared of one folder. */
struct sample {
	int64_t id;
	uint32_t uids[NEWEST + OTHERS];
	size_t n;
	uint64_t seen; /* small ones that were walked over */
	uint32_t largest;
	bool agrees; /* one of them is there, the same */
};

struct check {
	struct job *j;
	struct sample *folders;
	size_t n_folders, cap;
	struct refetch refetch;
	char spool[PATH_MAX];
	struct sample *now; /* while it is walked over */
	uint32_t uidvalidity;
	bool differs;
};

/* ---- the note ---- */

static int set_note(struct job *j, struct str value)
{
	const struct destination *to = &j->destination;
	int r = to->ops->set_note(to->self, STR_LIT(NOTE), value, &j->err);

	return r ? r : to->ops->commit(to->self, &j->err);
}

static int read_note(struct job *j, bool *ret)
{
	const struct destination *to = &j->destination;
	struct arena arena;
	struct str value = STR_LIT("");
	int r;

	arena_init(&arena);
	r = to->ops->note(to->self, STR_LIT(NOTE), &arena, &value, &j->err);
	*ret = r == 0 && value.len;
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

static int each_mail(void *context, const struct mail *m)
{
	struct check *c = context;

	if (m->body_len && m->body_len <= SMALL)
		keep(c->now, m->uid);
	else if (m->body_len)
		c->now->largest = m->uid;
	return 0;
}

static int add_messages(struct check *c, size_t folder, struct str name)
{
	struct refetch *all = &c->refetch;
	const struct sample *s = &c->folders[folder];
	struct refetch_message *more =
		reallocarray(all->at, all->n + s->n + 1, sizeof(*more));

	if (!more)
		return error_set(&c->j->err, -ENOMEM, "no memory");
	all->at = more;
	for (size_t i = 0; i < s->n; i++)
		all->at[all->n++] = (struct refetch_message){
			.folder = arena_str(all->arena, name),
			.uidvalidity = c->uidvalidity,
			.uid = s->uids[i],
			.number = folder,
		};
	return 0;
}

static int each_folder(void *context, const struct destination_folder *f)
{
	struct check *c = context;
	struct job *j = c->j;
	struct sample *s = sample_new(c, f->id);
	int r;

	if (!s)
		return error_set(&j->err, -ENOMEM, "no memory");
	c->now = s;
	c->uidvalidity = f->uidvalidity;
	r = j->destination.ops->each_mail(
		j->destination.self, f->id, 1, UINT32_MAX, each_mail, c, &j->err);
	if (!s->n && s->largest)
		s->uids[s->n++] = s->largest;
	return r ? r : add_messages(c, (size_t)(s - c->folders), f->is.name);
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
static int empty(struct check *c, const struct sample *s)
{
	struct job *j = c->j;

	return j->destination.ops->reset_folder(j->destination.self, s->id, 0, &j->err);
}

static int settle(struct check *c)
{
	struct job *j = c->j;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_folders; i++) {
		const struct sample *s = &c->folders[i];

		if (!s->n || (s->agrees && !c->differs))
			continue;
		r = empty(c, s);
		n++;
	}
	if (r == 0 && c->differs) {
		struct str why =
			j->source.ops->has_uids ? STR_LIT(DROPPED) : STR_LIT(CANNOT_TELL);

		log_warning(NULL, "copy-dropped", "account=%.*s reason=\"%.*s\"",
			STR_ARG(j->account.name), STR_ARG(why));
		r = registry_note_copy_dropped(j->registry, j->account.id, why, &j->err);
	} else if (r == 0) {
		log_info(NULL, "vouched", "account=%.*s messages=%zu anew=%zu",
			STR_ARG(j->account.name), c->refetch.n, n);
	}
	return r;
}

static int look(struct check *c)
{
	struct job *j = c->j;
	int r = settings_mail_path(
		j->settings, j->account.name, c->spool, sizeof(c->spool));

	if (r < 0)
		return error_errno(&j->err, r, "%s", j->settings->state_dir);
	r = j->destination.ops->each_folder(j->destination.self, each_folder, c, &j->err);
	if (r)
		return r;
	if (!j->source.ops->has_uids) {
		c->differs = true;
		return 0;
	}
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
	if (r == 0)
		r = set_note(j, STR_LIT(""));
	if (r == 0)
		j->vouching.is_due = false;
	refetch_fini(&c.refetch);
	free(c.refetch.at);
	free(c.folders);
	arena_fini(&arena);
	return r;
}

int vouch_open(struct job *j)
{
	return read_note(j, &j->vouching.is_due);
}

int vouch(struct job *j)
{
	int r = 0;

	if (!passwords_by_master(&j->passwords))
		return j->vouching.is_due ? check(j) : 0;
	if (!j->vouching.is_noted)
		r = set_note(j, STR_LIT(MASTER_WORD));
	j->vouching.is_due = true;
	j->vouching.is_noted = r == 0;
	return r;
}
