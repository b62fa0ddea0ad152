/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/back/imap_writer.h"

#include "transfer/read/imap_dialogue.h"
#include "transfer/read/imap_source.h"
#include "wire/imap/date.h"
#include "wire/imap/encode.h"
#include "wire/imap/flags.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)IMAP_FLAG_SEEN == MAIL_SEEN && (int)IMAP_FLAG_DRAFT == MAIL_DRAFT &&
		       (int)IMAP_FLAG_DELETED == MAIL_DELETED,
	"the same bits");
#define ALL_FLAGS                                                                        \
	(unsigned)(MAIL_SEEN | MAIL_ANSWERED | MAIL_FLAGGED | MAIL_DELETED | MAIL_DRAFT)
#define CHUNK_UIDS 200 /* of a command: its line stays below 8 KiB */

struct imap_writer {
	struct imap_writer_options options;
	struct imap_connection imap;
	bool is_open;
	struct arena words; /* of the folder that is open */
	struct writer_folder folder;
	/* UIDs that SEARCH named */
	uint32_t *found;
	size_t n_found, cap_found;
};

/* ---- one command ---- */

static struct buf *begin(struct imap_writer *w)
{
	arena_fini(&w->imap.arena);
	(void)buf_printf(&w->imap.net.out, "m%u ", ++w->imap.next_tag);
	return &w->imap.net.out;
}

static int no_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "no memory");
}

/* After an error nothing more may be said here: what comes would be an old answer. */
static int hang_up(struct imap_writer *w, int code)
{
	imap_connection_close(&w->imap);
	w->is_open = false;
	return code;
}

/* What begin() and the caller have written, with code r, and what follows it: up to the
   last answer, whatever that is. */
static int converse(struct imap_writer *w, int r, struct imap_dialogue *d,
	struct imap_response *ret, struct error *err)
{
	if (!w->is_open)
		return error_set(err, -ENOTCONN, "not connected to the source");
	if (r < 0)
		return hang_up(w, no_memory(err));
	d->tick = w->options.tick;
	d->tick_context = w->options.context;
	r = imap_dialogue(&w->imap, d, w->options.patience_ms, ret, err);
	if (r)
		return hang_up(w, r);
	if (ret->status == IMAP_STATUS_BYE)
		return hang_up(w, error_set(err, -ECONNRESET, "the source says BYE: %.*s",
					  STR_ARG(ret->text)));
	return 0;
}

static int say(struct imap_writer *w, int r, struct imap_dialogue *d, const char *what,
	struct imap_response *ret, struct error *err)
{
	r = converse(w, r, d, ret, err);
	if (r)
		return r;
	if (ret->status != IMAP_STATUS_OK)
		return error_set(err, -EREMOTEIO, "the source does not %s: %.*s", what,
			STR_ARG(ret->text));
	return 0;
}

static int say_line(struct imap_writer *w, int r, const char *what, struct error *err)
{
	struct imap_dialogue d = { 0 };
	struct imap_response is;

	if (r == 0)
		r = buf_append_c(&w->imap.net.out, "\r\n");
	return say(w, r, &d, what, &is, err);
}

static int say_name(struct imap_writer *w, const char *command, struct str name,
	const char *what, struct error *err)
{
	int r = buf_append_c(begin(w), command);

	if (r == 0)
		r = imap_connection_put_name(&w->imap, name);
	return say_line(w, r, what, err);
}

/* ---- folders ---- */

static int imap_create(void *self, struct str name, struct error *err)
{
	return say_name(self, "CREATE ", name, "make a folder", err);
}

static int imap_rename(void *self, struct str from, struct str to, struct error *err)
{
	struct imap_writer *w = self;
	int r = buf_append_c(begin(w), "RENAME ");

	if (r == 0)
		r = imap_connection_put_name(&w->imap, from);
	if (r == 0)
		r = buf_byte(&w->imap.net.out, ' ');
	if (r == 0)
		r = imap_connection_put_name(&w->imap, to);
	return say_line(w, r, "rename a folder", err);
}

static int imap_subscribe(void *self, struct str name, bool subscribed, struct error *err)
{
	return say_name(self, subscribed ? "SUBSCRIBE " : "UNSUBSCRIBE ", name,
		"subscribe a folder", err);
}

static int take_permanent(struct imap_writer *w, struct str value)
{
	struct imap_cursor c = imap_cursor(value);
	struct writer_folder *f = &w->folder;

	f->any_keyword = memmem(value.ptr, value.len, "\\*", 2) != NULL;
	if (!imap_flags(&c, &w->words, &f->flags, &f->keywords)) {
		/* not to be understood: what it keeps shows itself */
		f->flags = ALL_FLAGS;
		f->keywords = STR_LIT("");
		f->any_keyword = true;
	}
	return 0;
}

static int on_select(void *context, const struct imap_response *is)
{
	struct imap_writer *w = context;

	if (is->kind != IMAP_IS_STATUS)
		return 0;
	if (str_ieq(is->code, STR_LIT("UIDVALIDITY")))
		(void)str_to_u32(str_trim(is->code_value), &w->folder.uidvalidity);
	else if (str_ieq(is->code, STR_LIT("PERMANENTFLAGS")))
		return take_permanent(w, str_trim(is->code_value));
	return 0;
}

/* One that shows no PERMANENTFLAGS keeps all (RFC 3501, 7.1). */
static int imap_open(
	void *self, struct str name, struct writer_folder *ret, struct error *err)
{
	struct imap_writer *w = self;
	struct imap_dialogue d = { .untagged = on_select, .context = w };
	struct imap_response is;
	int r = buf_append_c(begin(w), "SELECT ");

	arena_fini(&w->words);
	w->folder = (struct writer_folder){
		.flags = ALL_FLAGS, .keywords = STR(""), .any_keyword = true
	};
	if (r == 0)
		r = imap_connection_put_name(&w->imap, name);
	if (r == 0)
		r = buf_append_c(&w->imap.net.out, "\r\n");
	r = say(w, r, &d, "open a folder for changes", &is, err);
	if (r)
		return r;
	if (str_ieq(is.code, STR_LIT("READ-ONLY")))
		return error_set(err, -EREMOTEIO,
			"the source opens \"%.*s\" only to be read", STR_ARG(name));
	if (!w->folder.uidvalidity)
		return error_set(err, -EREMOTEIO,
			"the source says no UIDVALIDITY of \"%.*s\"", STR_ARG(name));
	*ret = w->folder;
	return 0;
}

/* ---- messages ---- */

/* "38505 3955": any other value is as if it did not say it. */
static void take_appenduid(struct writer_message *m, const struct imap_response *is)
{
	struct str rest = str_trim(is->code_value);
	struct str uidvalidity = str_split(&rest, ' ');

	if (!str_ieq(is->code, STR_LIT("APPENDUID")) ||
		!str_to_u32(uidvalidity, &m->uidvalidity) ||
		!str_to_u32(str_trim(rest), &m->uid))
		m->uidvalidity = m->uid = 0;
}

static int on_appended(void *context, uint32_t nth, const struct imap_response *is)
{
	struct writer_message *m = (struct writer_message *)context + nth;

	if (m->end != APPEND_UNKNOWN)
		return -EPROTO;
	if (is->status == IMAP_STATUS_BYE)
		return 0;
	if (is->status == IMAP_STATUS_OK) {
		m->end = APPEND_TAKEN;
		take_appenduid(m, is);
		return 0;
	}
	m->end = APPEND_REFUSED;
	(void)snprintf(m->why, sizeof(m->why), "the source does not take a message: %.*s",
		STR_ARG(is->text));
	return 0;
}

static int put_append(struct imap_writer *w, struct str name,
	const struct writer_message *is, bool plus)
{
	const struct mail *m = &is->mail;
	struct buf *out = begin(w);
	int r = buf_append_c(out, "APPEND ");

	if (r == 0)
		r = imap_connection_put_name(&w->imap, name);
	if (r == 0)
		r = buf_append_c(out, " (");
	if (r == 0)
		r = imap_put_flags(out, m->flags & ALL_FLAGS, m->keywords);
	if (r == 0)
		r = buf_append_c(out, ") ");
	if (r == 0)
		r = imap_put_date_time(
			out, (struct imap_date){ .seconds = m->date, .zone = m->zone });
	return r ? r : buf_printf(out, plus ? " {%zu+}\r\n" : " {%zu}\r\n", is->body.len);
}

/* Each whole, behind the other: the source has what it needs to go on. */
static int append_ahead(struct imap_writer *w, struct str name,
	struct writer_message *messages, size_t n, struct error *err)
{
	struct imap_dialogue d = {
		.ahead = (uint32_t)n - 1, .tagged = on_appended, .context = messages
	};
	struct imap_response is;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = put_append(w, name, &messages[i], true);
		if (r == 0)
			r = buf_append(&w->imap.net.out, messages[i].body);
		if (r == 0)
			r = buf_append_c(&w->imap.net.out, "\r\n");
	}
	return converse(w, r, &d, &is, err);
}

/* The body follows when the source asks for it. */
static int append_asked(struct imap_writer *w, struct str name, struct writer_message *m,
	struct error *err)
{
	struct imap_dialogue d = { .n = 1, .tagged = on_appended, .context = m };
	struct imap_response is;
	struct str step;
	struct buf rest;
	int r = put_append(w, name, m, false);

	buf_init(&rest, 0);
	if (r == 0)
		r = buf_append(&rest, m->body);
	if (r == 0)
		r = buf_append_c(&rest, "\r\n");
	step = buf_view(&rest);
	d.steps = &step;
	r = converse(w, r, &d, &is, err);
	buf_fini(&rest);
	return r;
}

static int imap_append(void *self, struct str name, struct writer_message *messages,
	size_t n, struct error *err)
{
	struct imap_writer *w = self;
	int r = 0;

	if (n && imap_connection_has(&w->imap, STR_LIT("LITERAL+")))
		return append_ahead(w, name, messages, n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = append_asked(w, name, &messages[i], err);
	return r;
}

static int put_uids(struct buf *out, const uint32_t *uids, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = buf_printf(out, i ? ",%u" : "%u", uids[i]);
	return r;
}

static int flag_some(struct imap_writer *w, const uint32_t *uids, size_t n, bool add,
	unsigned flags, struct str keywords, struct error *err)
{
	struct buf *out = begin(w);
	int r = buf_append_c(out, "UID STORE ");

	if (r == 0)
		r = put_uids(out, uids, n);
	if (r == 0)
		r = buf_append_c(out, add ? " +FLAGS.SILENT (" : " -FLAGS.SILENT (");
	if (r == 0)
		r = imap_put_flags(out, flags & ALL_FLAGS, keywords);
	return say_line(w, r ? r : buf_byte(out, ')'), "keep flags", err);
}

static int imap_flag(void *self, const uint32_t *uids, size_t n, bool add, unsigned flags,
	struct str keywords, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i += CHUNK_UIDS)
		r = flag_some(self, uids + i, n - i < CHUNK_UIDS ? n - i : CHUNK_UIDS,
			add, flags, keywords, err);
	return r;
}

/* ---- expunging ---- */

static int on_search(void *context, const struct imap_response *is)
{
	struct imap_writer *w = context;
	struct str rest = str_trim(is->rest.rest);

	if (is->kind != IMAP_IS_DATA || !str_ieq(is->name, STR_LIT("SEARCH")))
		return 0;
	while ((rest = str_trim(rest)).len) {
		uint32_t uid;

		if (!str_to_u32(str_split(&rest, ' '), &uid))
			return -EPROTO;
		if (w->n_found == w->cap_found) {
			size_t cap = w->cap_found ? w->cap_found * 2 : 64;
			uint32_t *more = reallocarray(w->found, cap, sizeof(*w->found));

			if (!more)
				return -ENOMEM;
			w->found = more;
			w->cap_found = cap;
		}
		w->found[w->n_found++] = uid;
	}
	return 0;
}

static bool is_among(uint32_t uid, const uint32_t *uids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (uids[i] == uid)
			return true;
	return false;
}

/* -EBUSY: others than these are marked as deleted. */
static int check_only_ours(
	struct imap_writer *w, const uint32_t *uids, size_t n, struct error *err)
{
	struct imap_dialogue d = { .untagged = on_search, .context = w };
	struct imap_response is;
	int r = buf_append_c(begin(w), "UID SEARCH DELETED\r\n");

	w->n_found = 0;
	r = say(w, r, &d, "search what is marked as deleted", &is, err);
	for (size_t i = 0; r == 0 && i < w->n_found; i++)
		if (!is_among(w->found[i], uids, n))
			return error_set(err, -EBUSY,
				"other messages there are marked as deleted, and the source "
				"has no UIDPLUS");
	return r;
}

/* Looked at twice: nothing is marked when it cannot be done, and who marks another one
   meanwhile is seen, but for the last moment. */
static int expunge_all_marked(
	struct imap_writer *w, const uint32_t *uids, size_t n, struct error *err)
{
	int r = check_only_ours(w, uids, n, err);

	if (r == 0)
		r = imap_flag(w, uids, n, true, MAIL_DELETED, STR_LIT(""), err);
	if (r == 0)
		r = check_only_ours(w, uids, n, err);
	if (r == 0)
		r = say_line(w, buf_append_c(begin(w), "EXPUNGE"), "expunge", err);
	return r;
}

static int expunge_uids(
	struct imap_writer *w, const uint32_t *uids, size_t n, struct error *err)
{
	int r = imap_flag(w, uids, n, true, MAIL_DELETED, STR_LIT(""), err);

	for (size_t i = 0; r == 0 && i < n; i += CHUNK_UIDS) {
		r = buf_append_c(begin(w), "UID EXPUNGE ");
		if (r == 0)
			r = put_uids(&w->imap.net.out, uids + i,
				n - i < CHUNK_UIDS ? n - i : CHUNK_UIDS);
		r = say_line(w, r, "expunge", err);
	}
	return r;
}

static int imap_expunge(void *self, const uint32_t *uids, size_t n, struct error *err)
{
	struct imap_writer *w = self;

	return imap_connection_has(&w->imap, STR_LIT("UIDPLUS")) ||
	                       imap_connection_has(&w->imap, STR_LIT("IMAP4REV2"))
	               ? expunge_uids(w, uids, n, err)
	               : expunge_all_marked(w, uids, n, err);
}

/* ---- beginning and end ---- */

static void imap_close(void *self)
{
	struct imap_writer *w = self;

	if (w->is_open) /* a courtesy: its log says "logged out" */
		(void)say_line(w, buf_append_c(begin(w), "LOGOUT"), "log out", NULL);
	(void)hang_up(w, 0);
}

static int imap_connect(void *self, struct error *err)
{
	struct imap_writer *w = self;
	int r;

	imap_close(w);
	r = imap_source_log_in(w->options.imap, &w->imap, err);
	w->is_open = r == 0;
	return r;
}

static void imap_free(void *self)
{
	struct imap_writer *w = self;

	if (!w)
		return;
	imap_close(w);
	arena_fini(&w->words);
	free(w->found);
	free(w);
}

static const struct writer_ops imap_ops = {
	.connect = imap_connect,
	.create = imap_create,
	.rename = imap_rename,
	.subscribe = imap_subscribe,
	.open = imap_open,
	.append = imap_append,
	.flag = imap_flag,
	.expunge = imap_expunge,
	.close = imap_close,
	.free = imap_free,
};

int imap_writer_new(
	const struct imap_writer_options *options, struct writer *ret, struct error *err)
{
	struct imap_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return no_memory(err);
	w->options = *options;
	imap_connection_init(&w->imap);
	arena_init(&w->words);
	*ret = (struct writer){ .ops = &imap_ops, .self = w };
	return 0;
}
