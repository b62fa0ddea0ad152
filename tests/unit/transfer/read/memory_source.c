/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/memory_source.h"

#undef NDEBUG /* what is asserted here is part of the tests */
#include <assert.h>
#include <errno.h>
#include <string.h>

#define PIECE 1000 /* a body comes in pieces of that size */

char memory_byte(uint32_t uid, size_t at)
{
	return (char)('a' + ((size_t)uid * 7 + at) % 26);
}

unsigned memory_size(const struct memory_message *m)
{
	return m->said_size ? m->said_size : m->body_len;
}

/* ---- changing it ---- */

struct memory_folder *memory_folder(struct memory_source *m, const char *name)
{
	for (size_t i = 0; i < m->n_folders; i++)
		if (strcmp(m->folders[i].name, name) == 0)
			return &m->folders[i];
	return NULL;
}

struct memory_folder *memory_add_folder(struct memory_source *m, const char *name)
{
	struct memory_folder *f = &m->folders[m->n_folders++];

	assert(m->n_folders <= MEMORY_FOLDERS_MAX);
	memset(f, 0, sizeof(*f));
	f->name = name;
	f->separator = '/';
	f->special_use = "";
	f->uidvalidity = (uint32_t)(1000 + m->n_folders);
	f->uidnext = 1;
	return f;
}

void memory_remove_folder(struct memory_source *m, const char *name)
{
	struct memory_folder *f = memory_folder(m, name);
	size_t index = (size_t)(f - m->folders);

	memmove(f, f + 1, (m->n_folders - index - 1) * sizeof(*f));
	m->n_folders--;
}

struct memory_message *memory_add(
	struct memory_folder *f, uint32_t uid, unsigned body_len)
{
	struct memory_message *m = &f->messages[f->count++];

	assert(f->count <= MEMORY_MESSAGES_MAX);
	*m = (struct memory_message){ .uid = uid,
		.keywords = "",
		.date = 1000000000 + uid,
		.zone = 60,
		.body_len = body_len };
	if (uid >= f->uidnext)
		f->uidnext = uid + 1;
	return m;
}

struct memory_message *memory_find(struct memory_folder *f, uint32_t uid)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->messages[i].uid == uid)
			return &f->messages[i];
	return NULL;
}

void memory_remove(struct memory_folder *f, uint32_t uid)
{
	struct memory_message *m = memory_find(f, uid);
	size_t index = (size_t)(m - f->messages);

	memmove(m, m + 1, (f->count - index - 1) * sizeof(*m));
	f->count--;
}

/* ---- being read ---- */

/* Before each callback: the connection may break here. */
static int event(struct memory_source *m)
{
	if (++m->events != m->break_at)
		return 0;
	if (m->at_break)
		m->at_break();
	return error_set(m->err, -ECONNRESET, "the connection breaks");
}

static int folders(struct memory_source *m, const struct source_events *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n_folders; i++) {
		const struct memory_folder *f = &m->folders[i];
		struct mail_folder folder = { .name = str_from(f->name),
			.separator = f->separator,
			.attributes = f->attributes,
			.special_use = STR_LIT("") };

		r = event(m);
		r = r ? r : e->folder(e->context, &folder);
		/* as from a second question */
		folder.special_use = str_from(f->special_use);
		if (r == 0 && folder.special_use.len)
			r = e->folder(e->context, &folder);
	}
	for (size_t i = 0; r == 0 && i < m->n_subscriptions; i++) {
		r = event(m);
		r = r ? r : e->subscription(e->context, str_from(m->subscriptions[i]));
	}
	r = r ? r : event(m);
	return r || m->no_namespaces
	               ? r
	               : e->namespaces(e->context, STR_LIT("((\"\" \"/\")) NIL NIL"));
}

static struct mail message_of(const struct memory_message *m)
{
	return (struct mail){ .uid = m->uid,
		.flags = m->flags,
		.keywords = str_from(m->keywords),
		.date = m->date,
		.zone = m->zone,
		.size = memory_size(m) };
}

static struct memory_folder *by_name(struct memory_source *m, struct str name)
{
	for (size_t i = 0; i < m->n_folders; i++)
		if (str_eq(str_from(m->folders[i].name), name))
			return &m->folders[i];
	return NULL;
}

/* As "n:*" means it: the last one always comes. */
static bool is_asked_for(const struct memory_folder *f, size_t at, uint32_t from)
{
	return f->messages[at].uid >= from || at == f->count - 1;
}

static int rows(struct memory_source *m, const struct source_events *e, size_t index,
	struct memory_folder *f, uint32_t from)
{
	uint32_t overlooked = f->overlooked;
	int r = 0;

	f->overlooked = 0;
	for (size_t i = 0; r == 0 && i < f->count; i++) {
		size_t at = m->backwards ? f->count - 1 - i : i;
		struct mail row = message_of(&f->messages[at]);

		if (!is_asked_for(f, at, from) || row.uid == overlooked)
			continue;
		m->rows++;
		r = event(m);
		if (r == 0 && m->backwards && i == 0) {
			struct mail old = row;

			old.flags ^= 1; /* the last word counts */
			r = e->row(e->context, index, &old);
		}
		r = r ? r : e->row(e->context, index, &row);
	}
	return r;
}

static int refuse(
	const struct memory_folder *f, const struct source_events *e, size_t index)
{
	return e->listed(e->context, index, SOURCE_REFUSED,
		str_from(f ? f->refuses : "no such folder"));
}

static uint32_t unseen_of(const struct memory_folder *f)
{
	uint32_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		n += !(f->messages[i].flags & MAIL_SEEN);
	return n;
}

static struct source_status status_of(const struct memory_folder *f)
{
	return (struct source_status){ .uidvalidity = f->uidvalidity,
		.unseen = unseen_of(f),
		.uidnext = f->uidnext,
		.messages = (uint32_t)f->count,
		.highestmodseq = f->highestmodseq };
}

static int look(struct memory_source *m, const struct source_events *e, size_t index)
{
	struct memory_folder *f = by_name(m, m->names[index]);
	struct source_status status;
	int r = event(m);

	if (r)
		return r;
	if (!f || f->refuses)
		return refuse(f, e, index);
	status = status_of(f);
	return e->opened(e->context, index, &status);
}

/* ---- what has changed ---- */

static struct memory_folder *then_of(
	struct memory_source *m, const struct memory_folder *f)
{
	for (size_t i = 0; i < m->n_then; i++)
		if (strcmp(m->then[i].name, f->name) == 0)
			return &m->then[i];
	assert(m->n_then < MEMORY_FOLDERS_MAX);
	m->then[m->n_then] = (struct memory_folder){ .name = f->name };
	return &m->then[m->n_then++];
}

static bool has_changed(struct memory_folder *then, const struct memory_message *now)
{
	const struct memory_message *was = memory_find(then, now->uid);

	return !was || was->flags != now->flags || was->date != now->date ||
	       strcmp(was->keywords, now->keywords) != 0 ||
	       memory_size(was) != memory_size(now);
}

/* Changes since the last look raise it. */
static void raise_modseq(struct memory_source *m, struct memory_folder *f)
{
	struct memory_folder *then = then_of(m, f);
	bool changed = f->count != then->count, is_new = false;

	f->highestmodseq = f->highestmodseq ? f->highestmodseq : 1;
	for (size_t i = 0; i < f->count; i++) {
		changed = changed || has_changed(then, &f->messages[i]);
		is_new = is_new || !memory_find(then, f->messages[i].uid);
	}
	if (m->lie == LIE_FALLS)
		f->highestmodseq--;
	else if (changed && !(is_new && m->lie == LIE_STAYS))
		f->highestmodseq++;
	else if (m->lie == LIE_SILENT)
		f->highestmodseq++;
}

static int changed_rows(struct memory_source *m, const struct source_events *e,
	size_t index, const struct memory_folder *f)
{
	struct memory_folder *then = then_of(m, f);
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->count; i++) {
		struct mail row = message_of(&f->messages[i]);
		bool is_new = !memory_find(then, row.uid);

		if (!has_changed(then, &f->messages[i]) || m->lie == LIE_SILENT ||
			(is_new && m->lie == LIE_NO_NEW))
			continue;
		m->rows++;
		r = event(m);
		r = r ? r : e->row(e->context, index, &row);
	}
	for (size_t i = 0; r == 0 && i < f->count; i++)
		r = e->uids(e->context, index, f->messages[i].uid, f->messages[i].uid);
	return r ? r : event(m);
}

static int list(struct memory_source *m, const struct source_events *e, size_t index,
	uint32_t from, const struct source_known *known)
{
	struct memory_folder *f = by_name(m, m->names[index]);
	struct source_status status;
	int r = event(m);

	if (r)
		return r;
	if (!f || f->refuses)
		return refuse(f, e, index);
	if (m->session)
		raise_modseq(m, f);
	status = status_of(f);
	r = e->opened(e->context, index, &status);
	if (r == 0 && known && m->lie == LIE_REFUSES)
		return e->listed(e->context, index, SOURCE_REFUSED, STR_LIT("BAD"));
	m->wholes += !known;
	if (r == 0)
		r = known ? changed_rows(m, e, index, f) : rows(m, e, index, f, from);
	r = r ? r : event(m);
	r = r ? r : e->listed(e->context, index, SOURCE_DONE, STR_LIT(""));
	/* what could not be trusted is listed again: that is about the same time */
	if (m->session && !(known && m->lie))
		*then_of(m, f) = *f;
	return r;
}

static int body(struct memory_source *m, const struct source_events *e,
	unsigned connection, const struct memory_message *from)
{
	char piece[PIECE];
	size_t at = 0;
	int r = event(m);

	r = r ? r : e->body(e->context, connection, from->body_len);
	while (r == 0 && at < from->body_len) {
		size_t len = from->body_len - at;

		len = len < sizeof(piece) ? len : sizeof(piece);
		for (size_t i = 0; i < len; i++)
			piece[i] = from->body ? from->body[at + i]
			                      : memory_byte(from->uid, at + i);
		r = event(m);
		r = r ? r : e->bytes(e->context, connection, str_of(piece, len));
		at += len;
	}
	return r;
}

/* On several connections in turn: a second body begins before the first one's message
 * came. */
static int fetch(struct memory_source *m, const struct source_events *e,
	const struct memory_fetch *job)
{
	struct memory_folder *f = by_name(m, job->name);
	enum source_end end =
		f && f->uidvalidity == job->uidvalidity ? SOURCE_DONE : SOURCE_CHANGED;
	struct str why = STR_LIT("");
	int r = 0;

	if (end == SOURCE_DONE && (f->refuses || (m->refuses_many && job->n > 1))) {
		end = SOURCE_REFUSED;
		why = str_from(f->refuses ? f->refuses : "not so many");
	}
	for (size_t i = 0; r == 0 && end == SOURCE_DONE && i < job->n; i++) {
		const struct memory_message *from;
		unsigned connection = (unsigned)(i % MEMORY_CONNECTIONS);
		struct mail message;

		m->fetches++;
		if (job->wanted[i].uid == m->vanishes && memory_find(f, m->vanishes))
			memory_remove(f, m->vanishes);
		from = memory_find(f, job->wanted[i].uid);
		if (!from || from->uid == m->unreadable)
			continue;
		message = message_of(from);
		message.flags ^= from->uid == m->unlike ? MAIL_FLAGGED : 0;
		r = body(m, e, connection, from);
		r = r ? r : event(m);
		r = r ? r : e->message(e->context, connection, job->folder, &message);
		r = r ? r : e->tick(e->context);
	}
	r = r ? r : event(m);
	return r ? r : e->fetched(e->context, job->folder, job->wanted, job->n, end, why);
}

/* ---- the interface ---- */

static int memory_connect(void *self, struct error *err)
{
	(void)self;
	(void)err;
	return 0;
}

static int memory_folders(void *self, struct error *err)
{
	struct memory_source *m = self;

	(void)err;
	m->wants_folders = true;
	return 0;
}

static int memory_list_from(
	void *self, size_t folder, struct str name, uint32_t first, struct error *err)
{
	struct memory_source *m = self;

	(void)err;
	m->names[folder] = name;
	m->from[m->n_listing] = first;
	m->known[m->n_listing] = NULL;
	m->listing[m->n_listing++] = folder;
	return 0;
}

static int memory_list(void *self, size_t folder, struct str name, struct error *err)
{
	return memory_list_from(self, folder, name, 0, err);
}

static uint64_t memory_changes_session(void *self)
{
	return ((struct memory_source *)self)->session;
}

static int memory_list_changed(void *self, size_t folder, struct str name,
	const struct source_known *known, struct error *err)
{
	struct memory_source *m = self;
	int r = memory_list_from(self, folder, name, 0, err);

	m->known[m->n_listing - 1] = known;
	return r;
}

static int memory_status(void *self, size_t folder, struct str name, struct error *err)
{
	struct memory_source *m = self;

	(void)err;
	m->names[folder] = name;
	m->looking[m->n_looking++] = folder;
	return 0;
}

static int memory_fetch(void *self, size_t folder, struct str name, uint32_t uidvalidity,
	const struct wanted *wanted, size_t n, struct error *err)
{
	struct memory_source *m = self;

	(void)err;
	m->fetching[m->n_fetching++] =
		(struct memory_fetch){ folder, name, uidvalidity, wanted, n };
	return 0;
}

static void memory_close(void *self)
{
	struct memory_source *m = self;

	m->wants_folders = false;
	m->n_listing = m->n_looking = m->n_fetching = 0;
}

static int memory_run(void *self, const struct source_events *e, struct error *err)
{
	struct memory_source *m = self;
	int r = 0;

	m->err = err;
	if (m->wants_folders)
		r = folders(m, e);
	m->wants_folders = false;
	for (size_t i = 0; r == 0 && i < m->n_listing; i++)
		r = list(m, e, m->listing[i], m->from[i], m->known[i]);
	for (size_t i = 0; r == 0 && i < m->n_looking; i++)
		r = look(m, e, m->looking[i]);
	for (size_t i = 0; r == 0 && i < m->n_fetching; i++)
		r = fetch(m, e, &m->fetching[i]); /* may be given more meanwhile */
	memory_close(m);
	return r;
}

static void memory_patience(void *self, unsigned milliseconds)
{
	(void)self;
	(void)milliseconds;
}

static const struct source_ops memory_ops = {
	.name = "memory",
	.has_uids = true,
	.connect = memory_connect,
	.folders = memory_folders,
	.list = memory_list,
	.status = memory_status,
	.list_from = memory_list_from,
	.changes_session = memory_changes_session,
	.list_changed = memory_list_changed,
	.fetch = memory_fetch,
	.run = memory_run,
	.patience = memory_patience,
	.close = memory_close,
	.free = memory_close,
};

struct source memory_source(struct memory_source *m)
{
	return (struct source){ .ops = &memory_ops, .self = m };
}
