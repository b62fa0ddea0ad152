/* SPDX-License-Identifier: GPL-3.0-or-later */
/* BINARY and BINARY.SIZE (RFC 3516): parts without their transfer encoding. And PREVIEW
   (RFC 8970). */
#include "mailstore/serve/fetch_message.h"
#include "wire/imap/encode.h"
#include "wire/mime/decode.h"
#include "wire/mime/preview.h"

#include <errno.h>
#include <inttypes.h>

#define PIECE ((size_t)65536) /* decoded at a time */

/* A part being decoded: counted first, then written. */
struct decoding {
	struct str bytes; /* as they are encoded */
	enum mime_encoding encoding;
	uint64_t from, to; /* of what comes out: the part that is wanted */
	uint64_t at;
	bool has_nul; /* in it */
};

static struct str wanted_of(const struct decoding *d, struct str piece)
{
	uint64_t from = d->from > d->at ? d->from - d->at : 0;
	uint64_t to = d->to > d->at ? d->to - d->at : 0;

	piece = str_take(piece, to < piece.len ? (size_t)to : piece.len);
	return str_skip(piece, from < piece.len ? (size_t)from : piece.len);
}

static int decode(struct decoding *d, fetch_take_fn *take, void *context)
{
	struct mime_decoder decoder;
	struct str rest = d->bytes;
	struct buf piece;
	int r = 0;

	mime_decoder_init(&decoder, d->encoding);
	buf_init(&piece, 0);
	d->at = 0;
	while (rest.len && r == 0 && d->at < d->to) {
		struct str wanted;

		buf_clear(&piece);
		r = mime_decode(&decoder, str_take(rest, PIECE), &piece);
		rest = str_skip(rest, PIECE);
		wanted = wanted_of(d, buf_view(&piece));
		d->at += buf_len(&piece);
		if (r == 0 && wanted.len)
			r = take(context, wanted);
	}
	buf_fini(&piece);
	return r;
}

/* ── which part ────────────────────────────────────────────────────────────────────── */

static bool is_known(struct str encoding)
{
	static const struct str names[] = { STR("7bit"), STR("8bit"), STR("binary"),
		STR("quoted-printable"), STR("base64") };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_ieq(encoding, names[i]))
			return true;
	return false;
}

/* ptr NULL: there is no such part. What has parts in it is not encoded (RFC 2045, 6.4),
   whatever it says. */
static int find_part(
	struct fetch_message *m, const struct imap_fetch_item *item, struct decoding *ret)
{
	const struct mime_part *part;
	struct str encoding;
	int r;

	*ret = (struct decoding){ .bytes = m->body.bytes, .to = UINT64_MAX };
	if (item->partial) {
		ret->from = item->offset;
		ret->to = (uint64_t)item->offset + item->length;
	}
	if (!item->n_numbers)
		return 0;
	r = fetch_message_tree(m);
	if (r < 0)
		return r;
	part = mime_part_find(&m->tree, item->numbers, item->n_numbers);
	ret->bytes = part ? mime_part_body(&m->tree, part) : (struct str){ 0 };
	if (!part || part->kind != MIME_LEAF)
		return 0;
	encoding = mime_transfer_encoding(mime_part_header(&m->tree, part));
	if (!is_known(encoding))
		return -EPROTONOSUPPORT;
	ret->encoding = mime_encoding_by_name(encoding);
	return 0;
}

/* ── what comes out ────────────────────────────────────────────────────────────────── */

struct measure {
	uint64_t len;
	bool has_nul;
};

static int take_length(void *context, struct str bytes)
{
	struct measure *m = context;

	m->len += bytes.len;
	m->has_nul |= str_index(bytes, '\0') < bytes.len;
	return 0;
}

/* Too long to be gathered: it becomes the output's piece. */
static int put_long(struct fetch_message *m, struct decoding *d, struct output *out)
{
	struct fetch_spool w = { .store = m->store };
	struct body body;
	int r;

	spool_init(&w.spool);
	r = decode(d, fetch_take_spool, &w);
	if (r == 0)
		r = spool_take(&w.spool, &body, NULL);
	if (r == 0)
		output_piece(out, &body, 0, body.bytes.len);
	spool_fini(&w.spool);
	return r;
}

static int put_content(struct fetch_message *m, struct decoding *d, struct output *out)
{
	struct measure measure = { .len = 0 };
	int r = decode(d, take_length, &measure);

	if (r == 0 && !measure.len)
		return buf_append_c(&out->text, "\"\"");
	if (r == 0)
		r = buf_printf(&out->text, "%s{%" PRIu64 "}\r\n",
			measure.has_nul ? "~" : "", measure.len);
	if (r < 0)
		return r;
	return measure.len > OUTPUT_COPY_MAX ? put_long(m, d, out)
	                                     : decode(d, fetch_take_text, &out->text);
}

int fetch_check_binary(struct fetch_message *m, const struct imap_fetch_item *item)
{
	struct decoding d;

	return find_part(m, item, &d);
}

int fetch_put_binary(
	struct fetch_message *m, const struct imap_fetch_item *item, struct output *out)
{
	struct measure measure = { .len = 0 };
	struct decoding d;
	int r = find_part(m, item, &d);

	if (r == 0)
		r = buf_printf(&out->text, "%.*s ", STR_ARG(item->label));
	if (r < 0)
		return r;
	if (item->kind == IMAP_FETCH_BINARY)
		return d.bytes.ptr ? put_content(m, &d, out)
		                   : buf_append_c(&out->text, "NIL");
	r = d.bytes.ptr ? decode(&d, take_length, &measure) : 0;
	return r < 0 ? r : buf_printf(&out->text, "%" PRIu64, measure.len);
}

/* ── PREVIEW ───────────────────────────────────────────────────────────────────────── */

/* An answer that may be UTF-8 is a literal, unless the client takes it between quotes. */
int fetch_put_preview(struct fetch_message *m, const struct imap_fetch_item *item,
	bool utf8, struct buf *out)
{
	bool snippet = item->kind == IMAP_FETCH_SNIPPET;
	struct buf text;
	int r = fetch_message_tree(m);

	buf_init(&text, 0);
	if (r == 0)
		r = mime_preview(&m->tree, &text);
	if (r == 0)
		r = buf_append_c(out, snippet ? "SNIPPET (FUZZY " : "PREVIEW ");
	if (r == 0)
		r = utf8 ? imap_put_utf8(
				   out, buf_len(&text) ? buf_view(&text) : STR_LIT(""))
		         : imap_put_nstring(
				   out, buf_len(&text) ? buf_view(&text) : STR_LIT(""));
	if (r == 0 && snippet)
		r = buf_byte(out, ')');
	buf_fini(&text);
	return r;
}
