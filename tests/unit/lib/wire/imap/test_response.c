/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a server sends, as text: "[…]" a complete response or its rest, "<…>" the
 * beginning of one whose literal is streamed, "+5000" its bytes, "T" too long, "B" bad.
 * The same must come out whether the bytes arrive at once or one by one. In the input,
 * '@' stands for 5000 bytes: more than is kept.
 */
#include "wire/imap/response.h"

#include "lib/wire/wire_test.h"
#include "wire/imap/flags.h"

#define BIG 5000

static const struct frame_row {
	const char *name;
	struct str input, trace;
} frame_rows[] = {
	{ "nothing", STR(""), STR("") },
	{ "half a line", STR("* OK hel"), STR("") },
	{ "greeting", STR("* OK hello\r\n"), STR("[* OK hello]") },
	{ "bare LF", STR("* OK\na OK\n"), STR("[* OK][a OK]") },
	{ "small literal is kept", STR("* LIST () \"/\" {5}\r\na\r\nbc\r\n* X\r\n"),
		STR("[* LIST () \"/\" {5}|a|bc][* X]") },
	{ "empty literal", STR("* 1 FETCH (BODY[] {0}\r\n UID 7)\r\n"),
		STR("[* 1 FETCH (BODY[] {0}| UID 7)]") },
	{ "big literal is streamed",
		STR("* 1 FETCH (UID 7 BODY[] {5000}\r\n@ FLAGS ())\r\na OK\r\n"),
		STR("<* 1 FETCH (UID 7 BODY[] {5000}>+5000[ FLAGS ())][a OK]") },
	{ "two big ones", STR("* 1 FETCH (A {5000}\r\n@ B {5000}\r\n@)\r\n"),
		STR("<* 1 FETCH (A {5000}>+5000< B {5000}>+5000[)]") },
	{ "big, then small", STR("* 1 FETCH (A {5000}\r\n@ B {2}\r\n\r\n)\r\n"),
		STR("<* 1 FETCH (A {5000}>+5000[ B {2}||)]") },
	{ "literal8", STR("* 1 FETCH (BINARY[] ~{5000}\r\n@)\r\n"),
		STR("<* 1 FETCH (BINARY[] ~{5000}>+5000[)]") },
	{ "text that looks like one", STR("* OK see {5000}\r\n* 1 EXISTS\r\n"),
		STR("[* OK see {5000}][* 1 EXISTS]") },
	{ "tagged text that looks like one", STR("a NO no {3}\r\n* X\r\n"),
		STR("[a NO no {3}][* X]") },
	{ "continuation that looks like one", STR("+ go {3}\r\n* X\r\n"),
		STR("[+ go {3}][* X]") },
	{ "size beyond 63 bits", STR("* 1 FETCH (B {9223372036854775808}\r\n"),
		STR("B") },
	{ "size of 63 bits", STR("* 1 FETCH (B {9223372036854775807}\r\n@"),
		STR("<* 1 FETCH (B {9223372036854775807}>+5000") },
};

static struct str expand(struct str input, struct buf *out)
{
	char big[BIG];

	memset(big, 'x', sizeof(big));
	for (size_t i = 0; i < input.len; i++)
		assert_int_equal(0, input.ptr[i] == '@'
					    ? buf_append(out, str_of(big, sizeof(big)))
					    : buf_byte(out, input.ptr[i]));
	return buf_view(out);
}

/* CRLF inside is shown as '|', so that a row stays readable. */
static void put_part(struct buf *trace, char open, struct str part, char close)
{
	part = str_trim(part).len ? part : STR_LIT("");
	while (part.len &&
		(part.ptr[part.len - 1] == '\n' || part.ptr[part.len - 1] == '\r'))
		part.len--;
	(void)buf_byte(trace, open);
	for (size_t i = 0; i < part.len; i++)
		if (part.ptr[i] == '\n')
			(void)buf_byte(trace, '|');
		else if (part.ptr[i] != '\r')
			(void)buf_byte(trace, part.ptr[i]);
	(void)buf_byte(trace, close);
}

struct run {
	struct imap_response_reader reader;
	struct buf trace;
	uint64_t bytes; /* of the literal so far */
};

static void end_bytes(struct run *r)
{
	if (r->bytes)
		(void)buf_printf(&r->trace, "+%llu", (unsigned long long)r->bytes);
	r->bytes = 0;
}

/* Returns how many bytes of input were taken, or SIZE_MAX at the end. */
static size_t feed(struct run *r, struct str input)
{
	size_t used, total = 0;
	struct str part;

	for (;; total += used) {
		enum imap_response_event is = imap_response_next(
			&r->reader, str_skip(input, total), &part, &used);

		if (is != IMAP_RESPONSE_BYTES && is != IMAP_RESPONSE_NEED_MORE)
			end_bytes(r);
		switch (is) {
		case IMAP_RESPONSE_NEED_MORE:
			return total;
		case IMAP_RESPONSE_COMPLETE:
			put_part(&r->trace, '[', part, ']');
			break;
		case IMAP_RESPONSE_LITERAL:
			put_part(&r->trace, '<', part, '>');
			break;
		case IMAP_RESPONSE_BYTES:
			r->bytes += part.len;
			break;
		case IMAP_RESPONSE_TOO_LONG:
			(void)buf_byte(&r->trace, 'T');
			return SIZE_MAX;
		case IMAP_RESPONSE_BAD:
			(void)buf_byte(&r->trace, 'B');
			return SIZE_MAX;
		}
	}
}

static void trace(struct run *r, struct str input, size_t step)
{
	size_t start = 0;

	imap_response_init(&r->reader);
	buf_init(&r->trace, 0);
	r->bytes = 0;
	for (size_t end = step; start < input.len; end += step) {
		struct str piece;
		size_t used;

		end = end < input.len ? end : input.len;
		piece = exact_copy(str_of(input.ptr + start, end - start));
		used = feed(r, piece);
		exact_free(piece);
		if (used == SIZE_MAX)
			return;
		start += used;
		if (end == input.len)
			break;
	}
	end_bytes(r);
}

static void frames(void **state)
{
	static const size_t steps[] = { SIZE_MAX / 2, 1, 2, 3, 7, 4999 };

	(void)state;
	for (size_t i = 0; i < N_ROWS(frame_rows); i++) {
		for (size_t s = 0; s < N_ROWS(steps); s++) {
			struct buf input;
			struct run r;

			buf_init(&input, 0);
			trace(&r, expand(frame_rows[i].input, &input), steps[s]);
			SAME(frame_rows[i].name, buf_view(&r.trace), frame_rows[i].trace);
			buf_fini(&r.trace);
			buf_fini(&input);
		}
	}
}

/* A megabyte without an end is refused, and not collected. */
static void a_line_has_an_end(void **state)
{
	struct imap_response_reader reader;
	struct str part;
	size_t used, len = IMAP_SERVER_LINE_MAX + 1;
	char *line = malloc(len);

	(void)state;
	assert_non_null(line);
	memset(line, 'x', len);
	imap_response_init(&reader);
	assert_int_equal(imap_response_next(&reader, str_of(line, len - 2), &part, &used),
		IMAP_RESPONSE_NEED_MORE);
	assert_int_equal(imap_response_next(&reader, str_of(line, len), &part, &used),
		IMAP_RESPONSE_TOO_LONG);
	free(line);
}

/* ---- what a response says ---- */

static const struct parse_row {
	const char *name;
	struct str line, says;
} parse_rows[] = {
	{ "greeting", STR("* OK [CAPABILITY IMAP4rev1 ID] Hi {5}\r\n"),
		STR("OK tag= code=CAPABILITY(IMAP4rev1 ID) text=Hi {5}") },
	{ "tagged", STR("m12 NO [LIMIT] Too many\r\n"),
		STR("NO tag=m12 code=LIMIT() text=Too many") },
	{ "case", STR("m1 ok done\r\n"), STR("OK tag=m1 code=() text=done") },
	{ "no text", STR("m1 OK\r\n"), STR("OK tag=m1 code=() text=") },
	{ "code alone", STR("* OK [UIDNEXT 5]\r\n"),
		STR("OK tag= code=UIDNEXT(5) text=") },
	{ "open bracket", STR("* BAD [what\r\n"), STR("BAD tag= code=() text=[what") },
	{ "bye", STR("* BYE\r\n"), STR("BYE tag= code=() text=") },
	{ "preauth", STR("* PREAUTH x\r\n"), STR("PREAUTH tag= code=() text=x") },
	{ "number", STR("* 23 EXISTS\r\n"), STR("data 23 EXISTS: ") },
	{ "data", STR("* FLAGS (\\Seen)\r\n"), STR("data 0 FLAGS: (\\Seen)") },
	{ "fetch", STR("* 4294967295 FETCH (UID 1)\r\n"),
		STR("data 4294967295 FETCH: (UID 1)") },
	{ "continuation", STR("+ cGxhaW4=\r\n"), STR("+ cGxhaW4=") },
	{ "bare plus", STR("+\r\n"), STR("+ ") },
	{ "no space", STR("*OK\r\n"), STR("OK tag= code=() text=") },
	{ "two spaces", STR("*  3  EXISTS\r\n"), STR("data 3 EXISTS: ") },
	{ "tabs", STR("*\t3\tFETCH\t(UID 1)\r\n"), STR("data 3 FETCH: (UID 1)") },
	{ "no spaces", STR("*3FETCH(UID 1)\r\n"), STR("data 3 FETCH: (UID 1)") },
	{ "spaces behind the tag", STR("m1  OK  done\r\n"),
		STR("OK tag=m1 code=() text=done") },
	{ "space before the star", STR(" * 3 EXISTS\r\n"), STR("data 3 EXISTS: ") },
	{ "number and nothing", STR("* 23\r\n"), STR("no") },
	{ "unknown word", STR("m1 MAYBE\r\n"), STR("no") },
	{ "empty", STR("\r\n"), STR("no") },
};

static void put_status(const struct imap_response *is, struct buf *out)
{
	static const char *const names[] = { "OK", "NO", "BAD", "PREAUTH", "BYE" };

	(void)buf_printf(out, "%s tag=%.*s code=%.*s(%.*s) text=%.*s", names[is->status],
		STR_ARG(is->tag), STR_ARG(is->code), STR_ARG(is->code_value),
		STR_ARG(is->text));
}

static void says(struct str line, struct buf *out)
{
	struct imap_response is;

	if (!imap_response_parse(line, &is))
		(void)buf_append_c(out, "no");
	else if (is.kind == IMAP_IS_CONTINUATION)
		(void)buf_printf(out, "+ %.*s", STR_ARG(is.text));
	else if (is.kind == IMAP_IS_STATUS)
		put_status(&is, out);
	else
		(void)buf_printf(out, "data %u %.*s: %.*s", is.number, STR_ARG(is.name),
			STR_ARG(str_trim(is.rest.rest)));
}

static void parsing(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(parse_rows); i++) {
		struct str line = exact_copy(parse_rows[i].line);
		struct buf out;

		buf_init(&out, 0);
		says(line, &out);
		SAME(parse_rows[i].name, buf_view(&out), parse_rows[i].says);
		buf_fini(&out);
		exact_free(line);
	}
}

static const struct list_row {
	const char *name;
	struct str line, says;
} list_rows[] = {
	{ "usual", STR("(\\HasNoChildren) \"/\" INBOX\r\n"), STR("0 '/' INBOX use=") },
	{ "quoted", STR("() \".\" \"a \\\"b\\\\\"\r\n"), STR("0 '.' a \"b\\ use=") },
	{ "literal", STR("() \"/\" {3}\r\na\"b\r\n"), STR("0 '/' a\"b use=") },
	{ "no separator", STR("(\\Noselect) NIL flat\r\n"), STR("1 '-' flat use=") },
	{ "backslash", STR("() \"\\\\\" x\r\n"), STR("0 '\\' x use=") },
	{ "special use", STR("(\\HasNoChildren \\Sent) \"/\" Sent\r\n"),
		STR("0 '/' Sent use=\\Sent") },
	{ "two, and one named like a flag",
		STR("(\\Important \\Flagged) \"/\" Starred\r\n"),
		STR("0 '/' Starred use=\\Flagged \\Important") },
	{ "attributes", STR("(\\NonExistent \\NoInferiors \\Subscribed) \"/\" x\r\n"),
		STR("14 '/' x use=") },
	{ "extended data", STR("() \"/\" x (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"),
		STR("0 '/' x use=") },
	{ "unquoted spaces", STR("() \"/\" two words\r\n"), STR("0 '/' two words use=") },
	{ "8-bit", STR("() \"/\" \"Entw\xc3\xbcrfe\"\r\n"),
		STR("0 '/' Entw\xc3\xbcrfe use=") },
	{ "unknown keyword", STR("(what) \"/\" x\r\n"), STR("0 '/' x use=") },
	{ "blank at the end", STR("(\\HasNoChildren) \"/\" Reports \r\n"),
		STR("0 '/' Reports use=") },
	{ "tab at the end", STR("() \"/\" Reports\t\r\n"), STR("0 '/' Reports use=") },
	{ "unquoted words, blank at the end", STR("() \"/\" two words \r\n"),
		STR("0 '/' two words use=") },
	{ "quoted, blank at the end", STR("() \"/\" \"Reports \" \r\n"),
		STR("0 '/' Reports  use=") },
	{ "missing and doubled blanks", STR("()\"/\"  x\r\n"), STR("0 '/' x use=") },
	{ "blanks in the attributes", STR("( \\Noselect  ) \"/\" x\r\n"),
		STR("1 '/' x use=") },
	{ "no name", STR("() \"/\" \r\n"), STR("no") },
	{ "no list", STR("\"/\" x\r\n"), STR("no") },
	{ "long separator", STR("() \"//\" x\r\n"), STR("no") },
	{ "open quote", STR("() \"/\" \"x\r\n"), STR("no") },
};

static void lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(list_rows); i++) {
		struct str line = exact_copy(list_rows[i].line);
		struct imap_list list;
		struct arena arena;
		struct buf out;

		arena_init(&arena);
		buf_init(&out, 0);
		if (!imap_response_list(imap_cursor(line), &arena, &list))
			(void)buf_append_c(&out, "no");
		else
			(void)buf_printf(&out, "%u '%c' %.*s use=%.*s", list.attributes,
				list.separator ? list.separator : '-', STR_ARG(list.name),
				STR_ARG(list.special_use));
		SAME(list_rows[i].name, buf_view(&out), list_rows[i].says);
		buf_fini(&out);
		arena_fini(&arena);
		exact_free(line);
	}
}

/* "…>" : the line ends in a streamed literal, and the rest follows in `rest`. */
static const struct fetch_row {
	const char *name;
	struct str line, rest, says;
} fetch_rows[] = {
	{ "a row",
		STR("(UID 7 FLAGS (\\Seen b a) INTERNALDATE \" 1-Jan-1970 00:00:01 "
		    "+0000\" "
		    "RFC822.SIZE 12)\r\n"),
		STR(""),
		STR("has=15 uid=7 flags=1 words=a b date=1+0 size=12 body= done") },
	{ "other order",
		STR("(RFC822.SIZE 12 FLAGS () UID 7 INTERNALDATE \"01-Jan-1970 01:00:01 "
		    "+0100\")\r\n"),
		STR(""),
		STR("has=15 uid=7 flags=0 words= date=1+60 size=12 body= done") },
	{ "kept body", STR("(UID 7 BODY[] {5}\r\na)\r\n( FLAGS ())\r\n"), STR(""),
		STR("has=19 uid=7 flags=0 words= date=0+0 size=0 body=a)\r\n( done") },
	{ "quoted body", STR("(BODY[] \"hi\" UID 7)\r\n"), STR(""),
		STR("has=17 uid=7 flags=0 words= date=0+0 size=0 body=hi done") },
	{ "no body", STR("(UID 7 BODY[] NIL)\r\n"), STR(""),
		STR("has=1 uid=7 flags=0 words= date=0+0 size=0 body= done") },
	{ "empty body", STR("(UID 7 BODY[] {0}\r\n)\r\n"), STR(""),
		STR("has=17 uid=7 flags=0 words= date=0+0 size=0 body= done") },
	{ "streamed body", STR("(UID 7 BODY[] {5000}\r\n"), STR(" RFC822.SIZE 9)\r\n"),
		STR("has=25 uid=7 flags=0 words= date=0+0 size=9 body= body done") },
	{ "UID behind it", STR("(BODY[] {5000}\r\n"), STR(" UID 8)\r\n"),
		STR("has=17 uid=8 flags=0 words= date=0+0 size=0 body= body done") },
	{ "another literal", STR("(UID 7 X-WHAT {5000}\r\n"), STR(" FLAGS ())\r\n"),
		STR("has=3 uid=7 flags=0 words= date=0+0 size=0 body= literal done") },
	{ "items we do not know",
		STR("(UID 7 ENVELOPE (NIL \"a\" ((NIL NIL \"b\" {1}\r\nc))) X-GM-LABELS "
		    "(\"x)\") BODY[HEADER.FIELDS (TO FROM)]<0> \"\" MODSEQ (12))\r\n"),
		STR(""), STR("has=33 uid=7 flags=0 words= date=0+0 size=0 body= done") },
	{ "a date that is none",
		STR("(UID 7 INTERNALDATE \"00-Foo-0000 99:00:00 +0000\")"), STR(""),
		STR("has=5 uid=7 flags=0 words= date=odd size=0 body= done") },
	{ "empty", STR("()\r\n"), STR(""),
		STR("has=0 uid=0 flags=0 words= date=0+0 size=0 body= done") },
	{ "no end", STR("(UID 7"), STR(""), STR("open") },
	{ "an empty line", STR("(UID 7 BODY[] {2}\r\nhi\r\n"), STR("\r\n"), STR("open") },
	{ "UID of 33 bits", STR("(UID 4294967296 RFC822.SIZE 3)\r\n"), STR(""),
		STR("has=8 uid=0 flags=0 words= date=0+0 size=3 body= done") },
	{ "key without value", STR("(UID)\r\n"), STR(""), STR("bad") },
	{ "flags that are none", STR("(FLAGS \\Seen)\r\n"), STR(""),
		STR("has=0 uid=0 flags=0 words= date=0+0 size=0 body= done") },
	{ "blank behind the last flag", STR("(UID 1 FLAGS (\\Seen $NotJunk ))\r\n"),
		STR(""),
		STR("has=3 uid=1 flags=1 words=$NotJunk date=0+0 size=0 body= done") },
	{ "blanks before and between", STR("(FLAGS ( \\Seen  $Label1) UID 1)\r\n"),
		STR(""),
		STR("has=3 uid=1 flags=1 words=$Label1 date=0+0 size=0 body= done") },
	{ "quoted flags", STR("(FLAGS (\"\\\\Deleted\" \"two words\" \\Seen))\r\n"),
		STR(""),
		STR("has=2 uid=0 flags=9 words=two_words date=0+0 size=0 body= done") },
	{ "forbidden in a flag", STR("(FLAGS (a]b c{d \\Seen %))\r\n"), STR(""),
		STR("has=2 uid=0 flags=1 words=_ a_b c_d date=0+0 size=0 body= done") },
	{ "no flags", STR("(FLAGS NIL UID 1)\r\n"), STR(""),
		STR("has=3 uid=1 flags=0 words= date=0+0 size=0 body= done") },
	{ "size of NIL", STR("(UID 1 RFC822.SIZE NIL)\r\n"), STR(""),
		STR("has=1 uid=1 flags=0 words= date=0+0 size=0 body= done") },
	{ "size below nothing", STR("(RFC822.SIZE -1 UID 1)\r\n"), STR(""),
		STR("has=1 uid=1 flags=0 words= date=0+0 size=0 body= done") },
	{ "quoted size", STR("(RFC822.SIZE \"12\" UID 1)\r\n"), STR(""),
		STR("has=9 uid=1 flags=0 words= date=0+0 size=12 body= done") },
	{ "no blanks", STR("(UID 1FLAGS(\\Seen)BODY[]{2}\r\nhi)\r\n"), STR(""),
		STR("has=19 uid=1 flags=1 words= date=0+0 size=0 body=hi done") },
	{ "many blanks", STR("( UID  1  FLAGS\t()  )\r\n"), STR(""),
		STR("has=3 uid=1 flags=0 words= date=0+0 size=0 body= done") },
	{ "blank lines behind the body", STR("(UID 7 BODY[] {5000}\r\n"), STR(" \r\n"),
		STR("open") },
};

static void put_fetched(const struct imap_fetched *f, const char *how, struct buf *out)
{
	(void)buf_printf(out, "has=%u uid=%u flags=%u words=%.*s date=", f->has, f->uid,
		f->flags, STR_ARG(f->keywords));
	if (f->date_is_odd)
		(void)buf_append_c(out, "odd");
	else
		(void)buf_printf(
			out, "%lld+%d", (long long)f->date.seconds, f->date.zone);
	(void)buf_printf(out, " size=%llu body=%.*s %sdone", (unsigned long long)f->size,
		STR_ARG(f->body), how);
}

static void fetch(const struct fetch_row *row, struct buf *out)
{
	struct str line = exact_copy(row->line), rest = exact_copy(row->rest);
	struct imap_fetched f = { .keywords = STR_LIT("") };
	struct imap_cursor c = imap_cursor(line);
	const char *how = "";
	struct arena arena;
	enum imap_fetch_end end;

	arena_init(&arena);
	end = imap_response_fetch(&c, &arena, &f);
	if (end == IMAP_FETCH_IS_IN_BODY || end == IMAP_FETCH_IS_IN_LITERAL) {
		how = end == IMAP_FETCH_IS_IN_BODY ? "body " : "literal ";
		c = imap_cursor(rest);
		end = imap_response_fetch(&c, &arena, &f);
	}
	if (end == IMAP_FETCH_IS_COMPLETE)
		put_fetched(&f, how, out);
	else if (end == IMAP_FETCH_IS_OPEN)
		(void)buf_append_c(out, "open");
	else
		(void)buf_append_c(out, "bad");
	arena_fini(&arena);
	exact_free(line);
	exact_free(rest);
}

static void fetches(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(fetch_rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		fetch(&fetch_rows[i], &out);
		SAME(fetch_rows[i].name, buf_view(&out), fetch_rows[i].says);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),
		cmocka_unit_test(a_line_has_an_end),
		cmocka_unit_test(parsing),
		cmocka_unit_test(lists),
		cmocka_unit_test(fetches),
	};

	return cmocka_run_group_tests_name("imap response", tests, NULL, NULL);
}
