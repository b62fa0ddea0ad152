/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/copy/folders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 32

/* malloc'd, with a NUL behind that is not counted. */
static char *copy(struct str s)
{
	char *bytes = malloc(s.len + 1);

	if (!bytes)
		return NULL;
	if (s.len)
		memcpy(bytes, s.ptr, s.len);
	bytes[s.len] = '\0';
	return bytes;
}

static void *grown(void *at, size_t count, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : FIRST;
	void *new_at;

	if (count < *cap)
		return at;
	new_at = reallocarray(at, more, size);
	if (new_at)
		*cap = more;
	return new_at;
}

static void folder_fini(struct folder *f)
{
	free(f->name);
	free(f->special_use);
	free(f->wanted);
	free(f->keywords);
	free(f->cuts);
	uid_set_fini(&f->uids);
}

void folders_fini(struct folders *f)
{
	for (size_t i = 0; i < f->count; i++)
		folder_fini(&f->at[i]);
	for (size_t i = 0; i < f->n_subscriptions; i++)
		free(f->subscriptions[i].name);
	free(f->at);
	free(f->subscriptions);
	*f = (struct folders){ 0 };
}

struct str folder_name(const struct folder *f)
{
	return str_of(f->name, f->name_len);
}

bool folder_is_selectable(const struct folder *f)
{
	return f->at_source && !(f->attributes & (FOLDER_NOSELECT | FOLDER_NONEXISTENT));
}

/* ---- building the table ---- */

static struct folder *push(struct folders *f, struct str name, struct str special_use)
{
	struct folder *at = grown(f->at, f->count, &f->cap, sizeof(*at));

	if (!at)
		return NULL;
	f->at = at;
	at = &f->at[f->count];
	*at = (struct folder){ .name = copy(name),
		.name_len = name.len,
		.special_use = copy(special_use),
		.order = f->count };
	if (!at->name || !at->special_use) {
		folder_fini(at);
		return NULL;
	}
	f->count++;
	return at;
}

int folders_add(struct folders *f, const struct mail_folder *folder)
{
	struct folder *new = push(f, folder->name, folder->special_use);

	if (!new)
		return -ENOMEM;
	new->separator = folder->separator;
	new->attributes = folder->attributes;
	new->at_source = true;
	return 0;
}

/* Only INBOX is compared without case (RFC 3501, 5.1). */
static int compare_names(struct str a, struct str b)
{
	const struct str inbox = STR("INBOX");

	if (str_ieq(a, inbox))
		a = inbox;
	if (str_ieq(b, inbox))
		b = inbox;
	return str_cmp(a, b);
}

static int by_name_and_order(const void *a, const void *b)
{
	const struct folder *x = a, *y = b;
	int order = compare_names(folder_name(x), folder_name(y));

	return order ? order : (x->order > y->order) - (x->order < y->order);
}

static int by_name(const void *name, const void *element)
{
	const struct str *s = name;

	return compare_names(*s, folder_name(element));
}

/* The first one is what a plain LIST shows: it keeps its attributes. */
static void join(struct folder *first, struct folder *second)
{
	if (!*first->special_use) {
		free(first->special_use);
		first->special_use = second->special_use;
		second->special_use = NULL;
	}
	folder_fini(second);
}

void folders_settle(struct folders *f)
{
	size_t kept = 0;

	if (!f->count)
		return;
	qsort(f->at, f->count, sizeof(*f->at), by_name_and_order);
	for (size_t i = 1; i < f->count; i++) {
		if (compare_names(folder_name(&f->at[kept]), folder_name(&f->at[i])) == 0)
			join(&f->at[kept], &f->at[i]);
		else
			f->at[++kept] = f->at[i];
	}
	f->count = f->settled = kept + 1;
}

const struct folder *folders_find(const struct folders *f, struct str name)
{
	return f->settled ? bsearch(&name, f->at, f->settled, sizeof(*f->at), by_name)
	                  : NULL;
}

/* ---- subscriptions ---- */

int folders_subscribe(struct folders *f, struct str name, bool at_source, bool here)
{
	struct subscription *s;

	for (size_t i = 0; i < f->n_subscriptions; i++) {
		s = &f->subscriptions[i];
		if (!str_eq(str_of(s->name, s->name_len), name))
			continue;
		s->at_source = s->at_source || at_source;
		s->here = s->here || here;
		return 0;
	}
	s = grown(
		f->subscriptions, f->n_subscriptions, &f->cap_subscriptions, sizeof(*s));
	if (!s)
		return -ENOMEM;
	f->subscriptions = s;
	s = &f->subscriptions[f->n_subscriptions];
	*s = (struct subscription){ .name = copy(name),
		.name_len = name.len,
		.at_source = at_source,
		.here = here };
	if (!s->name)
		return -ENOMEM;
	f->n_subscriptions++;
	return 0;
}

/* ---- what the destination has ---- */

struct reading {
	struct folders *folders;
	size_t settled; /* those up to here are sorted */
};

static int read_folder(void *context, const struct destination_folder *d)
{
	struct reading *r = context;
	struct folder *f = r->settled ? bsearch(&d->is.name, r->folders->at, r->settled,
						sizeof(*f), by_name)
	                              : NULL;

	if (!f)
		f = push(r->folders, d->is.name, d->is.special_use);
	if (!f)
		return -ENOMEM;
	f->id = d->id;
	f->here_uidvalidity = d->uidvalidity;
	f->here_uidnext = d->uidnext;
	f->here_attributes = d->is.attributes;
	f->here_separator = d->is.separator;
	f->here_special_differs = !str_eq(d->is.special_use, str_from(f->special_use));
	return 0;
}

static int read_subscription(void *context, struct str name)
{
	struct reading *r = context;

	return folders_subscribe(r->folders, name, false, true);
}

int folders_read_destination(
	struct folders *f, const struct destination *to, struct error *err)
{
	struct reading reading = { .folders = f, .settled = f->count };
	int r = to->ops->each_folder(to->self, read_folder, &reading, err);

	if (r == 0)
		r = to->ops->each_subscription(
			to->self, read_subscription, &reading, err);
	return r == -ENOMEM ? error_set(err, r, "no memory") : r;
}

/* ---- what is wanted of one ---- */

int folder_want(struct folder *f, uint32_t uid, uint64_t size, bool joined)
{
	struct wanted *w = grown(f->wanted, f->n_wanted, &f->cap_wanted, sizeof(*w));

	if (!w)
		return -ENOMEM;
	f->wanted = w;
	f->wanted[f->n_wanted++] = (struct wanted){ .uid = uid,
		.size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX,
		.joined = joined };
	return 0;
}

static int by_uid(const void *key, const void *element)
{
	const uint32_t *uid = key;
	const struct wanted *w = element;

	return (*uid > w->uid) - (*uid < w->uid);
}

struct wanted *folder_wanted(struct folder *f, uint32_t uid)
{
	return f->n_wanted
	               ? bsearch(&uid, f->wanted, f->n_wanted, sizeof(*f->wanted), by_uid)
	               : NULL;
}

void folder_want_nothing(struct folder *f)
{
	free(f->wanted);
	f->wanted = NULL;
	f->n_wanted = f->cap_wanted = 0;
}
