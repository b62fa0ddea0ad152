/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/imap_commands.h"

#include "transfer/read/pace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_FIRST 64 /* most accounts have fewer folders */
/* One command: small enough that a refusal costs little to repeat one by one, and that
   its line stays far below the 8 KiB that servers take. */
#define CHUNK_MESSAGES 250
#define CHUNK_BYTES ((uint64_t)1 << 20)
/* In flight on one connection: what a link of 1 Gbit/s carries in 60 ms. */
#define AHEAD_BYTES ((uint64_t)8 << 20)
/* Listed and not fetched: bounds the memory for what is wanted (12 bytes each). */
#define WANTED_MAX 1000000

/* ---- the queue ---- */

static int push(struct imap_jobs *jobs, const struct imap_job *job)
{
	if (jobs->next == jobs->end)
		jobs->next = jobs->end = 0;
	if (jobs->end == jobs->cap) {
		size_t cap = jobs->cap ? jobs->cap * 2 : JOBS_FIRST;
		struct imap_job *at = reallocarray(jobs->at, cap, sizeof(*at));

		if (!at)
			return -ENOMEM;
		jobs->at = at;
		jobs->cap = cap;
	}
	jobs->at[jobs->end++] = *job;
	return 0;
}

static struct imap_job *front(struct imap_jobs *jobs)
{
	return jobs->next < jobs->end ? &jobs->at[jobs->next] : NULL;
}

int imap_queue_list(struct imap_queue *q, size_t folder, struct str name, uint32_t from)
{
	struct imap_job job = { .folder = folder, .name = name, .from = from };

	return push(&q->lists, &job);
}

int imap_queue_status(struct imap_queue *q, size_t folder, struct str name)
{
	struct imap_job job = { .folder = folder, .name = name, .status_only = true };

	return push(&q->lists, &job);
}

int imap_queue_open(struct imap_queue *q, size_t folder, struct str name)
{
	struct imap_job job = { .folder = folder, .name = name, .open_only = true };

	return push(&q->lists, &job);
}

int imap_queue_changes(struct imap_queue *q, size_t folder, struct str name,
	const struct source_known *known)
{
	struct imap_job job = { .folder = folder, .name = name, .known = known };

	return push(&q->lists, &job);
}

enum imap_opening imap_queue_opening(
	const struct imap_queue *q, const struct imap_connection *imap, size_t folder)
{
	for (size_t i = q->n_odd; i-- > 0;)
		if (q->odd[i].folder == folder)
			return q->odd[i].opening;
	return imap_connection_has(imap, STR_LIT("CONDSTORE")) ||
	                       imap_connection_has(imap, STR_LIT("QRESYNC"))
	               ? IMAP_EXAMINE_CONDSTORE
	               : IMAP_EXAMINE;
}

int imap_queue_open_by(struct imap_queue *q, size_t folder, enum imap_opening opening)
{
	struct imap_opened *more = reallocarray(q->odd, q->n_odd + 1, sizeof(*q->odd));

	if (!more)
		return -ENOMEM;
	q->odd = more;
	q->odd[q->n_odd++] = (struct imap_opened){ folder, opening };
	return 0;
}

int imap_queue_list_again(struct imap_queue *q, size_t folder, struct str name,
	uint32_t from, struct imap_odd *odd, size_t n_odd)
{
	struct imap_job job = {
		.folder = folder, .name = name, .from = from, .odd = odd, .n_odd = n_odd
	};

	return push(&q->lists, &job);
}

int imap_queue_fetch(struct imap_queue *q, const struct imap_job *job)
{
	int r = job->n ? push(&q->fetches, job) : 0;

	if (r < 0)
		return r;
	q->messages += job->n;
	for (size_t i = 0; i < job->n; i++)
		q->bytes += job->wanted[i].size;
	return 0;
}

bool imap_queue_is_empty(const struct imap_queue *q)
{
	return !q->folder_questions && q->lists.next == q->lists.end &&
	       q->fetches.next == q->fetches.end;
}

static void list_done(struct imap_jobs *lists)
{
	free(lists->at[lists->next].odd);
	lists->next++;
}

void imap_queue_clear(struct imap_queue *q)
{
	while (q->lists.next < q->lists.end)
		list_done(&q->lists);
	q->lists.next = q->lists.end = 0;
	q->fetches.next = q->fetches.end = 0;
	q->messages = q->bytes = 0;
	q->folder_questions = 0;
}

void imap_queue_fini(struct imap_queue *q)
{
	imap_queue_clear(q);
	free(q->odd);
	free(q->lists.at);
	free(q->fetches.at);
	*q = (struct imap_queue){ 0 };
}

/* ---- commands ---- */

static int ask(struct imap_connection *imap, enum imap_asked asked, const char *text)
{
	if (!imap_connection_ask(imap, asked))
		return -ENOBUFS;
	return buf_append_c(&imap->net.out, text);
}

/* A command about the job's folder, without its words yet; NULL: there is no room. */
static struct imap_command *ask_for(
	struct imap_connection *imap, const struct imap_job *job, enum imap_asked asked)
{
	struct imap_command *c = imap_connection_ask(imap, asked);

	if (c) {
		c->folder = job->folder;
		c->name = job->name;
	}
	return c;
}

static const struct folder_question {
	enum imap_asked asked;
	struct str needs[2]; /* capabilities */
	const char *text;
	bool only_without_inbox; /* when no list has shown it: waits for the answers */
	bool only_with_open;     /* when a folder is open */
} folder_questions[] = {
	{ IMAP_ASKED_NAMESPACE, { STR("NAMESPACE") }, "NAMESPACE\r\n", false, false },
	{ IMAP_ASKED_LIST, { { NULL, 0 } }, "LIST \"\" \"*\"\r\n", false, false },
	/* the plain form need not show it (RFC 6154, 2) */
	{ IMAP_ASKED_SPECIAL_USE, { STR("SPECIAL-USE"), STR("LIST-EXTENDED") },
		"LIST \"\" \"*\" RETURN (SPECIAL-USE)\r\n", false, false },
	{ IMAP_ASKED_LSUB, { { NULL, 0 } }, "LSUB \"\" \"*\"\r\n", false, false },
	/* the last: Dovecot answers what follows first */
	{ IMAP_ASKED_NOOP, { STR("CONDSTORE") }, "NOOP\r\n", false, true },
	{ IMAP_ASKED_LIST_INBOX, { { NULL, 0 } }, "LIST \"\" INBOX\r\n", true, false },
	{ IMAP_ASKED_STATUS_INBOX, { { NULL, 0 } }, "STATUS INBOX (MESSAGES)\r\n", true,
		false },
};
#define FOLDER_QUESTIONS (sizeof(folder_questions) / sizeof(folder_questions[0]))

static const struct folder_question *next_question(const struct imap_queue *q)
{
	return &folder_questions[FOLDER_QUESTIONS - q->folder_questions];
}

static int ask_folders(struct imap_queue *q, struct imap_connection *imap)
{
	const struct folder_question *f = next_question(q);

	q->folder_questions--;
	if (f->only_without_inbox && imap->has_inbox)
		return 0;
	if (f->only_with_open && imap->open_folder == IMAP_NO_FOLDER)
		return 0;
	for (size_t i = 0; i < 2; i++)
		if (f->needs[i].len && !imap_connection_has(imap, f->needs[i]))
			return 0;
	return ask(imap, f->asked, f->text);
}

static int ask_examine(const struct imap_queue *q, struct imap_connection *imap,
	const struct imap_job *job)
{
	enum imap_opening how = imap_queue_opening(q, imap, job->folder);
	const char *word = how == IMAP_SELECT ? "SELECT " : "EXAMINE ";
	bool condstore = how == IMAP_EXAMINE_CONDSTORE && !job->wanted && !job->from;
	int r = ask_for(imap, job, IMAP_ASKED_EXAMINE)
	                ? buf_append_c(&imap->net.out, word)
	                : -ENOBUFS;

	if (r == 0)
		r = imap_connection_put_name(imap, job->name);
	if (r == 0)
		r = buf_append_c(&imap->net.out, condstore ? " (CONDSTORE)\r\n" : "\r\n");
	if (r < 0)
		return r;
	imap->examined = job->folder;
	return 0;
}

static int ask_status(struct imap_connection *imap, const struct imap_job *job,
	enum imap_asked asked, const char *items)
{
	struct imap_command *c = ask_for(imap, job, asked);
	int r = c ? buf_append_c(&imap->net.out, "STATUS ") : -ENOBUFS;

	if (r == 0)
		r = imap_connection_put_name(imap, job->name);
	if (r == 0)
		r = buf_append_c(&imap->net.out, items);
	if (c)
		c->is_changes = job->known != NULL;
	return r;
}

/* From the pass before. To open it anew costs the source more than all that is asked for
   then: Dovecot reads its list of the 20,000 messages again, for 50 ms. */
static bool is_open_already(
	const struct imap_connection *imap, const struct imap_job *job, bool careful)
{
	return !careful && !imap->n_sent && imap->open_folder != IMAP_NO_FOLDER &&
	       str_eq(buf_view(&imap->open_name), job->name);
}

/* What is new was shown at NOOP (RFC 3501, 6.1.2), and STATUS says what EXAMINE would. */
static int ask_looks(struct imap_connection *imap, const struct imap_job *job)
{
	imap->is_fresh = false;
	imap->open_folder = imap->examined = job->folder; /* its number in this pass */
	return ask_status(imap, job, IMAP_ASKED_LOOKS,
		" (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)\r\n");
}

#define ROW_ITEMS " (UID FLAGS INTERNALDATE RFC822.SIZE)\r\n"

/* What has changed (RFC 7162, 3.1.4.1). Behind it, the UIDs that are there: a part of
   them with each command (RFC 4731). */
static int ask_changes(struct imap_connection *imap, struct imap_job *job)
{
	const struct source_known *known = job->known;
	size_t part = job->parts_asked;
	struct imap_command *c =
		ask_for(imap, job, job->rows_asked ? IMAP_ASKED_UIDS : IMAP_ASKED_ROWS);
	struct buf *out = &imap->net.out;
	int r;

	if (!c)
		return -ENOBUFS;
	c->is_changes = true;
	if (!job->rows_asked) {
		job->rows_asked = true;
		return buf_printf(out,
			"UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE) "
			"(CHANGEDSINCE %llu)\r\n",
			(unsigned long long)known->modseq);
	}
	job->parts_asked++;
	c->from = part ? known->cuts[part - 1] : 0;
	c->is_last = part == known->n_cuts;
	if (!known->n_cuts)
		return buf_append_c(out, "UID SEARCH RETURN (ALL) ALL\r\n");
	r = buf_printf(out, "UID SEARCH RETURN (ALL) UID %u:", c->from ? c->from : 1);
	if (r == 0)
		r = c->is_last ? buf_byte(out, '*')
		               : buf_printf(out, "%u", known->cuts[part] - 1);
	return r ? r : buf_append_c(out, "\r\n");
}

/* All rows; then, where it is listed again, those that were odd one after the other. */
static int ask_rows(struct imap_connection *imap, struct imap_job *job)
{
	struct imap_command *c =
		ask_for(imap, job, job->rows_asked ? IMAP_ASKED_ROW : IMAP_ASKED_ROWS);
	const struct imap_odd *odd;

	if (!c)
		return -ENOBUFS;
	c->from = job->from;
	c->is_again = job->n_odd > 0;
	if (!job->rows_asked) {
		job->rows_asked = true;
		c->is_last = !job->n_odd;
		return buf_printf(&imap->net.out, "UID FETCH %u:*" ROW_ITEMS,
			job->from ? job->from : 1);
	}
	odd = &job->odd[job->next_odd++];
	c->is_last = job->next_odd == job->n_odd;
	return buf_printf(&imap->net.out, "%sFETCH %u" ROW_ITEMS, odd->uid ? "UID " : "",
		odd->uid ? odd->uid : odd->number);
}

static uint64_t at_most(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static size_t chunk_of(const struct imap_connection *imap, const struct imap_job *job,
	uint64_t *ret_bytes)
{
	bool is_paced = pace_limits_reading(imap->net.pace);
	uint64_t most = CHUNK_MESSAGES, most_bytes = CHUNK_BYTES;
	uint64_t bytes = job->wanted[0].size;
	size_t n = 1;

	if (is_paced) {
		most = at_most(most, pace_part(imap->net.pace, PACE_MESSAGE));
		most_bytes = at_most(most_bytes, pace_part(imap->net.pace, PACE_BYTE));
	}
	while (n < job->n && n < most && bytes + job->wanted[n].size <= most_bytes)
		bytes += job->wanted[n++].size;
	*ret_bytes = bytes;
	return n;
}

/* "7,9:12,20" */
static int put_uids(struct buf *out, const struct wanted *wanted, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		uint32_t first = wanted[i].uid;

		while (i + 1 < n && wanted[i + 1].joined)
			i++;
		r = wanted[i].uid == first
		            ? buf_printf(out, "%u", first)
		            : buf_printf(out, "%u:%u", first, wanted[i].uid);
		if (r == 0 && i + 1 < n)
			r = buf_byte(out, ',');
	}
	return r;
}

static int ask_bodies(
	struct imap_queue *q, struct imap_connection *imap, struct imap_job *job)
{
	struct imap_command *c = ask_for(imap, job, IMAP_ASKED_BODIES);
	struct buf *out = &imap->net.out;
	int r;

	if (!c)
		return -ENOBUFS;
	c->uidvalidity = job->uidvalidity;
	c->first = job->wanted;
	c->n = chunk_of(imap, job, &c->bytes);
	source_connection_asked(&imap->net, c->n, c->bytes);
	imap->bytes_ahead += c->bytes;
	q->messages -= c->n;
	q->bytes -= c->bytes;
	r = buf_append_c(out, "UID FETCH ");
	if (r == 0)
		r = put_uids(out, c->first, c->n);
	job->wanted += c->n;
	job->n -= c->n;
	return r < 0 ? r
	             : buf_append_c(out,
			       " (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])\r\n");
}

void imap_queue_folders(struct imap_queue *q)
{
	q->folder_questions = FOLDER_QUESTIONS;
	q->n_odd = 0; /* the numbers of folders are those of one pass */
}

/* ---- what next ---- */

/* Two more: each step may need an EXAMINE before it. */
static bool has_room(const struct imap_connection *imap, bool careful)
{
	if (careful)
		return imap->n_sent == 0;
	return imap->n_sent + 2 <= IMAP_SENT_MAX && imap->bytes_ahead < AHEAD_BYTES;
}

/* With care, the next command waits until the EXAMINE is answered. */
static int send_job(struct imap_queue *q, struct imap_connection *imap,
	struct imap_job *job, bool again, bool careful)
{
	if (!job->examined && (again || imap->examined != job->folder)) {
		int r = job->known && imap->is_fresh &&
		                        is_open_already(imap, job, careful)
		                ? ask_looks(imap, job)
		                : ask_examine(q, imap, job);

		job->examined = true;
		if (r < 0 || careful)
			return r;
	}
	job->examined = false;
	if (job->known)
		return ask_changes(imap, job);
	return job->wanted ? ask_bodies(q, imap, job) : ask_rows(imap, job);
}

static bool is_all_asked(const struct imap_job *list)
{
	if (list->status_only || list->open_only)
		return true;
	if (list->known)
		return list->parts_asked > list->known->n_cuts;
	return list->rows_asked && list->next_odd == list->n_odd;
}

static int open_it(struct imap_queue *q, struct imap_connection *imap,
	const struct imap_job *job, bool careful)
{
	return is_open_already(imap, job, careful) ? 0 : ask_examine(q, imap, job);
}

static const char *status_items(const struct imap_connection *imap)
{
	return imap_connection_has(imap, STR_LIT("CONDSTORE"))
	               ? " (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ)\r\n"
	               : " (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)\r\n";
}

static int send_list(struct imap_queue *q, struct imap_connection *imap, bool careful)
{
	struct imap_job *job = front(&q->lists);
	/* opened anew, so that it shows what came since */
	int r = job->status_only
	                ? ask_status(imap, job, IMAP_ASKED_STATUS, status_items(imap))
	        : job->open_only ? open_it(q, imap, job, careful)
	                         : send_job(q, imap, job, !job->rows_asked, careful);

	if (is_all_asked(job))
		list_done(&q->lists);
	return r;
}

/* Bodies keep the pace, one command of them after the other. */
static bool may_fetch(const struct imap_queue *q, struct imap_connection *imap)
{
	const struct imap_job *job = &q->fetches.at[q->fetches.next];
	uint64_t bytes;
	size_t n = chunk_of(imap, job, &bytes);

	if (pace_limits_reading(imap->net.pace) && imap->n_sent)
		return false;
	return source_connection_may_ask(&imap->net, n, bytes);
}

static int send_fetch(struct imap_queue *q, struct imap_connection *imap, bool careful)
{
	struct imap_job *job = &q->fetches.at[q->fetches.next];
	int r = send_job(q, imap, job, false, careful);

	if (!job->n)
		q->fetches.next++;
	return r;
}

int imap_queue_send(
	struct imap_queue *q, struct imap_connection *imap, bool main, bool careful)
{
	int r = 0;

	while (r == 0 && has_room(imap, careful)) {
		if (main && q->folder_questions) {
			if (next_question(q)->only_without_inbox && imap->n_sent)
				break;
			r = ask_folders(q, imap);
		} else if (main && front(&q->lists) && q->messages < WANTED_MAX)
			r = send_list(q, imap, careful);
		else if (front(&q->fetches) && may_fetch(q, imap))
			r = send_fetch(q, imap, careful);
		else
			break;
	}
	return r;
}
