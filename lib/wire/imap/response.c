/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/response.h"

#include "wire/imap/flags.h"

/* ---- where a response ends ---- */

void imap_response_init(struct imap_response_reader *r)
{
	*r = (struct imap_response_reader){ 0 };
	imap_frame_init(&r->framer, IMAP_SERVER_LINE_MAX);
}

/* Text for people may end in "{5}" and announces nothing: only data has literals. */
static bool is_data(struct str line)
{
	struct imap_response response;

	return imap_response_parse(line, &response) && response.kind == IMAP_IS_DATA;
}

static enum imap_response_event piece(struct imap_response_reader *r, struct str input,
	struct str *ret_part, size_t *ret_used)
{
	if (!input.len)
		return IMAP_RESPONSE_NEED_MORE;
	*ret_part = input.len > r->left ? str_take(input, (size_t)r->left) : input;
	*ret_used = ret_part->len;
	r->left -= ret_part->len;
	return IMAP_RESPONSE_BYTES;
}

static enum imap_response_event part(struct imap_response_reader *r, struct str input,
	size_t end, struct str *ret_part, size_t *ret_used)
{
	*ret_part = str_take(input, end);
	*ret_used = end;
	imap_frame_reset(&r->framer);
	return IMAP_RESPONSE_COMPLETE;
}

static enum imap_response_event literal(struct imap_response_reader *r, struct str input,
	const struct imap_literal *is, struct str *ret_part, size_t *ret_used)
{
	(void)part(r, input, is->offset, ret_part, ret_used);
	if (!r->is_rest && !is_data(*ret_part))
		return IMAP_RESPONSE_COMPLETE;
	r->is_rest = true;
	r->left = is->size;
	return IMAP_RESPONSE_LITERAL;
}

static bool is_kept(const struct imap_response_reader *r, struct str input,
	const struct imap_literal *is)
{
	return is->size <= IMAP_KEEP_MAX &&
	       (r->is_rest || is_data(str_take(input, is->offset)));
}

enum imap_response_event imap_response_next(struct imap_response_reader *r,
	struct str input, struct str *ret_part, size_t *ret_used)
{
	struct imap_literal end;
	enum imap_frame is;

	*ret_used = 0;
	*ret_part = STR_LIT("");
	if (r->left)
		return piece(r, input, ret_part, ret_used);
	while ((is = imap_frame_next(&r->framer, input, &end)) == IMAP_FRAME_LITERAL &&
		is_kept(r, input, &end))
		imap_frame_keep(&r->framer);
	if (is == IMAP_FRAME_NEED_MORE)
		return input.len > IMAP_SERVER_LINE_MAX ? IMAP_RESPONSE_TOO_LONG
		                                        : IMAP_RESPONSE_NEED_MORE;
	if (is == IMAP_FRAME_TOO_LONG)
		return IMAP_RESPONSE_TOO_LONG;
	if (is == IMAP_FRAME_BAD)
		return IMAP_RESPONSE_BAD;
	if (is == IMAP_FRAME_LITERAL)
		return literal(r, input, &end, ret_part, ret_used);
	r->is_rest = false;
	return part(r, input, end.offset, ret_part, ret_used);
}

/* ---- what it says ---- */

static const struct {
	struct str word;
	enum imap_status status;
} statuses[] = {
	{ STR("OK"), IMAP_STATUS_OK },
	{ STR("NO"), IMAP_STATUS_NO },
	{ STR("BAD"), IMAP_STATUS_BAD },
	{ STR("PREAUTH"), IMAP_STATUS_PREAUTH },
	{ STR("BYE"), IMAP_STATUS_BYE },
};

static bool status_word(struct imap_cursor *c, enum imap_status *ret)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (!imap_keyword(c, statuses[i].word))
			continue;
		*ret = statuses[i].status;
		return true;
	}
	return false;
}

/* "[CODE value] text"; a '[' without its ']' is text. */
static void status_text(struct imap_cursor *c, struct imap_response *ret)
{
	struct str rest = str_trim(c->rest);
	size_t close = str_index(rest, ']');

	ret->text = rest;
	if (!rest.len || rest.ptr[0] != '[' || close == rest.len)
		return;
	ret->code_value = str_of(rest.ptr + 1, close - 1);
	ret->text = str_trim(str_skip(rest, close + 1));
	ret->code = str_split(&ret->code_value, ' ');
}

static bool status(struct imap_cursor *c, struct imap_response *ret)
{
	if (!status_word(c, &ret->status))
		return false;
	ret->kind = IMAP_IS_STATUS;
	status_text(c, ret);
	return true;
}

static bool data(struct imap_cursor *c, struct imap_response *ret)
{
	ret->kind = IMAP_IS_DATA;
	if (imap_number(c, &ret->number) && !imap_space(c))
		return false;
	if (!imap_atom(c, &ret->name))
		return false;
	(void)imap_space(c);
	ret->rest = *c;
	return true;
}

bool imap_response_parse(struct str line, struct imap_response *ret)
{
	struct imap_response r = { .tag = STR_LIT("") };
	struct imap_cursor c = imap_cursor(line);
	bool ok;

	r.code = r.code_value = r.text = r.name = r.tag;
	if (imap_char(&c, '+')) {
		r.kind = IMAP_IS_CONTINUATION;
		r.text = str_trim(c.rest);
		ok = true;
	} else if (imap_char(&c, '*')) {
		ok = imap_space(&c) && (status(&c, &r) || data(&c, &r));
	} else {
		ok = imap_tag(&c, &r.tag) && imap_space(&c) && status(&c, &r);
	}
	if (ok)
		*ret = r;
	return ok;
}

/* ---- LIST ---- */

static const struct {
	struct str word;
	unsigned bit; /* 0: known, and of no use to us */
} attributes[] = {
	{ STR("\\Noselect"), IMAP_LIST_NOSELECT },
	{ STR("\\Noinferiors"), IMAP_LIST_NOINFERIORS },
	{ STR("\\NonExistent"), IMAP_LIST_NONEXISTENT },
	{ STR("\\Subscribed"), IMAP_LIST_SUBSCRIBED },
	{ STR("\\Marked"), 0 },
	{ STR("\\Unmarked"), 0 },
	{ STR("\\HasChildren"), 0 },
	{ STR("\\HasNoChildren"), 0 },
	{ STR("\\Remote"), 0 },
};

static bool attribute_bit(struct str word, unsigned *ret_bit)
{
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		if (!str_ieq(word, attributes[i].word))
			continue;
		*ret_bit = attributes[i].bit;
		return true;
	}
	return false;
}

/* What is not known by name is a special use: new ones are registered now and then. */
static bool list_attributes(
	struct imap_cursor *c, struct arena *arena, struct imap_list *ret)
{
	unsigned bits, bit;
	struct str words, uses = STR("");

	if (!imap_flags(c, arena, &bits, &words))
		return false;
	if (bits & IMAP_FLAG_FLAGGED) /* the one special use that is a flag's name, too */
		uses = STR_LIT("\\Flagged");
	while (words.len) {
		struct str word = str_split(&words, ' ');

		if (attribute_bit(word, &bit))
			ret->attributes |= bit;
		else if (word.ptr[0] == '\\')
			uses = imap_keywords_add(arena, uses, word);
		if (!uses.ptr)
			return false;
	}
	ret->special_use = uses;
	return true;
}

static bool list_separator(struct imap_cursor *c, struct arena *arena, char *ret)
{
	struct str text;

	if (!imap_nstring(c, arena, &text) || text.len > 1)
		return false;
	*ret = '\0';
	if (text.len)
		*ret = text.ptr[0];
	return true;
}

/* Extended data may follow (RFC 5258: " (...)"). Old servers send names unquoted that
   need quotes: then all up to the line's end. */
static bool list_name(struct imap_cursor *c, struct arena *arena, struct str *ret)
{
	struct imap_cursor at = *c;

	if (imap_list_mailbox(&at, arena, ret) &&
		(imap_end(&at) || str_starts(at.rest, STR_LIT(" ("))))
		return true;
	*ret = str_trim(c->rest);
	return ret->len > 0 && ret->ptr[0] != '"' && ret->ptr[0] != '{';
}

bool imap_response_list(
	struct imap_cursor rest, struct arena *arena, struct imap_list *ret)
{
	struct imap_list list = { 0 };

	if (!list_attributes(&rest, arena, &list) || !imap_space(&rest) ||
		!list_separator(&rest, arena, &list.separator) || !imap_space(&rest) ||
		!list_name(&rest, arena, &list.name))
		return false;
	*ret = list;
	return true;
}

/* ---- FETCH ---- */

/* "UID", "BODY[HEADER.FIELDS (DATE)]<0>": up to the space behind the section. */
static bool fetch_key(struct imap_cursor *c, struct str *ret)
{
	size_t n = 0;
	bool inside = false;

	while (n < c->rest.len && (inside || c->rest.ptr[n] != ' ')) {
		char ch = c->rest.ptr[n++];

		if (ch == '\r' || ch == '\n' || (ch == ')' && !inside))
			return false;
		inside = ch == '[' || (inside && ch != ']');
	}
	*ret = str_take(c->rest, n);
	c->rest = str_skip(c->rest, n);
	return n > 0 && imap_space(c);
}

typedef bool fetch_value_fn(
	struct imap_cursor *c, struct arena *arena, struct imap_fetched *f);

static bool fetch_uid(struct imap_cursor *c, struct arena *arena, struct imap_fetched *f)
{
	(void)arena;
	return imap_number(c, &f->uid);
}

static bool fetch_flags(
	struct imap_cursor *c, struct arena *arena, struct imap_fetched *f)
{
	return imap_flags(c, arena, &f->flags, &f->keywords);
}

static bool fetch_date(struct imap_cursor *c, struct arena *arena, struct imap_fetched *f)
{
	struct str text;

	if (!imap_nstring(c, arena, &text))
		return false;
	f->date_is_odd = !imap_date_time(text, &f->date);
	if (f->date_is_odd)
		f->date = (struct imap_date){ 0 };
	return true;
}

static bool fetch_size(struct imap_cursor *c, struct arena *arena, struct imap_fetched *f)
{
	(void)arena;
	return imap_number64(c, &f->size);
}

static bool fetch_modseq(
	struct imap_cursor *c, struct arena *arena, struct imap_fetched *f)
{
	(void)arena;
	return imap_char(c, '(') && imap_number64(c, &f->modseq) && imap_char(c, ')');
}

static bool fetch_body(struct imap_cursor *c, struct arena *arena, struct imap_fetched *f)
{
	return imap_nstring(c, arena, &f->body);
}

static const struct fetch_row {
	struct str key;
	enum imap_fetched_item item;
	fetch_value_fn *value;
} fetch_rows[] = {
	{ STR("UID"), IMAP_FETCHED_UID, fetch_uid },
	{ STR("FLAGS"), IMAP_FETCHED_FLAGS, fetch_flags },
	{ STR("INTERNALDATE"), IMAP_FETCHED_DATE, fetch_date },
	{ STR("RFC822.SIZE"), IMAP_FETCHED_SIZE, fetch_size },
	{ STR("BODY[]"), IMAP_FETCHED_BODY, fetch_body },
	{ STR("RFC822"), IMAP_FETCHED_BODY, fetch_body },
	{ STR("MODSEQ"), IMAP_FETCHED_MODSEQ, fetch_modseq },
};

static const struct fetch_row *fetch_row(struct str key)
{
	for (size_t i = 0; i < sizeof(fetch_rows) / sizeof(fetch_rows[0]); i++)
		if (str_ieq(key, fetch_rows[i].key))
			return &fetch_rows[i];
	return NULL;
}

/* The line ends in a literal's announcement: its bytes are not here. */
static bool is_streamed(const struct imap_cursor *c)
{
	struct str line = str_trim(c->rest), before;
	struct imap_literal literal;

	return (imap_peek(c) == '{' || imap_peek(c) == '~') &&
	       str_index(c->rest, '\n') + 1 == c->rest.len &&
	       imap_literal_announced(line, &literal, &before) == IMAP_FRAME_LITERAL &&
	       literal.size > 0;
}

static enum imap_fetch_end fetch_item(
	struct imap_cursor *c, struct arena *arena, struct imap_fetched *f)
{
	const struct fetch_row *row;
	struct str key;

	if (!fetch_key(c, &key))
		return IMAP_FETCH_IS_BAD;
	row = fetch_row(key);
	if (is_streamed(c)) {
		bool is_body = row && row->item == IMAP_FETCHED_BODY;

		f->has |= is_body ? IMAP_FETCHED_BODY : 0u;
		return is_body ? IMAP_FETCH_IS_IN_BODY : IMAP_FETCH_IS_IN_LITERAL;
	}
	if (row ? !row->value(c, arena, f) : !imap_skip_value(c))
		return IMAP_FETCH_IS_BAD;
	f->has |= row ? (unsigned)row->item : 0u;
	return IMAP_FETCH_IS_COMPLETE;
}

enum imap_fetch_end imap_response_fetch(
	struct imap_cursor *rest, struct arena *arena, struct imap_fetched *f)
{
	enum imap_fetch_end end = IMAP_FETCH_IS_COMPLETE;

	(void)imap_char(rest, '(');
	while (end == IMAP_FETCH_IS_COMPLETE) {
		while (imap_space(rest))
			;
		if (imap_char(rest, ')'))
			return IMAP_FETCH_IS_COMPLETE;
		end = fetch_item(rest, arena, f);
	}
	return end;
}
