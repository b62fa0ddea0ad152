/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/response.h"

#include "wire/imap/flags.h"

/* ---- blanks ---- */

/* Between two tokens servers send one, none, several, and tabs. */
static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t';
}

static bool is_one_of(char ch, struct str set)
{
	return str_index(set, ch) < set.len;
}

static void blanks(struct imap_cursor *c)
{
	while (c->rest.len && is_blank(c->rest.ptr[0]))
		c->rest = str_skip(c->rest, 1);
}

static struct str without_end(struct str line)
{
	while (line.len &&
		(is_blank(line.ptr[line.len - 1]) || line.ptr[line.len - 1] == '\r' ||
			line.ptr[line.len - 1] == '\n'))
		line.len--;
	return line;
}

static bool is_at_end(const struct imap_cursor *c)
{
	return without_end(c->rest).len == 0;
}

bool imap_response_is_blank(struct str part)
{
	return without_end(part).len == 0;
}

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
	(void)imap_number(c, &ret->number);
	blanks(c);
	if (!imap_atom(c, &ret->name))
		return false;
	blanks(c);
	ret->rest = *c;
	return true;
}

bool imap_response_parse(struct str line, struct imap_response *ret)
{
	struct imap_response r = { .tag = STR_LIT("") };
	struct imap_cursor c = imap_cursor(line);
	bool ok;

	r.code = r.code_value = r.text = r.name = r.tag;
	blanks(&c);
	if (imap_char(&c, '+')) {
		r.kind = IMAP_IS_CONTINUATION;
		r.text = str_trim(c.rest);
		ok = true;
	} else if (imap_char(&c, '*')) {
		blanks(&c);
		ok = status(&c, &r) || data(&c, &r);
	} else {
		ok = imap_tag(&c, &r.tag) && imap_space(&c);
		blanks(&c);
		ok = ok && status(&c, &r);
	}
	if (ok)
		*ret = r;
	return ok;
}

/* ---- flags ---- */

/* Bytes that a flag cannot have (RFC 3501, flag-keyword): our own answers are made of
   these words. A blank cannot occur: it ends one. */
static char flag_byte(char ch)
{
	bool is_odd = (unsigned char)ch <= ' ' || ch == 0x7f ||
	              is_one_of(ch, STR_LIT("(){%*\"\\]"));

	return is_odd ? '_' : ch;
}

static struct str flag_text(struct arena *arena, struct str word, bool is_system)
{
	char *text = arena_alloc(arena, word.len + 1);
	size_t n = 0;

	if (!text)
		return (struct str){ 0 };
	if (is_system)
		text[n++] = '\\';
	for (size_t i = 0; i < word.len; i++)
		text[n++] = flag_byte(word.ptr[i]);
	return str_of(text, n);
}

/* One word up to a blank or the list's end, quoted or not. */
static bool odd_flag(struct imap_cursor *c, struct arena *arena, struct str *ret)
{
	struct str word;
	size_t n = 0;
	bool is_system;

	if (!imap_quoted(c, arena, &word)) {
		while (n < c->rest.len && !is_blank(c->rest.ptr[n]) &&
			!is_one_of(c->rest.ptr[n], STR_LIT(")\r\n")))
			n++;
		word = str_take(c->rest, n);
		c->rest = str_skip(c->rest, n);
		if (!n)
			return false;
	}
	is_system = word.len && word.ptr[0] == '\\';
	if (str_eq(word, STR_LIT("\\*"))) /* PERMANENTFLAGS */
		word = STR_LIT("");
	*ret = flag_text(arena, is_system ? str_skip(word, 1) : word, is_system);
	return ret->ptr != NULL;
}

/* What a server sent that the grammar forbids, as our own clients may see it. */
static bool odd_flags(struct imap_cursor *c, struct arena *arena, unsigned *ret_bits,
	struct str *ret_words)
{
	struct imap_cursor at = *c;
	struct str words = STR("");
	unsigned bits = 0;

	if (imap_keyword(&at, STR_LIT("NIL"))) {
		*c = at;
		*ret_bits = 0;
		*ret_words = words;
		return true;
	}
	if (!imap_char(&at, '('))
		return false;
	for (blanks(&at); !imap_char(&at, ')'); blanks(&at)) {
		struct imap_cursor one;
		struct str word, known;
		unsigned bit;

		if (!odd_flag(&at, arena, &word))
			return false;
		one = imap_cursor(word);
		if (imap_bare_flags(&one, arena, &bit, &known) && !one.rest.len) {
			bits |= bit;
			words = imap_keywords_add(arena, words, known);
		}
		if (!words.ptr)
			return false;
	}
	*c = at;
	*ret_bits = bits;
	*ret_words = words;
	return true;
}

static bool response_flags(struct imap_cursor *c, struct arena *arena, unsigned *ret_bits,
	struct str *ret_words)
{
	return imap_flags(c, arena, ret_bits, ret_words) ||
	       odd_flags(c, arena, ret_bits, ret_words);
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

	if (!response_flags(c, arena, &bits, &words))
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
   need quotes: then all up to the line's end, but for blanks there. */
static bool list_name(struct imap_cursor *c, struct arena *arena, struct str *ret)
{
	struct imap_cursor at = *c;

	if (imap_list_mailbox(&at, arena, ret)) {
		if (is_at_end(&at) || str_starts(at.rest, STR_LIT(" (")))
			return true;
	}
	*ret = without_end(c->rest);
	return ret->len > 0 && ret->ptr[0] != '"' && ret->ptr[0] != '{';
}

bool imap_response_list(
	struct imap_cursor rest, struct arena *arena, struct imap_list *ret)
{
	struct imap_list list = { 0 };

	if (!list_attributes(&rest, arena, &list))
		return false;
	blanks(&rest);
	if (!list_separator(&rest, arena, &list.separator))
		return false;
	blanks(&rest);
	if (!list_name(&rest, arena, &list.name))
		return false;
	*ret = list;
	return true;
}

/* ---- FETCH ---- */

/* Behind the name: "[HEADER.FIELDS (DATE)]<0>", or nothing. */
static size_t section_length(struct str s)
{
	size_t n = str_index(s, ']');

	if (!s.len || s.ptr[0] != '[' || n == s.len)
		return 0;
	n++;
	if (n < s.len && s.ptr[n] == '<' && str_index(s, '>') < s.len)
		n = str_index(s, '>') + 1;
	return n;
}

/* "UID", "BODY[]": the blank behind it may be missing. */
static bool fetch_key(struct imap_cursor *c, struct str *ret)
{
	size_t n = 0;

	while (n < c->rest.len && !is_blank(c->rest.ptr[n]) &&
		!is_one_of(c->rest.ptr[n], STR_LIT("()[]{}\"\r\n")))
		n++;
	if (!n)
		return false;
	n += section_length(str_skip(c->rest, n));
	*ret = str_take(c->rest, n);
	c->rest = str_skip(c->rest, n);
	blanks(c);
	return true;
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
	return response_flags(c, arena, &f->flags, &f->keywords);
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
	struct str text;

	if (imap_number64(c, &f->size))
		return true;
	return imap_quoted(c, arena, &text) && str_to_u64(text, &f->size);
}

static bool fetch_modseq(
	struct imap_cursor *c, struct arena *arena, struct imap_fetched *f)
{
	(void)arena;
	return imap_char(c, '(') && imap_number64(c, &f->modseq) && imap_char(c, ')');
}

static bool fetch_body(struct imap_cursor *c, struct arena *arena, struct imap_fetched *f)
{
	/* NIL is none */
	return imap_nstring(c, arena, &f->body) && f->body.ptr;
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

/* A value that is none (a size of NIL or -1) is as good as not there. */
static bool is_read(const struct fetch_row *row, struct imap_cursor *c,
	struct arena *arena, struct imap_fetched *f)
{
	struct imap_cursor at = *c;

	if (!row->value(&at, arena, f))
		return false;
	*c = at;
	return true;
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
	if (row && is_read(row, c, arena, f))
		f->has |= (unsigned)row->item;
	else if (!imap_skip_value(c))
		return IMAP_FETCH_IS_BAD;
	return IMAP_FETCH_IS_COMPLETE;
}

enum imap_fetch_end imap_response_fetch(
	struct imap_cursor *rest, struct arena *arena, struct imap_fetched *f)
{
	enum imap_fetch_end end = IMAP_FETCH_IS_COMPLETE;

	if (!f->is_begun)
		(void)imap_char(rest, '(');
	f->is_begun = true;
	while (end == IMAP_FETCH_IS_COMPLETE) {
		blanks(rest);
		if (imap_char(rest, ')'))
			return IMAP_FETCH_IS_COMPLETE;
		if (is_at_end(rest))
			return IMAP_FETCH_IS_OPEN;
		end = fetch_item(rest, arena, f);
	}
	return end;
}
