/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/sort_key.h"

#include "wire/mime/address.h"
#include "wire/mime/charset.h"
#include "wire/mime/date.h"
#include "wire/mime/fold.h"
#include "wire/mime/header.h"
#include "wire/mime/scan.h"
#include "wire/mime/subject.h"

#include <errno.h>
#include <stdlib.h>

/* A message while its keys are read. */
struct reading {
	struct arena *arena; /* where they stay */
	struct arena scratch;
	struct store_row row; /* numbers only: its strings end with the next one's */
	struct body body;
	struct str header;
};

static int open_message(struct reading *r, const struct sort_source *source,
	uint32_t index, bool header, size_t *ret_bytes, struct error *err)
{
	const struct view *v = source->view;
	uint32_t uid = v->messages[index].uid;
	int code;

	*r = (struct reading){ .arena = source->arena };
	r->body = (struct body){ .bytes = STR(""), .fd = -1, .checksum = -1 };
	arena_init(&r->scratch);
	code = store_rows_find(source->rows, uid, view_last_uid(v), &r->row, err);
	if (code <= 0)
		return code < 0 ? code : -ENOENT;
	r->header = r->row.header.fields;
	if (!header || r->header.ptr)
		return 0;
	code = store_body_head(v->store, v->mailbox, uid, &r->body, err);
	if (code < 0)
		return code;
	r->header = str_take(r->body.bytes, mime_header_length(r->body.bytes));
	*ret_bytes = r->header.len;
	return 0;
}

/* A body that is damaged may be mended: what was read of it is kept by nobody. */
static bool is_checked(const struct reading *r)
{
	return r->body.checksum < 0;
}

static void close_message(struct reading *r)
{
	store_body_release(&r->body);
	arena_fini(&r->scratch);
}

/* ── dates ─────────────────────────────────────────────────────────────────────────── */

/* RFC 5256, 2.2 */
static int64_t sent_date(const struct reading *r)
{
	struct mime_field field;
	struct mime_date date;
	int64_t day;

	if (!mime_find_field(r->header, STR_LIT("Date"), &field))
		return r->row.date;
	if (mime_date_time(field.value, &date))
		return date.seconds;
	return mime_day(field.value, &day) ? day : r->row.date;
}

/* ── texts ─────────────────────────────────────────────────────────────────────────── */

/* utf8, as it is compared, kept. */
static int keep_text(struct reading *r, struct str utf8, struct str *ret)
{
	struct buf mapped;
	int code;

	buf_init(&mapped, 0);
	code = mime_casemap(str_take(utf8, SORT_TEXT_MAX), &mapped);
	if (code == 0) {
		*ret = arena_str(r->arena, str_take(buf_view(&mapped), SORT_TEXT_MAX));
		code = ret->ptr ? 0 : -ENOMEM;
	}
	buf_fini(&mapped);
	return code;
}

static int read_subject(struct reading *r, struct str *ret, bool *ret_reply)
{
	struct mime_field field;
	struct buf utf8;
	int code = 0;

	*ret = STR_LIT("");
	*ret_reply = false;
	if (!mime_find_field(r->header, STR_LIT("Subject"), &field))
		return 0;
	buf_init(&utf8, 0);
	code = mime_decode_words(str_trim(str_take(field.value, 65536)), &utf8);
	if (code == 0)
		code = keep_text(r, mime_base_subject(&utf8, ret_reply), ret);
	buf_fini(&utf8);
	return code;
}

/* The first address of a field. */
static bool first_address(struct reading *r, struct str name, struct mime_address *ret)
{
	struct mime_addresses addresses;
	struct mime_field field;

	if (!mime_find_field(r->header, name, &field))
		return false;
	mime_addresses_init(&addresses, str_take(field.value, 65536), &r->scratch);
	while (mime_next_address(&addresses, ret))
		if (ret->kind != MIME_GROUP_END)
			return true;
	return false;
}

static int read_mailbox(struct reading *r, struct str name, struct str *ret)
{
	struct mime_address address;

	*ret = STR_LIT("");
	if (!first_address(r, name, &address) || !address.mailbox.ptr)
		return 0;
	return keep_text(r, address.mailbox, ret);
}

/* RFC 5957, 3 */
static int read_display(struct reading *r, struct str name, struct str *ret)
{
	struct mime_address address;
	struct buf utf8;
	int code = 0;

	*ret = STR_LIT("");
	if (!first_address(r, name, &address))
		return 0;
	buf_init(&utf8, 0);
	if (address.kind == MIME_ADDRESS && address.name.ptr)
		code = mime_decode_words(address.name, &utf8);
	if (code == 0 && !buf_len(&utf8) && address.mailbox.ptr)
		code = buf_append(&utf8, address.mailbox);
	if (code == 0 && address.kind == MIME_ADDRESS && address.host.len &&
		(!address.name.ptr || !address.name.len)) {
		code = buf_byte(&utf8, '@');
		if (code == 0)
			code = buf_append(&utf8, address.host);
	}
	if (code == 0)
		code = keep_text(r, buf_view(&utf8), ret);
	buf_fini(&utf8);
	return code;
}

static int read_text(
	struct reading *r, enum imap_sort_kind kind, struct str *ret, bool *ret_reply)
{
	switch (kind) {
	case IMAP_SORT_CC:
		return read_mailbox(r, STR_LIT("Cc"), ret);
	case IMAP_SORT_FROM:
		return read_mailbox(r, STR_LIT("From"), ret);
	case IMAP_SORT_TO:
		return read_mailbox(r, STR_LIT("To"), ret);
	case IMAP_SORT_DISPLAYFROM:
		return read_display(r, STR_LIT("From"), ret);
	case IMAP_SORT_DISPLAYTO:
		return read_display(r, STR_LIT("To"), ret);
	case IMAP_SORT_SUBJECT:
		return read_subject(r, ret, ret_reply);
	case IMAP_SORT_ARRIVAL:
	case IMAP_SORT_DATE:
	case IMAP_SORT_SIZE:
		break;
	}
	return 0;
}

/* ── SORT ──────────────────────────────────────────────────────────────────────────── */

static bool needs_header(const struct imap_sort *sort)
{
	for (size_t i = 0; i < sort->count; i++)
		if (sort->keys[i].kind != IMAP_SORT_ARRIVAL &&
			sort->keys[i].kind != IMAP_SORT_SIZE)
			return true;
	return false;
}

unsigned sort_wants(const struct imap_sort *sort)
{
	return needs_header(sort) ? STORE_FIELDS : 0;
}

static bool is_text(enum imap_sort_kind kind)
{
	return kind != IMAP_SORT_ARRIVAL && kind != IMAP_SORT_DATE &&
	       kind != IMAP_SORT_SIZE;
}

bool sort_has_texts(const struct imap_sort *sort)
{
	for (size_t i = 0; i < sort->count; i++)
		if (is_text(sort->keys[i].kind))
			return true;
	return false;
}

static int read_row(struct sort_row *row, const struct imap_sort *sort, struct reading *r,
	bool *ret_reply)
{
	int code = 0;

	row->arrived = r->row.date;
	row->size = r->row.size;
	row->sent = needs_header(sort) ? sent_date(r) : r->row.date;
	if (!sort_has_texts(sort))
		return 0;
	row->texts = arena_alloc(r->arena, sort->count * sizeof(*row->texts));
	if (!row->texts)
		return -ENOMEM;
	for (size_t i = 0; i < sort->count && code == 0; i++)
		code = read_text(r, sort->keys[i].kind, &row->texts[i], ret_reply);
	return code;
}

static uint32_t uid_of(const struct sort_source *source, uint32_t index)
{
	return source->view->messages[index].uid;
}

/* 1: all that is compared of it is known. */
static int take_known(struct sort_row *row, const struct imap_sort *sort,
	const struct sort_cached *known, struct arena *arena)
{
	row->arrived = known->arrived;
	row->sent = known->sent;
	row->size = known->size;
	if (!sort_has_texts(sort))
		return 1;
	row->texts = arena_alloc(arena, sort->count * sizeof(*row->texts));
	if (!row->texts)
		return -ENOMEM;
	for (size_t i = 0; i < sort->count; i++) {
		if (!is_text(sort->keys[i].kind))
			continue;
		row->texts[i] = sort_cached_text(known, sort->keys[i].kind);
		if (!row->texts[i].ptr)
			return 0;
		row->texts[i] = arena_str(arena, row->texts[i]);
		if (!row->texts[i].ptr)
			return -ENOMEM;
	}
	return 1;
}

static void cache_row(struct sort_cache *cache, uint32_t uid, const struct sort_row *row,
	const struct imap_sort *sort, bool is_reply)
{
	struct sort_text texts[IMAP_SORT_KEYS_MAX];
	struct sort_cached m = { .uid = uid,
		.is_reply = is_reply,
		.arrived = row->arrived,
		.sent = row->sent,
		.size = row->size };

	for (size_t i = 0; i < sort->count; i++) {
		if (!is_text(sort->keys[i].kind))
			continue;
		texts[i] =
			(struct sort_text){ m.texts, sort->keys[i].kind, row->texts[i] };
		m.texts = &texts[i];
	}
	sort_cache_add(cache, &m);
}

int sort_row_read(struct sort_row *row, const struct imap_sort *sort,
	const struct sort_source *source, size_t *ret_bytes, struct error *err)
{
	uint32_t uid = uid_of(source, row->index);
	const struct sort_cached *known = sort_cache_find(source->cache, uid);
	int code = known ? take_known(row, sort, known, source->arena) : 0;
	bool is_reply = false;
	struct reading r;

	if (code)
		return code < 0 ? code : 0;
	code = open_message(&r, source, row->index, needs_header(sort), ret_bytes, err);
	if (code == 0)
		code = read_row(row, sort, &r, &is_reply);
	if (code == 0 && needs_header(sort) && is_checked(&r))
		cache_row(source->cache, uid, row, sort, is_reply);
	close_message(&r);
	return code;
}

static int compare_numbers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int compare_by(const struct sort_row *a, const struct sort_row *b,
	enum imap_sort_kind kind, size_t i)
{
	if (kind == IMAP_SORT_ARRIVAL)
		return compare_numbers(a->arrived, b->arrived);
	if (kind == IMAP_SORT_DATE)
		return compare_numbers(a->sent, b->sent);
	if (kind == IMAP_SORT_SIZE)
		return compare_numbers((int64_t)a->size, (int64_t)b->size);
	return str_cmp(a->texts[i], b->texts[i]);
}

static int compare(const void *a, const void *b, void *context)
{
	const struct sort_row *x = a, *y = b;
	const struct imap_sort *sort = context;

	for (size_t i = 0; i < sort->count; i++) {
		int order = compare_by(x, y, sort->keys[i].kind, i);

		if (order)
			return sort->keys[i].reverse ? -order : order;
	}
	return compare_numbers(x->index, y->index);
}

void sort_rows(struct sort_row *rows, size_t n, const struct imap_sort *sort)
{
	struct imap_sort by = *sort;

	if (n)
		qsort_r(rows, n, sizeof(*rows), compare, &by);
}

/* ── THREAD ────────────────────────────────────────────────────────────────────────── */

static int keep_id(struct reading *r, struct str id, struct str *ret)
{
	*ret = arena_str(r->arena, id);
	return ret->ptr ? 0 : -ENOMEM;
}

static size_t count_ids(struct reading *r, struct str value)
{
	struct str id;
	size_t n = 0;

	while (mime_next_message_id(&value, &r->scratch, &id))
		n++;
	return n;
}

/* Ids of that many bytes in all, then each message's last one alone: a mailbox of long
   References takes no more memory than that. */
#define REFERENCES_BYTES_MAX ((size_t)32 << 20)

/* RFC 5256, REFERENCES (1): In-Reply-To counts when References has none, and of it the
   first id alone. */
static int read_references(struct reading *r, struct imap_thread_message *m)
{
	struct mime_field field = { .value = STR("") };
	struct str value, id;
	size_t most =
		r->arena->used < REFERENCES_BYTES_MAX ? IMAP_THREAD_REFERENCES_MAX : 1;
	size_t count, skip, kept;
	int code = 0;

	if (mime_find_field(r->header, STR_LIT("References"), &field))
		count = count_ids(r, field.value);
	else
		count = 0;
	if (!count && mime_find_field(r->header, STR_LIT("In-Reply-To"), &field))
		count = count_ids(r, field.value) ? 1 : 0;
	skip = count > most ? count - most : 0;
	kept = count - skip;
	m->references = arena_alloc(r->arena, (kept + 1) * sizeof(struct str));
	if (!m->references)
		return -ENOMEM;
	value = field.value;
	for (size_t i = 0; i < count && code == 0; i++)
		if (mime_next_message_id(&value, &r->scratch, &id) && i >= skip)
			code = keep_id(r, id, &m->references[m->n_references++]);
	return code;
}

static int read_ids(struct reading *r, struct imap_thread_message *m)
{
	struct mime_field field;
	struct str id;
	int code = 0;

	m->id = STR_LIT("");
	if (mime_find_field(r->header, STR_LIT("Message-ID"), &field) &&
		mime_next_message_id(&field.value, &r->scratch, &id))
		code = keep_id(r, id, &m->id);
	return code < 0 ? code : read_references(r, m);
}

/* 1: it is known. */
static int copy_known(const struct sort_cached *known, bool references,
	struct imap_thread_message *m, struct arena *arena)
{
	struct str subject = sort_cached_text(known, IMAP_SORT_SUBJECT);
	struct sort_ids ids = { .id = STR("") };
	int code = 0;

	if (!subject.ptr || (references && !known->ids))
		return 0;
	if (references)
		code = sort_ids_copy(known->ids, arena, &ids);
	m->arrived = known->arrived;
	m->sent = known->sent;
	m->is_reply = known->is_reply;
	m->subject = arena_str(arena, subject);
	m->id = ids.id;
	m->references = ids.references;
	m->n_references = ids.n_references;
	return code < 0 || !m->subject.ptr ? -ENOMEM : 1;
}

/* ids: all of them were read. */
static void cache_message(const struct reading *r, const struct imap_thread_message *m,
	bool ids, struct sort_cache *cache)
{
	const struct sort_text subject = { NULL, IMAP_SORT_SUBJECT, m->subject };
	const struct sort_ids all = { m->id, m->references, m->n_references };

	sort_cache_add(cache, &(struct sort_cached){ .uid = r->row.uid,
				      .is_reply = m->is_reply,
				      .arrived = m->arrived,
				      .sent = m->sent,
				      .size = r->row.size,
				      .texts = &subject,
				      .ids = ids ? &all : NULL });
}

int sort_thread_read(struct imap_thread_message *m, uint32_t index, bool references,
	const struct sort_source *source, size_t *ret_bytes, struct error *err)
{
	const struct sort_cached *known =
		sort_cache_find(source->cache, uid_of(source, index));
	bool is_whole = references && source->arena->used < REFERENCES_BYTES_MAX;
	int code = known ? copy_known(known, references, m, source->arena) : 0;
	struct reading r;

	if (code)
		return code < 0 ? code : 0;
	code = open_message(&r, source, index, true, ret_bytes, err);
	if (code == 0)
		code = read_subject(&r, &m->subject, &m->is_reply);
	if (code == 0) {
		m->sent = sent_date(&r);
		m->arrived = r.row.date;
	}
	if (code == 0 && references)
		code = read_ids(&r, m);
	if (code == 0 && is_checked(&r))
		cache_message(&r, m, is_whole, source->cache);
	close_message(&r);
	return code;
}
