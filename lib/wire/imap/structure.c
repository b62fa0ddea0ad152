/* SPDX-License-Identifier: GPL-3.0-or-later */
/* BODY and BODYSTRUCTURE: one parenthesised list a part, nested as the parts are. */
#include "wire/imap/encode.h"
#include "wire/imap/envelope.h"
#include "wire/mime/content.h"
#include "wire/mime/header.h"
#include "wire/mime/lex.h"

#include <inttypes.h>

struct writer {
	struct buf *out;
	const struct mime_tree *tree;
	bool extended;
	struct arena *arena;
};

static int put_part(struct writer *w, const struct mime_part *part);

static struct str value_of(struct str header, struct str name)
{
	struct mime_field field;

	return mime_find_field(header, name, &field) ? field.value : (struct str){ 0 };
}

static int put_c(struct writer *w, const char *text)
{
	return buf_append_c(w->out, text);
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
			r = imap_put_text(w->out, content->params[i].value, w->arena);
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
	struct str value = value_of(header, STR_LIT("Content-Transfer-Encoding"));
	struct str word = STR("7bit");
	int r;

	mime_skip_space(&value, NULL);
	(void)mime_atom(&value, STR_LIT(";()\"\\"), &word);
	r = buf_byte(w->out, ' ');
	return r < 0 ? r : imap_put_text(w->out, word, w->arena);
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

/* What a single part is shown as. A multipart or message that was not taken apart (no
   boundary, too deep) must not be called so, clients would look for its parts; as text it
   can be read. */
static void shown_type(
	struct writer *w, const struct mime_part *part, struct mime_content *ret)
{
	struct str value =
		value_of(mime_part_header(w->tree, part), STR_LIT("Content-Type"));
	bool known = value.ptr && mime_content_type(value, w->arena, ret);
	bool message = known && mime_is_type(ret, STR_LIT("message"), STR_LIT("rfc822"));

	if (part->kind == MIME_MESSAGE && !known) { /* of a digest */
		*ret = (struct mime_content){ .type = STR("message"),
			.subtype = STR("rfc822") };
	} else if (part->kind == MIME_LEAF &&
		   (!known || message || str_ieq(ret->type, STR_LIT("multipart")))) {
		ret->type = STR_LIT("text");
		ret->subtype = STR_LIT("plain");
		ret->n_params = 0;
	}
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

	shown_type(w, part, &content);
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
	(void)mime_content_type(
		value_of(header, STR_LIT("Content-Type")), w->arena, &content);
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
