/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/account_file.h"

#include "control/terminal/prompt.h"
#include "registry/registry.h"
#include "settings/quota.h"

#include <string.h>

#define SEPARATORS ":,;\t"
#define CSV_SEPARATORS ",;\t"
#define BYTE_ORDER_MARK STR_LIT("\xef\xbb\xbf")

struct walk {
	enum account_file kind;
	char separator; /* 0: not known yet */
	bool had_line;
};

/* ---- fields ---- */

/* Between quotes, which are taken off; *text is behind them then. false: not closed. */
static bool take_quoted(char **text, const char *end, struct str *ret)
{
	char *from = *text + 1, *to = from;
	const char *first = from;

	for (; from < end; from++) {
		if (*from != '"') {
			*to++ = *from;
		} else if (from + 1 < end && from[1] == '"') {
			*to++ = *from++;
		} else {
			*ret = str_of(first, (size_t)(to - first));
			*text = from + 1;
			return true;
		}
	}
	return false;
}

static bool take_field(char **text, const char *end, char separator, struct str *ret)
{
	const char *at;

	if (separator != ':' && *text < end && **text == '"')
		return take_quoted(text, end, ret);
	at = memchr(*text, separator, (size_t)(end - *text));
	at = at ? at : end;
	*ret = str_of(*text, (size_t)(at - *text));
	*text += at - *text;
	return true;
}

/* ---- a line ---- */

static char separator_of(const struct walk *w, const char *text, const char *end)
{
	const char *separators =
		w->kind == ACCOUNT_FILE_USERS ? CSV_SEPARATORS : SEPARATORS;
	char *at = NULL;

	for (bool quoted = false; text < end; text++) {
		quoted ^= *text == '"';
		at = quoted || !*text ? NULL : strchr(separators, *text);
		if (at)
			return *at;
	}
	return 0;
}

static bool is_text(struct str s)
{
	return !memchr(s.len ? s.ptr : "x", '\0', s.len ? s.len : 1);
}

static const char *what_is_wrong(const struct walk *w, const struct account_line *line)
{
	if (!line->name.len)
		return "no user";
	if (line->name.len > REGISTRY_NAME_MAX)
		return "the user's name is too long";
	if (w->kind == ACCOUNT_FILE_PASSWORDS && !line->password.len)
		return "no password";
	if (line->password.len > PASSWORD_MAX)
		return "the password is too long";
	return is_text(line->name) && is_text(line->password) ? NULL : "a NUL in it";
}

/* The last field of a line. */
static const char *read_size(
	char *text, const char *end, char separator, struct account_line *line)
{
	struct str field;

	if (text == end)
		return NULL;
	text++;
	if (!take_field(&text, end, separator, &field))
		return "a quote is not closed";
	if (text != end)
		return "more than a user, a password and a size; a password with a "
		       "separator in it goes between quotes";
	line->said = str_trim(field);
	if (line->said.len && !quota_parse_size(line->said, &line->size))
		return "what stands behind the password is no size (1500M, 2G); a password "
		       "with a separator in it goes between quotes";
	return NULL;
}

static const char *read_user(
	const struct walk *w, char *text, const char *end, struct account_line *line)
{
	const char *wrong;

	if (!take_field(&text, end, w->separator ? w->separator : '\n', &line->name))
		return "a quote is not closed";
	line->name = str_trim(line->name);
	wrong = str_index(line->name, ':') < line->name.len
	                ? "a colon"
	                : read_size(text, end, w->separator, line);
	if (wrong && line->said.len)
		return "what stands behind the user is no size (1500M, 2G); with --master "
		       "a list has no passwords";
	return wrong ? "more than a user and a size; with --master a list has no "
	               "passwords"
	             : what_is_wrong(w, line);
}

static const char *read_fields(
	const struct walk *w, char *text, const char *end, struct account_line *line)
{
	char separator = w->separator;
	const char *wrong = NULL;

	if (w->kind == ACCOUNT_FILE_USERS)
		return read_user(w, text, end, line);
	if (!separator)
		return "neither user:password nor user,password";
	if (!take_field(&text, end, separator, &line->name))
		return "a quote is not closed";
	line->name = str_trim(line->name);
	if (text == end || *text != separator)
		return "no password";
	text++;
	if (separator == ':')
		line->password = str_of(text, (size_t)(end - text));
	else if (!take_field(&text, end, separator, &line->password))
		return "a quote is not closed";
	else if (text != end && *text != separator)
		return "more than a user and a password; a password with a separator in "
		       "it goes between quotes";
	else
		wrong = read_size(text, end, separator, line);
	return wrong ? wrong : what_is_wrong(w, line);
}

static bool are_titles(const struct walk *w, const struct account_line *line)
{
	static const char *const words[] = { "user", "username", "login", "name", "email",
		"account" };

	if (w->had_line || w->separator == ':' ||
		!str_ieq(w->kind == ACCOUNT_FILE_USERS ? line->said : line->password,
			w->kind == ACCOUNT_FILE_USERS ? STR_LIT("size")
						      : STR_LIT("password")))
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_ieq(line->name, str_from(words[i])))
			return true;
	return false;
}

static int take_line(struct walk *w, char *text, char *end, size_t number,
	account_line_fn *each, void *context)
{
	struct account_line line = { .number = number };
	bool is_skipped;

	if (end > text && end[-1] == '\r')
		end--;
	if (text == end || *text == '#')
		return 0;
	if (!w->separator)
		w->separator = separator_of(w, text, end);
	line.wrong = read_fields(w, text, end, &line);
	is_skipped = are_titles(w, &line);
	w->had_line = true;
	return is_skipped ? 0 : each(context, &line);
}

int account_file_each(enum account_file kind, char *text, size_t len,
	account_line_fn *each, void *context)
{
	struct walk w = { .kind = kind };
	char *end = text + len;
	size_t number = 0;
	int r = 0;

	if (str_starts(str_of(text, len), BYTE_ORDER_MARK))
		text += BYTE_ORDER_MARK.len;
	while (r == 0 && text < end) {
		char *stop = memchr(text, '\n', (size_t)(end - text));

		stop = stop ? stop : end;
		r = take_line(&w, text, stop, ++number, each, context);
		text = stop < end ? stop + 1 : end;
	}
	return r;
}
