/* SPDX-License-Identifier: GPL-3.0-or-later */
/* BODY and BODYSTRUCTURE: one parenthesised list a part, nested as the parts are. */
#include "wire/imap/encode.h"
#include "wire/imap/envelope.h"
#include "wire/mime/content.h"
#include "wire/mime/header.h"
#include "wire/mime/lex.h"

#include <errno.h>
#include <inttypes.h>

struct writer {
	struct buf *out;
	const struct mime_tree *tree;
	bool extended;
	struct arena *arena;
};

static int put_part(struct writer *w, const struct mime_part *part);

/* Of a field that a part may have once. */
static struct str value_of(struct str header, struct str name)
{
	struct mime_field field;

	return mime_find_last_field(header, name, &field) ? field.value
	                                                  : (struct str){ 0 };
}

static int put_c(struct writer *w, const char *text)
{
	return buf_append_c(w->out, text);
}

/* White space inside the quotes belongs to the value (RFC 2045, 5.1). */
static int put_value(struct writer *w, struct str value)
{
	struct str flat = mime_flatten(value, w->arena, IMAP_TEXT_MAX);

	return flat.ptr ? imap_put_nstring(w->out, flat) : -ENOMEM;
}

static int put_params(struct writer *w, const struct mime_content *content)
{
	int r = 0;

	if (!content->n_params)
		return put_c(w, " NIL");
	for (size_t i = 0; i < content->n_params && r == 0; i++) {
		r = put_c(w, i ? " " : " (");
		if (r == 0)
			r = imap_put_text(w->out, content->params[i].name, w->arena);
		if (r == 0)
			r = buf_byte(w->out, ' ');
		if (r == 0)
			r = put_value(w, content->params[i].value);
	}
	return r < 0 ? r : buf_byte(w->out, ')');
}

/* A field's value, or NIL, after a space. */
static int put_field(struct writer *w, struct str header, struct str name)
{
	int r = buf_byte(w->out, ' ');

	return r < 0 ? r : imap_put_text(w->out, value_of(header, name), w->arena);
}

static int put_encoding(struct writer *w, struct str header)
{
	int r = buf_byte(w->out, ' ');

	return r < 0 ? r
	             : imap_put_text(w->out, mime_transfer_encoding(header), w->arena);
}

static int put_disposition(struct writer *w, struct str header)
{
	struct str value = value_of(header, STR_LIT("Content-Disposition"));
	struct mime_content disposition;
	int r;

	if (!value.ptr || !mime_disposition(value, w->arena, &disposition))
		return put_c(w, " NIL");
	r = put_c(w, " (");
	if (r == 0)
		r = imap_put_text(w->out, disposition.type, w->arena);
	if (r == 0)
		r = put_params(w, &disposition);
	return r < 0 ? r : buf_byte(w->out, ')');
}

/* RFC 3282: "de, en" is a list of language tags. */
static int put_language(struct writer *w, struct str header)
{
	struct str value = value_of(header, STR_LIT("Content-Language")), tag;
	size_t count = 0;
	int r = 0;

	while (r == 0 && count < MIME_PARAMS_MAX) {
		mime_skip_space(&value, NULL);
		if (mime_take(&value, ','))
			continue;
		if (!mime_atom(&value, STR_LIT(",()\"\\"), &tag))
			break;
		r = put_c(w, count++ ? " " : " (");
		if (r == 0)
			r = imap_put_text(w->out, tag, w->arena);
	}
	if (r < 0)
		return r;
	return put_c(w, count ? ")" : " NIL");
}

static int put_extension(struct writer *w, struct str header)
{
	int r = put_disposition(w, header);

	if (r == 0)
		r = put_language(w, header);
	return r < 0 ? r : put_field(w, header, STR_LIT("Content-Location"));
}

static int put_message(struct writer *w, const struct mime_part *part)
{
	const struct mime_part *inner = &w->tree->parts[part->child];
	int r = buf_byte(w->out, ' ');

	if (r == 0)
		r = imap_put_envelope(w->out, mime_part_header(w->tree, inner), w->arena);
	if (r == 0)
		r = buf_byte(w->out, ' ');
	if (r == 0)
		r = put_part(w, inner);
	return r < 0 ? r : buf_printf(w->out, " %" PRIu64, part->lines);
}

/* RFC 2045, 5.2: text without a charset is US-ASCII. Dovecot says so, clients rely on it.
 */
static void add_charset(struct mime_content *content)
{
	if (!str_ieq(content->type, STR_LIT("text")) ||
		content->n_params == MIME_PARAMS_MAX ||
		mime_param(content, STR_LIT("charset")).ptr)
		return;
	content->params[content->n_params++] =
		(struct mime_param){ STR("charset"), STR("us-ascii") };
}

static int put_type(struct writer *w, const struct mime_content *content)
{
	int r = imap_put_text(w->out, content->type, w->arena);

	if (r == 0)
		r = buf_byte(w->out, ' ');
	if (r == 0)
		r = imap_put_text(w->out, content->subtype, w->arena);
	return r < 0 ? r : put_params(w, content);
}

static int put_single(struct writer *w, const struct mime_part *part)
{
	struct str header = mime_part_header(w->tree, part);
	struct mime_content content;
	int r;

	mime_part_type(w->tree, part, w->arena, &content);
	add_charset(&content);
	r = put_type(w, &content);
	if (r == 0)
		r = put_field(w, header, STR_LIT("Content-ID"));
	if (r == 0)
		r = put_field(w, header, STR_LIT("Content-Description"));
	if (r == 0)
		r = put_encoding(w, header);
	if (r == 0)
		r = buf_printf(w->out, " %zu", part->end - part->body);
	if (r == 0 && part->kind == MIME_MESSAGE)
		r = put_message(w, part);
	else if (r == 0 && str_ieq(content.type, STR_LIT("text")))
		r = buf_printf(w->out, " %" PRIu64, part->lines);
	if (r < 0 || !w->extended)
		return r;
	r = put_field(w, header, STR_LIT("Content-MD5"));
	return r < 0 ? r : put_extension(w, header);
}

/* RFC 3501 wants one part at least. */
static int put_no_part(struct writer *w)
{
	int r = put_c(w, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
			 "\"7bit\" 0 0");

	if (r == 0 && w->extended)
		r = put_c(w, " NIL NIL NIL NIL");
	return r < 0 ? r : put_c(w, ")");
}

static int put_multipart(struct writer *w, const struct mime_part *part)
{
	struct str header = mime_part_header(w->tree, part);
	struct mime_content content = { 0 };
	int r = part->child ? 0 : put_no_part(w);

	for (uint32_t i = part->child; i && r == 0; i = w->tree->parts[i].next)
		r = put_part(w, &w->tree->parts[i]);
	if (r < 0)
		return r;
	mime_part_type(w->tree, part, w->arena, &content);
	r = buf_byte(w->out, ' ');
	if (r == 0)
		r = imap_put_text(w->out, content.subtype, w->arena);
	if (r < 0 || !w->extended)
		return r;
	r = put_params(w, &content);
	return r < 0 ? r : put_extension(w, header);
}

static int put_part(struct writer *w, const struct mime_part *part)
{
	int r = buf_byte(w->out, '(');

	if (r == 0)
		r = part->kind == MIME_MULTIPART ? put_multipart(w, part)
		                                 : put_single(w, part);
	return r < 0 ? r : buf_byte(w->out, ')');
}

int imap_put_structure(
	struct buf *out, const struct mime_tree *tree, bool extended, struct arena *arena)
{
	struct writer w = { out, tree, extended, arena };

	return put_part(&w, &tree->parts[0]);
}
