/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/alias_file.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>

static const char *const format_names[] = { "virtual", "aliases" };
_Static_assert(sizeof(format_names) / sizeof(format_names[0]) == ALIAS_FORMAT_COUNT,
	"a name for each");

const char *alias_format_name(enum alias_format f)
{
	return format_names[f];
}

bool alias_format_by_name(const char *name, enum alias_format *ret_format)
{
	for (int i = 0; i < ALIAS_FORMAT_COUNT; i++)
		if (strcmp(format_names[i], name) == 0) {
			*ret_format = (enum alias_format)i;
			return true;
		}
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* How many bytes lie before the first that `ends` and is not quoted. */
static size_t span(struct str s, bool (*ends)(char c), bool *ret_open_quote)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < s.len && (quoted || !ends(s.ptr[i])); i++) {
		if (s.ptr[i] == '\\' && i + 1 < s.len)
			i++;
		else if (s.ptr[i] == '"')
			quoted = !quoted;
	}
	*ret_open_quote = quoted;
	return i;
}

static bool is_colon(char c)
{
	return c == ':';
}

static bool is_comma(char c)
{
	return c == ',';
}

/* ── one address ───────────────────────────────────────────────────────────────────── */

/* "a b" with its quotes: how many bytes of s it takes, 0: it does not end. */
static size_t take_quoted(struct str s, struct alias_address *ret)
{
	size_t n = 0;

	for (size_t i = 1; i < s.len && n < sizeof(ret->local_bytes); i++) {
		if (s.ptr[i] == '"') {
			ret->local = str_of(ret->local_bytes, n);
			return i + 1;
		}
		if (s.ptr[i] == '\\' && i + 1 < s.len)
			i++;
		ret->local_bytes[n++] = s.ptr[i];
	}
	return 0;
}

/* RFC 5322's specials, which an address without quotes cannot hold; '\' is left to who
   asks what an address means. */
static bool is_special(char c)
{
	return is_blank(c) || strchr("\"(),:;<>[]", c);
}

static size_t take_plain(struct str s, struct alias_address *ret)
{
	size_t n = str_index(s, '@');

	if (n > sizeof(ret->local_bytes))
		return SIZE_MAX;
	for (size_t i = 0; i < n; i++)
		if (is_special(s.ptr[i]))
			return SIZE_MAX;
	if (n)
		memcpy(ret->local_bytes, s.ptr, n);
	ret->local = str_of(ret->local_bytes, n);
	return n;
}

static bool is_domain(struct str s)
{
	if (!s.len || s.len >= ADDRESS_MAX || str_index(s, '@') < s.len)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (is_special(s.ptr[i]))
			return false;
	return true;
}

static bool read_address(struct str s, struct alias_address *ret)
{
	bool quoted = s.len && s.ptr[0] == '"';
	size_t n = quoted ? take_quoted(s, ret) : take_plain(s, ret);

	ret->domain = STR_LIT("");
	if (n > s.len || (quoted && (!n || !ret->local.len)))
		return false;
	if (n == s.len)
		return n > 0;
	ret->domain = str_skip(s, n + 1);
	return s.ptr[n] == '@' && is_domain(ret->domain);
}

/* ── one rule ──────────────────────────────────────────────────────────────────────── */

/* A pipe, a file, ":include:…", ":fail:", in quotes or not: not an address. A backslash
   before a name ends the expansion of aliases there. */
static bool read_target(struct str s, struct alias_address *ret)
{
	char first = s.ptr[s.len > 1 && s.ptr[0] == '"'];

	if (first == '|' || first == '/' || first == ':')
		return false;
	return read_address(s.ptr[0] == '\\' ? str_skip(s, 1) : s, ret);
}

static size_t count_targets(struct str right, struct str *ret_first)
{
	size_t count = 0;
	bool open;

	while (right.len) {
		size_t n = span(right, is_comma, &open);
		struct str one = str_trim(str_take(right, n));

		if (one.len && count++ == 0)
			*ret_first = one;
		right = str_skip(right, n + 1);
	}
	return count;
}

static int bad(struct error *err, size_t line, const char *what)
{
	return error_set(err, -EINVAL, "line %zu: %s", line, what);
}

static int split_rule(struct str text, enum alias_format format, size_t line,
	struct str *ret_left, struct str *ret_right, struct error *err)
{
	bool aliases = format == ALIAS_FORMAT_ALIASES, open;
	size_t n = span(text, aliases ? is_colon : is_blank, &open);
	struct str left = str_trim(str_take(text, n));

	if (open)
		return bad(err, line, "a quote is not closed");
	if (aliases && n == text.len)
		return bad(err, line,
			"there is no colon behind the name; is this a file of the format "
			"`virtual`?");
	if (!aliases && left.len && left.ptr[left.len - 1] == ':')
		return bad(err, line,
			"the address ends with a colon; is this a file of the format "
			"`aliases`?");
	*ret_left = left;
	*ret_right = str_trim(str_skip(text, n + aliases));
	return 0;
}

static int read_rule(struct str text, enum alias_format format, size_t line,
	struct alias_rule *rule, struct error *err)
{
	struct str left, first = { 0 };
	int code = split_rule(text, format, line, &left, &rule->right, err);

	if (code < 0)
		return code;
	if (!read_address(left, &rule->left))
		return bad(err, line, "its left side is not an address");
	rule->line = line;
	rule->n_targets = count_targets(rule->right, &first);
	if (!rule->n_targets)
		return bad(err, line, "it leads nowhere: there is no right side");
	rule->is_address = rule->n_targets == 1 && read_target(first, &rule->target);
	return 0;
}

/* ── lines ─────────────────────────────────────────────────────────────────────────── */

struct reader {
	struct str rest;
	size_t line;      /* of what was read last */
	size_t rule_line; /* where the rule in `rule` begins */
	struct buf rule;
	enum alias_format format;
	alias_rule_fn *each;
	void *context;
	struct error *err;
};

static int end_rule(struct reader *r)
{
	struct alias_rule rule;
	int code;

	if (!buf_len(&r->rule))
		return 0;
	code = read_rule(buf_view(&r->rule), r->format, r->rule_line, &rule, r->err);
	if (code == 0)
		code = r->each(r->context, &rule);
	buf_clear(&r->rule);
	return code;
}

static int add_to_rule(struct reader *r, struct str text)
{
	int code = buf_len(&r->rule) ? buf_byte(&r->rule, ' ') : 0;

	if (code == 0)
		code = buf_append(&r->rule, text);
	if (code == -ENOBUFS)
		return error_set(r->err, -E2BIG,
			"line %zu: the rule has more than %d bytes", r->rule_line,
			ALIAS_RULE_MAX);
	return code < 0 ? error_set(r->err, code, "no memory") : 0;
}

static int read_line(struct reader *r, struct str line)
{
	struct str text = str_trim(line);
	int code;

	if (!text.len || text.ptr[0] == '#')
		return 0;
	if (str_index(text, '\0') < text.len)
		return bad(r->err, r->line, "it holds a NUL byte");
	if (is_blank(line.ptr[0]))
		return buf_len(&r->rule)
		               ? add_to_rule(r, text)
		               : bad(r->err, r->line,
					 "it continues a line that is not there");
	code = end_rule(r);
	if (code != 0)
		return code;
	r->rule_line = r->line;
	return add_to_rule(r, text);
}

int alias_file_read(struct str text, enum alias_format format, alias_rule_fn *each,
	void *context, struct error *err)
{
	struct reader r = { .rest = text,
		.format = format,
		.each = each,
		.context = context,
		.err = err };
	int code = 0;

	buf_init(&r.rule, ALIAS_RULE_MAX);
	while (code == 0 && r.rest.len) {
		r.line++;
		code = read_line(&r, str_split(&r.rest, '\n'));
	}
	if (code == 0)
		code = end_rule(&r);
	buf_fini(&r.rule);
	return code;
}

/* Whether a line is "name: …": one word, or one in quotes, before a colon. Behind a whole
   address the colon must stand at once: else it may begin a target (":include:…"). */
static bool has_colon_behind_name(struct str line)
{
	bool open;
	size_t n = span(line, is_colon, &open);
	struct str name = str_trim(str_take(line, n));

	return n < line.len && span(name, is_blank, &open) == name.len &&
	       (name.len == n || str_index(name, '@') == name.len);
}

enum alias_format alias_format_guess(struct str text)
{
	while (text.len) {
		struct str line = str_trim(str_split(&text, '\n'));

		if (line.len && line.ptr[0] != '#')
			return has_colon_behind_name(line) ? ALIAS_FORMAT_ALIASES
			                                   : ALIAS_FORMAT_VIRTUAL;
	}
	return ALIAS_FORMAT_VIRTUAL;
}
