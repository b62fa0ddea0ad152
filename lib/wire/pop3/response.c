/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/pop3/response.h"

#include "wire/line.h"

static const char *const state_names[] = {
	[POP3_READER_FIRST_LINE] = "first line",
	[POP3_READER_LINES] = "lines",
	[POP3_READER_BYTES] = "bytes",
	[POP3_READER_BROKEN] = "broken",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == POP3_READER_STATE_COUNT,
	"a name for each state");

const char *pop3_reader_state_name(enum pop3_reader_state s)
{
	return (unsigned)s < POP3_READER_STATE_COUNT ? state_names[s] : "unknown";
}

static bool is_word(struct str line, struct str word)
{
	return str_istarts(line, word) &&
	       (line.len == word.len || line.ptr[word.len] == ' ' ||
		       line.ptr[word.len] == '\t');
}

enum pop3_status pop3_status(struct str line)
{
	if (is_word(line, STR_LIT("+OK")))
		return POP3_STATUS_OK;
	if (is_word(line, STR_LIT("-ERR")))
		return POP3_STATUS_ERR;
	if (is_word(line, STR_LIT("+")))
		return POP3_STATUS_CONTINUE;
	return POP3_STATUS_NONE;
}

static struct str text_of(struct str line)
{
	return str_trim(str_skip(line, str_index(line, ' ')));
}

bool pop3_response_code(struct str line, struct str *ret_code)
{
	struct str text = text_of(line);
	size_t close = str_index(text, ']');

	if (!text.len || text.ptr[0] != '[' || close == text.len || close == 1)
		return false;
	*ret_code = str_of(text.ptr + 1, close - 1);
	return true;
}

/* qpopper, UW ipop3d, popa3d, teapop. An account that is locked is another matter. */
static const struct str in_use_words[] = { STR(" lock"), STR("in use"), STR("busy"),
	STR("already open"), STR("another session") };

bool pop3_is_in_use(struct str line)
{
	struct str code;

	if (pop3_status(line) != POP3_STATUS_ERR)
		return false;
	if (pop3_response_code(line, &code))
		return str_ieq(code, STR_LIT("IN-USE"));
	for (size_t i = 0; i < sizeof(in_use_words) / sizeof(in_use_words[0]); i++)
		if (str_ihas(line, in_use_words[i]))
			return !str_ihas(line, STR_LIT("account"));
	return false;
}

bool pop3_refused_for_now(struct str line)
{
	struct str code;

	if (pop3_status(line) != POP3_STATUS_ERR)
		return false;
	if (pop3_response_code(line, &code) && (str_ieq(code, STR_LIT("LOGIN-DELAY")) ||
						       str_istarts(code, STR_LIT("SYS"))))
		return true;
	return pop3_is_in_use(line);
}

void pop3_reader_expect(struct pop3_reader *r, enum pop3_expect expect)
{
	*r = (struct pop3_reader){ .state = POP3_READER_FIRST_LINE, .expect = expect };
	undot_init(&r->undot);
}

static enum pop3_read broken(struct pop3_reader *r)
{
	r->state = POP3_READER_BROKEN;
	return POP3_READ_BROKEN;
}

static enum pop3_read first_line(struct pop3_reader *r, struct str line)
{
	enum pop3_status status = pop3_status(line);

	if (status == POP3_STATUS_ERR)
		return POP3_READ_ERR;
	if (status != POP3_STATUS_OK)
		return broken(r);
	if (r->expect == POP3_EXPECT_LINES)
		r->state = POP3_READER_LINES;
	if (r->expect == POP3_EXPECT_BYTES)
		r->state = POP3_READER_BYTES;
	return POP3_READ_OK;
}

static enum pop3_read one_line(struct pop3_reader *r, struct str line, struct str *bytes)
{
	if (r->state == POP3_READER_FIRST_LINE)
		return first_line(r, line);
	if (!line.len || line.ptr[0] != '.')
		return POP3_READ_BYTES;
	if (line.len == 1) {
		r->state = POP3_READER_FIRST_LINE;
		return POP3_READ_END;
	}
	*bytes = str_skip(line, 1);
	return POP3_READ_BYTES;
}

static enum pop3_read message_bytes(
	struct pop3_reader *r, struct str input, struct str *ret_bytes, size_t *ret_used)
{
	switch (undot_next(&r->undot, input, ret_bytes, ret_used)) {
	case UNDOT_NEED_MORE:
		return POP3_READ_NEED_MORE;
	case UNDOT_BYTES:
		return POP3_READ_BYTES;
	case UNDOT_END:
		break;
	}
	r->state = POP3_READER_FIRST_LINE;
	return POP3_READ_END;
}

enum pop3_read pop3_reader_next(
	struct pop3_reader *r, struct str input, struct str *ret_bytes, size_t *ret_used)
{
	*ret_used = 0;
	*ret_bytes = STR_LIT("");
	if (r->state == POP3_READER_BROKEN)
		return POP3_READ_BROKEN;
	if (r->state == POP3_READER_BYTES)
		return message_bytes(r, input, ret_bytes, ret_used);
	switch (line_next(input, POP3_RESPONSE_MAX, ret_bytes, ret_used)) {
	case LINE_NEED_MORE:
		return POP3_READ_NEED_MORE;
	case LINE_TOO_LONG:
		return broken(r);
	case LINE_COMPLETE:
		break;
	}
	return one_line(r, *ret_bytes, ret_bytes);
}

/* ---- lines ---- */

static struct str without_ok(struct str line)
{
	return pop3_status(line) == POP3_STATUS_OK ? text_of(line) : str_trim(line);
}

/* A word and the spaces behind it off the front: some servers align their columns. */
static struct str word(struct str *rest)
{
	struct str w = str_split(rest, ' ');

	while (rest->len && rest->ptr[0] == ' ')
		*rest = str_skip(*rest, 1);
	return w;
}

bool pop3_stat_parse(struct str line, uint32_t *ret_count, uint64_t *ret_octets)
{
	struct str rest = without_ok(line);
	uint32_t count;

	if (pop3_status(line) != POP3_STATUS_OK || !str_to_u32(word(&rest), &count) ||
		!str_to_u64(word(&rest), ret_octets))
		return false;
	*ret_count = count;
	return true;
}

bool pop3_list_parse(struct str line, uint32_t *ret_number, uint64_t *ret_octets)
{
	struct str rest = without_ok(line);
	uint32_t number;

	if (!str_to_u32(word(&rest), &number) || number == 0 ||
		!str_to_u64(word(&rest), ret_octets))
		return false;
	*ret_number = number;
	return true;
}

bool pop3_uidl_parse(struct str line, uint32_t *ret_number, struct str *ret_uidl)
{
	struct str rest = without_ok(line);
	uint32_t number;

	if (!str_to_u32(word(&rest), &number) || number == 0 || !rest.len)
		return false;
	*ret_number = number;
	*ret_uidl = rest;
	return true;
}
