/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/maildir/record.h"

#include "mailstore/store/export.h"

#include <errno.h>
#include <string.h>

#define HEAD 5 /* kind and length */

/* ---- names ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits, at least one, cut off. */
static bool take_number(struct str *s)
{
	size_t n = 0;

	while (n < s->len && is_digit(s->ptr[n]))
		n++;
	*s = str_skip(*s, n);
	return n > 0;
}

static bool take_word(struct str *s, struct str word)
{
	if (!str_starts(*s, word))
		return false;
	*s = str_skip(*s, word.len);
	return true;
}

/* ",Z=-300", or none. */
static bool take_zone(struct str *s)
{
	if (!take_word(s, STR_LIT(",Z=")))
		return true;
	(void)take_word(s, STR_LIT("-"));
	return take_number(s);
}

static bool is_flags(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!((s.ptr[i] >= 'A' && s.ptr[i] <= 'Z') ||
			    (s.ptr[i] >= 'a' && s.ptr[i] <= 'z')))
			return false;
	return true;
}

bool maildir_file_is_ours(struct str name)
{
	bool is_new = str_starts(name, STR_LIT("new/"));

	if (name.len > MAILDIR_NAME_MAX ||
		(!is_new && !str_starts(name, STR_LIT("cur/"))))
		return false;
	name = str_skip(name, 4);
	if (!take_number(&name) || !take_word(&name, STR_LIT(".M")) ||
		!take_number(&name) || !take_word(&name, STR_LIT("P")) ||
		!take_number(&name) || !take_word(&name, STR_LIT(MAILDIR_WORD)) ||
		!take_number(&name) || !take_zone(&name))
		return false;
	if (is_new)
		return !name.len;
	return take_word(&name, STR_LIT(":2,")) && is_flags(name);
}

size_t maildir_file_base(struct str name)
{
	return str_index(name, ':');
}

bool maildir_folder_is_valid(struct str name)
{
	if (str_eq(name, STR_LIT(".")))
		return true;
	if (name.len < 2 || name.len > MAILDIR_NAME_MAX || name.ptr[0] != '.')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] < ' ' || name.ptr[i] == '/' ||
			(i && name.ptr[i] == '.' && name.ptr[i - 1] == '.'))
			return false;
	return name.ptr[name.len - 1] != '.';
}

/* ---- what each kind has ---- */

enum shape {
	SHAPE_NONE,
	SHAPE_FOLDER,  /* its name */
	SHAPE_NAME,    /* of a file */
	SHAPE_TWO,     /* two of them, a NUL between */
	SHAPE_MESSAGE, /* length and date, 8 bytes each; the name */
	SHAPE_FILE,    /* a byte; the length */
	SHAPE_BYTES,
	SHAPE_DIGEST,
	SHAPE_FAILED, /* four bytes; the text */
};

static const enum shape shapes[RECORD_KINDS] = {
	[RECORD_FOLDER] = SHAPE_FOLDER,
	[RECORD_MESSAGE] = SHAPE_MESSAGE,
	[RECORD_FILE] = SHAPE_FILE,
	[RECORD_BYTES] = SHAPE_BYTES,
	[RECORD_END] = SHAPE_DIGEST,
	[RECORD_RENAME] = SHAPE_TWO,
	[RECORD_REMOVE] = SHAPE_NAME,
	[RECORD_DROP] = SHAPE_FOLDER,
	[RECORD_IS_FOLDER] = SHAPE_FOLDER,
	[RECORD_HAS] = SHAPE_NAME,
	[RECORD_FAILED] = SHAPE_FAILED,
};

/* ---- numbers ---- */

static uint64_t number(const char *at, size_t bytes)
{
	uint64_t n = 0;

	for (size_t i = bytes; i > 0; i--)
		n = n << 8 | (unsigned char)at[i - 1];
	return n;
}

static int put_number(struct buf *out, uint64_t n, size_t bytes)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < bytes; i++, n >>= 8)
		r = buf_byte(out, (char)(n & 0xff));
	return r;
}

/* ---- reading ---- */

static bool read_two(struct str body, struct maildir_record *r)
{
	r->name = str_split(&body, '\0');
	r->other = body;
	return maildir_file_is_ours(r->name) && maildir_file_is_ours(r->other);
}

static bool read_message(struct str body, struct maildir_record *r)
{
	if (body.len < 16)
		return false;
	r->len = number(body.ptr, 8);
	r->date = (int64_t)number(body.ptr + 8, 8);
	r->name = str_skip(body, 16);
	return r->len <= INT64_MAX && maildir_file_is_ours(r->name);
}

static bool read_file(struct str body, struct maildir_record *r)
{
	if (body.len != 9)
		return false;
	r->file = (unsigned char)body.ptr[0];
	r->len = number(body.ptr + 1, 8);
	return r->file < EXPORT_FILES && r->len <= INT64_MAX;
}

static bool read_failed(struct str body, struct maildir_record *r)
{
	if (body.len < 4)
		return false;
	r->code = -(int)(number(body.ptr, 4) & 0xfff); /* no errno is larger */
	r->bytes = str_skip(body, 4);
	return r->code < 0;
}

static bool read_body(struct str body, struct maildir_record *r)
{
	switch (shapes[r->kind]) {
	case SHAPE_NONE:
		return !body.len;
	case SHAPE_FOLDER:
		r->name = body;
		return maildir_folder_is_valid(body);
	case SHAPE_NAME:
		r->name = body;
		return maildir_file_is_ours(body);
	case SHAPE_TWO:
		return read_two(body, r);
	case SHAPE_MESSAGE:
		return read_message(body, r);
	case SHAPE_FILE:
		return read_file(body, r);
	case SHAPE_BYTES:
		r->bytes = body;
		return body.len > 0;
	case SHAPE_DIGEST:
		r->bytes = body;
		return body.len == MAILDIR_DIGEST_SIZE;
	case SHAPE_FAILED:
		return read_failed(body, r);
	}
	return false;
}

enum maildir_record_result maildir_record_read(
	struct str *bytes, struct maildir_record *ret)
{
	struct maildir_record r = { .name = STR_LIT("") };
	unsigned char kind;
	uint64_t len;

	if (!bytes->len)
		return MAILDIR_NEED_MORE;
	kind = (unsigned char)bytes->ptr[0];
	if (kind < RECORD_FOLDER || kind >= RECORD_KINDS)
		return MAILDIR_BAD;
	if (bytes->len < HEAD)
		return MAILDIR_NEED_MORE;
	len = number(bytes->ptr + 1, 4);
	if (len > MAILDIR_RECORD_MAX)
		return MAILDIR_BAD;
	if (bytes->len < HEAD + len)
		return MAILDIR_NEED_MORE;
	r.kind = (enum maildir_record_kind)kind;
	if (!read_body(str_of(bytes->ptr + HEAD, (size_t)len), &r))
		return MAILDIR_BAD;
	*bytes = str_skip(*bytes, HEAD + (size_t)len);
	*ret = r;
	return MAILDIR_OK;
}

/* ---- writing ---- */

static int put_body(struct buf *out, const struct maildir_record *r)
{
	int code = 0;

	switch (shapes[r->kind]) {
	case SHAPE_NONE:
		break;
	case SHAPE_FOLDER:
	case SHAPE_NAME:
		code = buf_append(out, r->name);
		break;
	case SHAPE_TWO:
		code = buf_append(out, r->name);
		code = code ? code : buf_byte(out, '\0');
		code = code ? code : buf_append(out, r->other);
		break;
	case SHAPE_MESSAGE:
		code = put_number(out, r->len, 8);
		code = code ? code : put_number(out, (uint64_t)r->date, 8);
		code = code ? code : buf_append(out, r->name);
		break;
	case SHAPE_FILE:
		code = put_number(out, r->file, 1);
		code = code ? code : put_number(out, r->len, 8);
		break;
	case SHAPE_BYTES:
	case SHAPE_DIGEST:
		code = buf_append(out, r->bytes);
		break;
	case SHAPE_FAILED:
		code = put_number(out, (uint64_t) - (int64_t)r->code, 4);
		code = code ? code : buf_append(out, r->bytes);
		break;
	}
	return code;
}

/* Read again: whoever writes what the other end refuses hears it here. */
int maildir_record_put(struct buf *out, const struct maildir_record *r)
{
	struct maildir_record same;
	struct str bytes;
	struct buf body;
	int code;

	buf_init(&body, 0);
	code = put_body(&body, r);
	bytes = buf_view(&body);
	if (code == 0) {
		same.kind = r->kind;
		if (bytes.len > MAILDIR_RECORD_MAX || !read_body(bytes, &same))
			code = -EINVAL;
	}
	if (code == 0)
		code = buf_byte(out, (char)r->kind);
	if (code == 0)
		code = put_number(out, bytes.len, 4);
	if (code == 0)
		code = buf_append(out, bytes);
	buf_fini(&body);
	return code;
}
