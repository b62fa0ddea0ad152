/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/results/certificate.h"

#include "base/buf.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

/* Names are bytes; those that are no UTF-8 are shown with %XX for what is not ASCII. */
static json_t *text(struct str s)
{
	json_t *value = json_stringn(s.len ? s.ptr : "", s.len);
	struct buf shown;

	if (value)
		return value;
	buf_init(&shown, 0);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (buf_printf(&shown, c >= 0x20 && c < 0x7f ? "%c" : "%%%02X", c) < 0)
			break;
	}
	value = json_stringn(buf_view(&shown).ptr, buf_len(&shown));
	buf_fini(&shown);
	return value;
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static const char *result_of(const struct folder *f)
{
	if (!folder_is_selectable(f))
		return "no messages";
	if (f->is_barred)
		return "shared folder without the right to read";
	if (!f->is_listed)
		return "unreadable";
	return f->copied == f->messages ? "equal" : "different";
}

/* What came between EXAMINE and its listing is here, too, and no news later on. */
static uint32_t uidnext_of(const struct folder *f)
{
	return f->here_uidnext > f->status.uidnext ? f->here_uidnext : f->status.uidnext;
}

static json_t *time_text(uint64_t at)
{
	time_t seconds = (time_t)(at / 1000);
	char shown[32];
	struct tm t;

	if (!gmtime_r(&seconds, &t) ||
		!strftime(shown, sizeof(shown), "%Y-%m-%dT%H:%M:%SZ", &t))
		return json_null();
	return json_string(shown);
}

static int put_folder(json_t *list, const struct folder *f)
{
	json_t *o = json_object();

	(void)json_object_set_new(o, "name", text(folder_name(f)));
	(void)json_object_set_new(o, "result", json_string(result_of(f)));
	if (folder_is_selectable(f) && !f->is_barred) {
		(void)json_object_set_new(
			o, "uidvalidity", number(f->status.uidvalidity));
		(void)json_object_set_new(o, "uidnext", number(uidnext_of(f)));
		(void)json_object_set_new(o, "messages", number(f->messages));
		(void)json_object_set_new(o, "bytes", number(f->copied_bytes));
	}
	if (f->odd_sizes) /* RFC822.SIZE is kept as it was shown, the bytes as they are */
		(void)json_object_set_new(
			o, "sizes_wrong_at_source", number(f->odd_sizes));
	if (f->is_listed) {
		(void)json_object_set_new(o, "listed", time_text(f->listed_at));
		if (f->since)
			(void)json_object_set_new(o, "since", number(f->since));
	}
	if (f->unknown_sizes) /* what the source does not say was not compared */
		(void)json_object_set_new(
			o, "sizes_unknown_at_source", number(f->unknown_sizes));
	return json_array_append_new(list, o);
}

static int put_unreadable(json_t *list, const struct sync *s, const struct unreadable *u)
{
	json_t *o = json_object();

	(void)json_object_set_new(
		o, "folder", text(folder_name(&s->folders.at[u->folder])));
	if (u->uid)
		(void)json_object_set_new(o, "uid", number(u->uid));
	(void)json_object_set_new(o, "reason", text(str_from(u->text)));
	return json_array_append_new(list, o);
}

static json_t *folders(const struct sync *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->folders.count; i++)
		if (s->folders.at[i].at_source)
			(void)put_folder(list, &s->folders.at[i]);
	return list;
}

static json_t *unreadable(const struct sync *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_unreadable && i < SYNC_UNREADABLE_MAX; i++)
		(void)put_unreadable(list, s, &s->unreadable[i]);
	return list;
}

static uint64_t count_subscriptions(const struct sync *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->folders.n_subscriptions; i++)
		n += s->folders.subscriptions[i].at_source;
	return n;
}

static json_t *uidls(const struct certificate_facts *facts)
{
	static const char *const words[] = { "not read", "unproven", "equal" };
	json_t *o = json_object();

	(void)json_object_set_new(o, "result", json_string(words[facts->uidls_kept + 1]));
	if (facts->uidls_kept >= 0)
		(void)json_object_set_new(o, "messages", number(facts->uidls));
	if (facts->uidls_derived)
		(void)json_object_set_new(o, "derived", number(facts->uidls_derived));
	if (facts->uidls_last.ptr)
		(void)json_object_set_new(o, "last", text(facts->uidls_last));
	if (facts->uidls_kept <= 0)
		(void)json_object_set_new(o, "reason", text(str_from(facts->uidls_note)));
	return o;
}

/* Of how many folders the proof rests on a listing of earlier in the same session. */
static uint64_t count_by_changes(const struct sync *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->folders.count; i++)
		n += s->folders.at[i].since > 0;
	return n;
}

static const char *result(const struct sync *s, const struct certificate_facts *facts)
{
	if (facts->equal)
		return s->n_unreadable ? "incomplete" : "equal";
	return s->differences || s->n_unreadable ? "different" : "unproven";
}

static json_t *names(const struct carry_names *n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n->n && i < CARRY_NAMES_MAX; i++)
		(void)json_array_append_new(list, text(n->at[i]));
	return list;
}

/* What was proven at the server that it moves on to. */
static json_t *destination(const struct certificate_facts *facts)
{
	const struct carry *c = facts->onward;
	json_t *o = json_object();

	(void)json_object_set_new(o, "server", json_string(facts->destination));
	(void)json_object_set_new(o, "UIDs", json_string("new"));
	(void)json_object_set_new(o, "compared",
		json_string("the bytes of each message, as read there; flags, keywords, "
			    "dates and order"));
	(void)json_object_set_new(o, "messages", number(c->proof.messages));
	(void)json_object_set_new(o, "bytes", number(c->proof.bytes));
	if (c->proof.others) /* and were there before, or came by another way */
		(void)json_object_set_new(
			o, "messages_of_others", number(c->proof.others));
	if (c->lost.future_dates)
		(void)json_object_set_new(
			o, "future_dates_not_kept", number(c->lost.future_dates));
	if (c->lost.flags)
		(void)json_object_set_new(o, "flags_not_kept", number(c->lost.flags));
	if (c->lost.keywords.n)
		(void)json_object_set_new(
			o, "keywords_not_kept", names(&c->lost.keywords));
	if (c->lost.expunges)
		(void)json_object_set_new(o, "not_expunged", number(c->lost.expunges));
	if (c->lost.folders.n)
		(void)json_object_set_new(
			o, "folders_not_removed", names(&c->lost.folders));
	if (c->lost.unsubscribed.n)
		(void)json_object_set_new(
			o, "subscriptions_not_kept", names(&c->lost.unsubscribed));
	return o;
}

/* Of a Maildir. */
static json_t *maildir(const struct certificate_facts *facts)
{
	const struct onward_proof *is = facts->shown;
	json_t *o = json_object();

	(void)json_object_set_new(o, "server", json_string(facts->destination));
	(void)json_object_set_new(o, "UIDs", json_string("kept"));
	(void)json_object_set_new(o, "compared",
		json_string(
			"the bytes of each message, as read from its file when it was "
			"written; UIDVALIDITY, UIDs, flags, keywords, dates and "
			"sizes, as that server shows them"));
	(void)json_object_set_new(o, "messages", number(is->messages));
	(void)json_object_set_new(o, "bytes", number(is->bytes));
	if (is->others)
		(void)json_object_set_new(o, "folders_of_others", number(is->others));
	return o;
}

int certificate_make(
	const struct sync *s, const struct certificate_facts *facts, char **ret_json)
{
	struct sync_progress sums = sync_progress(s);
	json_t *o = json_object();

	(void)json_object_set_new(o, "result", json_string(result(s, facts)));
	(void)json_object_set_new(o, "time", time_text(facts->at));
	(void)json_object_set_new(o, "source", json_string(facts->source));
	(void)json_object_set_new(o, "reader", json_string(facts->reader->name));
	(void)json_object_set_new(o, "compared", json_string(facts->reader->compares));
	if (count_by_changes(s)) {
		(void)json_object_set_new(
			o, "folders_by_changes", number(count_by_changes(s)));
		(void)json_object_set_new(o, "by_changes",
			json_string("UIDs as listed last; flags, keywords, dates and "
				    "sizes as listed before in the same session, and "
				    "what changed since by HIGHESTMODSEQ"));
	}
	if (*facts->reader->cannot_see)
		(void)json_object_set_new(
			o, "unknown", json_string(facts->reader->cannot_see));
	(void)json_object_set_new(o, "messages", number(sums.messages_copied));
	(void)json_object_set_new(o, "bytes", number(sums.bytes_copied));
	(void)json_object_set_new(o, "subscriptions", number(count_subscriptions(s)));
	if (facts->uidls_kept >= 0 || *facts->uidls_note)
		(void)json_object_set_new(o, "uidls", uidls(facts));
	if (facts->onward)
		(void)json_object_set_new(o, "destination", destination(facts));
	else if (facts->shown)
		(void)json_object_set_new(o, "destination", maildir(facts));
	(void)json_object_set_new(o, "folders", folders(s));
	if (s->n_unreadable)
		(void)json_object_set_new(o, "unreadable", unreadable(s));
	if (s->differences)
		(void)json_object_set_new(o, "differences", text(str_from(s->first)));
	*ret_json = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return *ret_json ? 0 : -ENOMEM;
}
