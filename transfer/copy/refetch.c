/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/copy/refetch_parts.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANEW "the source has made its folder anew"
#define WHY_MAX 160

void refetch_init(struct refetch *r, const struct source *source)
{
	*r = (struct refetch){ .source = *source };
	for (size_t i = 0; i < SOURCE_CONNECTIONS_MAX; i++)
		r->bodies[i].fd = -1;
}

void refetch_fini(struct refetch *r)
{
	for (size_t i = 0; i < SOURCE_CONNECTIONS_MAX; i++)
		fd_closep(&r->bodies[i].fd);
	free(r->wanted);
	free(r->rows);
	r->wanted = NULL;
	r->rows = NULL;
}

static bool is_maildrop(const struct refetch *r)
{
	return !r->source.ops->has_uids;
}

/* ---- in order ---- */

static bool is_inbox(struct str name)
{
	return str_ieq(name, STR_LIT("INBOX"));
}

static int compare_names(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.ptr, b.ptr, n) : 0;

	if (is_inbox(a) || is_inbox(b))
		return (int)is_inbox(b) - (int)is_inbox(a);
	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const void *left, const void *right)
{
	const struct refetch_message *a = left, *b = right;
	int order = compare_names(a->folder, b->folder);

	if (order == 0)
		order = (a->uidvalidity > b->uidvalidity) -
		        (a->uidvalidity < b->uidvalidity);
	return order ? order : (a->uid > b->uid) - (a->uid < b->uid);
}

void refetch_sort(struct refetch *r)
{
	if (r->n)
		qsort(r->at, r->n, sizeof(*r->at), compare);
}

/* ---- what is said of one ---- */

int refetch_set_why(struct refetch *r, struct refetch_message *m, struct str why)
{
	m->why = arena_str(r->arena, str_take(why, WHY_MAX));
	return m->why.ptr ? 0 : error_set(r->err, -ENOMEM, "no memory");
}

int refetch_refuse(struct refetch *r, struct refetch_message *m, struct str why)
{
	int code = refetch_set_why(r, m, why);

	if (code == 0)
		m->state = REFETCH_REFUSED;
	return code;
}

static int refuse_all(struct refetch *r, struct str why)
{
	int code = 0;

	for (size_t i = r->first; code == 0 && i < r->end; i++)
		if (r->at[i].state == REFETCH_WANTED)
			code = refetch_refuse(r, &r->at[i], why);
	return code;
}

/* ---- what the source says ---- */

static int on_name(void *context, struct str name)
{
	(void)context;
	(void)name;
	return 0;
}

static int on_folder(void *context, const struct mail_folder *is)
{
	(void)context;
	(void)is;
	return 0;
}

static int on_opened(void *context, size_t folder, const struct source_status *looks)
{
	(void)context;
	(void)folder;
	(void)looks;
	return 0;
}

static int on_words(void *context, size_t folder, struct str words)
{
	(void)context;
	(void)folder;
	(void)words;
	return 0;
}

static int on_row(void *context, size_t folder, const struct mail *m)
{
	struct refetch *r = context;

	(void)folder;
	return is_maildrop(r) ? refetch_drop_row(r, m) : 0;
}

static int on_unreadable(void *context, size_t folder, uint32_t uid, struct str text)
{
	(void)uid;
	return on_words(context, folder, text);
}

static int on_listed(void *context, size_t folder, enum source_end end, struct str text)
{
	struct refetch *r = context;

	(void)folder;
	(void)end; /* a maildrop's that is not DONE is an error of run() */
	(void)text;
	return is_maildrop(r) ? refetch_drop_listed(r) : 0;
}

static int on_tick(void *context)
{
	(void)context; /* nobody waits */
	return 0;
}

static int on_body(void *context, unsigned connection, uint64_t len)
{
	struct refetch *r = context;
	struct refetch_body *b = &r->bodies[connection % SOURCE_CONNECTIONS_MAX];

	if (b->fd < 0)
		b->fd = open(r->spool_folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (b->fd < 0)
		return error_errno(r->err, -errno, "no file in %s", r->spool_folder);
	b->len = len;
	b->written = 0;
	b->came = true;
	if (ftruncate(b->fd, 0) < 0 || lseek(b->fd, 0, SEEK_SET) < 0)
		return error_errno(r->err, -errno, "cannot write the message down");
	return 0;
}

static int on_bytes(void *context, unsigned connection, struct str bytes)
{
	struct refetch *r = context;
	struct refetch_body *b = &r->bodies[connection % SOURCE_CONNECTIONS_MAX];
	int code = fd_write_all(b->fd, bytes.ptr, bytes.len);

	if (code < 0)
		return error_errno(r->err, code, "cannot write the message down");
	b->written += bytes.len;
	return 0;
}

static int hand_on(struct refetch *r, struct refetch_message *m, int fd)
{
	int code = r->hand_on(r->context, m, fd, r->err);

	if (code == -EBADMSG)
		return refetch_refuse(r, m, str_from(r->err->text));
	if (code == 0)
		m->state = REFETCH_DONE;
	return code;
}

/* Several of ours may have been one message there. */
static int on_message(
	void *context, unsigned connection, size_t folder, const struct mail *m)
{
	struct refetch *r = context;
	struct refetch_body *b = &r->bodies[connection % SOURCE_CONNECTIONS_MAX];
	bool is_whole = b->came && b->len && b->written == b->len;
	int code = 0;

	(void)folder;
	if (!b->came)
		return 0;
	b->came = false; /* it is of this one alone */
	if (is_maildrop(r))
		return is_whole ? refetch_drop_message(r, m, b->fd) : 0;
	for (size_t i = r->first; code == 0 && i < r->end; i++)
		if (r->at[i].uid == m->uid && r->at[i].state == REFETCH_WANTED)
			code = is_whole ? hand_on(r, &r->at[i], b->fd)
			                : refetch_refuse(r, &r->at[i],
						  STR_LIT(REFETCH_NOT_WHOLE));
	return code;
}

static bool is_one_of(const struct wanted *first, size_t n, uint32_t uid)
{
	for (size_t i = 0; i < n; i++)
		if (first[i].uid == uid)
			return true;
	return false;
}

static int on_fetched(void *context, size_t folder, const struct wanted *first, size_t n,
	enum source_end end, struct str text)
{
	struct refetch *r = context;
	int code = 0;

	(void)folder;
	if (is_maildrop(r))
		return refetch_drop_fetched(r, first, n, text);
	if (end == SOURCE_CHANGED)
		return refuse_all(r, STR_LIT(ANEW));
	if (end == SOURCE_REFUSED && !r->is_alone)
		return 0;
	if (end == SOURCE_DONE && !text.len)
		text = STR_LIT(REFETCH_GONE);
	for (size_t i = r->first; code == 0 && i < r->end; i++)
		if (r->at[i].state == REFETCH_WANTED && is_one_of(first, n, r->at[i].uid))
			code = refetch_refuse(r, &r->at[i],
				text.len ? text : STR_LIT(REFETCH_NOT_WHOLE));
	return code;
}

int refetch_work(struct refetch *r)
{
	const struct source_events events = { .context = r,
		.folder = on_folder,
		.subscription = on_name,
		.namespaces = on_name,
		.opened = on_opened,
		.keywords = on_words,
		.row = on_row,
		.unreadable = on_unreadable,
		.listed = on_listed,
		.body = on_body,
		.bytes = on_bytes,
		.message = on_message,
		.fetched = on_fetched,
		.tick = on_tick };

	return r->source.ops->run(r->source.self, &events, r->err);
}

/* ---- some at a time ---- */

static bool is_same_folder(
	const struct refetch_message *a, const struct refetch_message *b)
{
	return a->uidvalidity == b->uidvalidity &&
	       compare_names(a->folder, b->folder) == 0;
}

/* From r->first on: those that are asked for together. Returns how many UIDs that is. */
static size_t choose(struct refetch *r, size_t most)
{
	size_t n = 0, i = r->first;

	for (; i < r->n && is_same_folder(&r->at[r->first], &r->at[i]); i++) {
		if (r->at[i].state != REFETCH_WANTED)
			continue;
		if (n && r->wanted[n - 1].uid == r->at[i].uid)
			continue;
		if (n == most)
			break;
		r->wanted[n++] = (struct wanted){ .uid = r->at[i].uid };
	}
	r->end = i;
	return n;
}

static int pass(struct refetch *r, size_t most)
{
	size_t folder = 0; /* by its number a reader knows that it is open */
	int code = 0;

	for (r->first = 0; code == 0 && r->first < r->n; r->first = r->end) {
		const struct refetch_message *m = &r->at[r->first];
		size_t n = choose(r, most);

		folder += r->first && !is_same_folder(m - 1, m);
		if (!n)
			continue;
		code = r->source.ops->fetch(r->source.self, folder, m->folder,
			m->uidvalidity, r->wanted, n, r->err);
		if (code == 0)
			code = refetch_work(r);
	}
	return code;
}

int refetch_run(struct refetch *r, struct error *err)
{
	int code;

	r->err = err;
	if (is_maildrop(r))
		return refetch_drop_run(r);
	if (!r->wanted)
		r->wanted = reallocarray(NULL, REFETCH_TOGETHER, sizeof(*r->wanted));
	if (!r->wanted)
		return error_set(err, -ENOMEM, "no memory");
	r->is_alone = false;
	code = pass(r, REFETCH_TOGETHER);
	r->is_alone = true;
	return code ? code : pass(r, 1);
}
