/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/fetch_message.h"

#include "mailstore/serve/kept.h"
#include "wire/imap/date.h"
#include "wire/imap/encode.h"
#include "wire/imap/envelope.h"
#include "wire/mime/header.h"

#include <errno.h>
#include <inttypes.h>

void fetch_message_init(struct fetch_message *m, const struct view *v, uint32_t uid)
{
	*m = (struct fetch_message){ .store = v->store,
		.mailbox = v->mailbox,
		.uid = uid,
		.body = { .bytes = STR(""), .fd = -1 } };
	arena_init(&m->arena);
}

void fetch_message_fini(struct fetch_message *m)
{
	mime_tree_fini(&m->tree);
	store_body_release(&m->body);
	arena_fini(&m->arena);
}

static int take_row(void *context, const struct store_message *row)
{
	struct fetch_message *m = context;

	m->date = row->date;
	m->zone = row->zone;
	m->size = row->size;
	m->saved = row->saved;
	m->email = row->email;
	return 1;
}

void fetch_message_take(struct fetch_message *m, const struct store_row *row)
{
	m->date = row->date;
	m->zone = row->zone;
	m->size = row->size;
	m->saved = row->saved;
	m->email = row->email;
	m->kept = row->header;
}

int fetch_message_row(struct fetch_message *m, struct error *err)
{
	int code = store_each_message(
		m->store, m->mailbox, m->uid, m->uid, take_row, m, err);

	if (code < 0)
		return code;
	return code == 1 ? 0 : -ENOENT;
}

int fetch_message_body(struct fetch_message *m, enum fetch_need need, struct error *err)
{
	int code = 0;

	if (m->has_body)
		return 0;
	switch (need) {
	case FETCH_HEADER:
		code = store_body_head(m->store, m->mailbox, m->uid, &m->body, err);
		break;
	case FETCH_WHOLE:
		code = store_body(m->store, m->mailbox, m->uid, &m->body, err);
		break;
	case FETCH_TO_SEND:
		code = store_body_to_send(
			m->store, m->mailbox, m->uid, OUTPUT_READ_MAX, &m->body, err);
		break;
	}
	m->has_body = code == 0;
	return code;
}

/* ── what is kept ──────────────────────────────────────────────────────────────────── */

static bool is_top_level_fields(const struct imap_fetch_item *i)
{
	return i->kind == IMAP_FETCH_SECTION && i->section == IMAP_SECTION_FIELDS &&
	       !i->n_numbers;
}

static bool has_other_fields(const struct imap_fetch_item *i)
{
	for (size_t n = 0; n < i->n_fields; n++)
		if (!kept_has_field(i->fields[n]))
			return true;
	return false;
}

/* The fields for all items or for none. */
unsigned fetch_wants(const struct imap_fetch_item *first)
{
	unsigned wants = 0;
	bool others = false;

	for (const struct imap_fetch_item *i = first; i; i = i->next) {
		if (i->kind == IMAP_FETCH_ENVELOPE)
			wants |= STORE_ENVELOPE;
		else if (i->kind == IMAP_FETCH_BODYSTRUCTURE)
			wants |= STORE_STRUCTURE;
		else if (is_top_level_fields(i))
			wants |= STORE_FIELDS;
		others |= is_top_level_fields(i) && has_other_fields(i);
	}
	return others ? wants & ~(unsigned)STORE_FIELDS : wants;
}

bool fetch_is_kept(const struct fetch_message *m, const struct imap_fetch_item *item)
{
	if (item->kind == IMAP_FETCH_ENVELOPE)
		return m->kept.envelope.ptr;
	if (item->kind == IMAP_FETCH_BODYSTRUCTURE)
		return m->kept.structure.ptr;
	return m->kept.fields.ptr && is_top_level_fields(item);
}

/* ── items ─────────────────────────────────────────────────────────────────────────── */

int fetch_message_tree(struct fetch_message *m)
{
	int r = m->has_tree ? 0 : mime_scan(m->body.bytes, &m->tree);

	m->has_tree = r == 0;
	return r;
}

static int put_structure(struct fetch_message *m, bool extended, struct buf *out)
{
	int r;

	if (extended && m->kept.structure.ptr)
		return buf_append(out, m->kept.structure);
	r = fetch_message_tree(m);
	return r < 0 ? r : imap_put_structure(out, &m->tree, extended, &m->arena);
}

static struct str message_header(const struct fetch_message *m)
{
	return str_take(m->body.bytes, mime_header_length(m->body.bytes));
}

static int put_envelope(struct fetch_message *m, struct buf *out)
{
	if (m->kept.envelope.ptr)
		return buf_append(out, m->kept.envelope);
	return imap_put_envelope(out, message_header(m), &m->arena);
}

static int put_label(const struct imap_fetch_item *item, struct buf *out)
{
	int r = buf_append(out, item->label);

	return r < 0 ? r : buf_byte(out, ' ');
}

int fetch_put_item(
	struct fetch_message *m, const struct imap_fetch_item *item, struct buf *out)
{
	int r = put_label(item, out);

	if (r < 0)
		return r;
	switch (item->kind) {
	case IMAP_FETCH_UID:
		return buf_number(out, m->uid);
	case IMAP_FETCH_INTERNALDATE:
		return imap_put_date_time(out, (struct imap_date){ m->date, m->zone });
	case IMAP_FETCH_SIZE:
		return buf_number(out, m->size);
	case IMAP_FETCH_ENVELOPE:
		return put_envelope(m, out);
	case IMAP_FETCH_BODY:
	case IMAP_FETCH_BODYSTRUCTURE:
		return put_structure(m, item->kind == IMAP_FETCH_BODYSTRUCTURE, out);
	case IMAP_FETCH_SAVEDATE:
		return imap_put_date_time(out, (struct imap_date){ m->saved, m->zone });
	case IMAP_FETCH_EMAILID:
		return buf_printf(out, "(M%" PRIx64 ")", m->email);
	case IMAP_FETCH_THREADID:
		return buf_append_c(out, "NIL");
	case IMAP_FETCH_FLAGS:
	case IMAP_FETCH_MODSEQ:
	case IMAP_FETCH_SECTION:
	case IMAP_FETCH_BINARY:
	case IMAP_FETCH_BINARY_SIZE:
	case IMAP_FETCH_PREVIEW:
	case IMAP_FETCH_SNIPPET:
		break;
	}
	return -EINVAL; /* not ours: see cmd_fetch.c */
}

/* ── sections ──────────────────────────────────────────────────────────────────────── */

static bool is_named(const struct imap_fetch_item *item, struct str name)
{
	for (size_t i = 0; i < item->n_fields; i++)
		if (str_ieq(item->fields[i], name))
			return true;
	return false;
}

int fetch_take_text(void *context, struct str bytes)
{
	return buf_append(context, bytes);
}

int fetch_take_spool(void *context, struct str bytes)
{
	struct fetch_spool *w = context;

	return spool_write(w->store, &w->spool, bytes, NULL);
}

/* The chosen fields and the blank line after them. Where the header itself has none,
   FIELDS.NOT has none either, and FIELDS has it all the same, as Dovecot does. */
static int choose_fields(const struct imap_fetch_item *item, struct str header,
	fetch_take_fn *take, void *context)
{
	bool wanted = item->section == IMAP_SECTION_FIELDS;
	struct mime_field field;
	int r = 0;

	while (r == 0 && mime_next_field(&header, &field))
		if (is_named(item, field.name) == wanted)
			r = take(context, field.all);
	if (r < 0 || (!header.len && !wanted))
		return r;
	return take(context, STR_LIT("\r\n"));
}

/* The message that HEADER and TEXT are about: the whole one, or one that is a part. NULL:
   that part is no message. */
static const struct mime_part *inner_message(
	const struct mime_tree *tree, const struct mime_part *part)
{
	return part->kind == MIME_MESSAGE ? &tree->parts[part->child] : NULL;
}

static struct str part_section(
	const struct mime_tree *tree, const struct imap_fetch_item *item)
{
	const struct mime_part *part =
		mime_part_find(tree, item->numbers, item->n_numbers);
	const struct str none = { 0 };

	if (!part)
		return none;
	if (item->section == IMAP_SECTION_ALL)
		return mime_part_body(tree, part);
	if (item->section == IMAP_SECTION_MIME)
		return mime_part_header(tree, part);
	part = inner_message(tree, part);
	if (!part)
		return none;
	return item->section == IMAP_SECTION_TEXT ? mime_part_body(tree, part)
	                                          : mime_part_header(tree, part);
}

/* ptr NULL: there is no such part. */
static int find_section(
	struct fetch_message *m, const struct imap_fetch_item *item, struct str *ret)
{
	struct str whole = m->body.bytes;
	int r;

	if (fetch_is_kept(m, item)) {
		*ret = m->kept.fields;
		return 0;
	}
	if (item->n_numbers) {
		r = fetch_message_tree(m);
		if (r == 0)
			*ret = part_section(&m->tree, item);
		return r;
	}
	if (item->section == IMAP_SECTION_TEXT)
		*ret = str_skip(whole, mime_header_length(whole));
	else
		*ret = item->section == IMAP_SECTION_ALL ? whole : message_header(m);
	return 0;
}

bool fetch_is_sent(const struct imap_fetch_item *item)
{
	return item->kind == IMAP_FETCH_SECTION && item->section == IMAP_SECTION_ALL &&
	       !item->n_numbers && (!item->partial || item->length > OUTPUT_COPY_MAX);
}

static struct str partial(const struct imap_fetch_item *item, struct str bytes)
{
	if (!item->partial)
		return bytes;
	return str_take(str_skip(bytes, item->offset), item->length);
}

int fetch_section(struct fetch_message *m, const struct imap_fetch_item *item,
	struct buf *space, struct str *ret)
{
	struct str bytes = { 0 };
	int r = find_section(m, item, &bytes);

	if (r == 0 && bytes.ptr && item->section >= IMAP_SECTION_FIELDS) {
		r = choose_fields(item, bytes, fetch_take_text, space);
		bytes = buf_len(space) ? buf_view(space) : STR_LIT("");
	}
	if (r == 0)
		*ret = bytes.ptr ? partial(item, bytes) : bytes;
	return r;
}

static int put_bytes(
	const struct imap_fetch_item *item, struct str bytes, struct buf *out)
{
	int r = put_label(item, out);

	if (r < 0)
		return r;
	if (!bytes.ptr)
		return buf_append_c(out, "NIL");
	return bytes.len ? imap_put_literal(out, bytes, false)
	                 : buf_append_c(out, "\"\"");
}

/* So many bytes follow. */
static int put_length(const struct imap_fetch_item *item, size_t len, struct buf *out)
{
	int r = put_label(item, out);

	if (r == 0)
		r = buf_byte(out, '{');
	if (r == 0)
		r = buf_number(out, len);
	return r < 0 ? r : buf_append_c(out, "}\r\n");
}

/* All that was chosen becomes the output's piece. */
static int put_chosen(
	const struct imap_fetch_item *item, struct body *chosen, struct output *out)
{
	struct str wanted = partial(item, chosen->bytes);
	int r;

	if (!wanted.len)
		return put_bytes(item, STR_LIT(""), &out->text);
	r = put_length(item, wanted.len, &out->text);
	if (r == 0)
		output_piece(out, chosen, (size_t)(wanted.ptr - chosen->bytes.ptr),
			wanted.len);
	return r;
}

/* Sessions that ask for a header of many MiB and take none of it must not fill memory. */
static int put_long_fields(struct fetch_message *m, const struct imap_fetch_item *item,
	struct str header, struct output *out)
{
	struct fetch_spool w = { .store = m->store };
	struct body body;
	int r;

	spool_init(&w.spool);
	r = choose_fields(item, header, fetch_take_spool, &w);
	if (r == 0)
		r = spool_take(&w.spool, &body, NULL);
	if (r == 0) {
		r = put_chosen(item, &body, out);
		store_body_release(&body);
	}
	spool_fini(&w.spool);
	return r;
}

static int put_fields(struct fetch_message *m, const struct imap_fetch_item *item,
	struct str header, struct output *out)
{
	struct buf chosen;
	int r;

	buf_init(&chosen, OUTPUT_FULL);
	r = choose_fields(item, header, fetch_take_text, &chosen);
	if (r == 0)
		r = put_bytes(item, partial(item, buf_view(&chosen)), &out->text);
	else if (r == -ENOBUFS)
		r = put_long_fields(m, item, header, out);
	buf_fini(&chosen);
	return r;
}

static int put_piece(struct fetch_message *m, const struct imap_fetch_item *item,
	size_t at, size_t len, struct output *out)
{
	int r = put_length(item, len, &out->text);

	if (r < 0)
		return r;
	output_piece(out, &m->body, at, len);
	mime_tree_fini(&m->tree);
	m->has_body = m->has_tree = false;
	return 0;
}

/* What a body that is not read has of it: all of the message, or a part of all. */
static size_t unread_length(
	const struct fetch_message *m, const struct imap_fetch_item *item)
{
	size_t len = m->body.bytes.len;

	if (!item->partial)
		return len;
	len -= item->offset < len ? item->offset : len;
	return item->length < len ? item->length : len;
}

int fetch_put_section(
	struct fetch_message *m, const struct imap_fetch_item *item, struct output *out)
{
	struct str bytes = { 0 };
	size_t unread = m->body.bytes.ptr ? 0 : unread_length(m, item);
	int r;

	if (unread > OUTPUT_READ_MAX)
		return put_piece(m, item, item->partial ? item->offset : 0, unread, out);
	r = store_body_read(&m->body);
	if (r == 0)
		r = find_section(m, item, &bytes);
	if (r < 0)
		return r;
	if (bytes.ptr && item->section >= IMAP_SECTION_FIELDS)
		return put_fields(m, item, bytes, out);
	if (bytes.ptr)
		bytes = partial(item, bytes);
	if (bytes.len > OUTPUT_COPY_MAX)
		return put_piece(
			m, item, (size_t)(bytes.ptr - m->body.bytes.ptr), bytes.len, out);
	return put_bytes(item, bytes, &out->text);
}
