/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/command.h"

static const struct verb_row {
	struct str name;
	enum smtp_verb verb;
} verb_rows[] = {
	{ STR("EHLO"), SMTP_EHLO },
	{ STR("HELO"), SMTP_HELO },
	{ STR("MAIL"), SMTP_MAIL },
	{ STR("RCPT"), SMTP_RCPT },
	{ STR("DATA"), SMTP_DATA },
	{ STR("RSET"), SMTP_RSET },
	{ STR("NOOP"), SMTP_NOOP },
	{ STR("QUIT"), SMTP_QUIT },
	{ STR("VRFY"), SMTP_VRFY },
	{ STR("EXPN"), SMTP_EXPN },
	{ STR("HELP"), SMTP_HELP },
	{ STR("AUTH"), SMTP_AUTH },
	{ STR("STARTTLS"), SMTP_STARTTLS },
	{ STR("BDAT"), SMTP_BDAT },
	{ STR("XCLIENT"), SMTP_XCLIENT },
	{ STR("XFORWARD"), SMTP_FOLLOWED },
	{ STR("ETRN"), SMTP_FOLLOWED }, /* mail that goes the other way */
	{ STR("TURN"), SMTP_TO_BE_REFUSED },
	{ STR("ATRN"), SMTP_TO_BE_REFUSED },
	{ STR("BURL"),
		SMTP_REFUSED }, /* a message that we do not see; taken, it is sent */
	{ STR("XEXCH50"), SMTP_TO_BE_REFUSED }, /* binary data behind the line */
	{ STR("SEND"), SMTP_TO_BE_REFUSED },    /* RFC 821: a MAIL of other names */
	{ STR("SOML"), SMTP_TO_BE_REFUSED },
	{ STR("SAML"), SMTP_TO_BE_REFUSED },
};

static const char *const verb_names[] = {
	[SMTP_UNKNOWN] = "?",
	[SMTP_EHLO] = "EHLO",
	[SMTP_HELO] = "HELO",
	[SMTP_MAIL] = "MAIL",
	[SMTP_RCPT] = "RCPT",
	[SMTP_DATA] = "DATA",
	[SMTP_RSET] = "RSET",
	[SMTP_NOOP] = "NOOP",
	[SMTP_QUIT] = "QUIT",
	[SMTP_VRFY] = "VRFY",
	[SMTP_EXPN] = "EXPN",
	[SMTP_HELP] = "HELP",
	[SMTP_AUTH] = "AUTH",
	[SMTP_STARTTLS] = "STARTTLS",
	[SMTP_BDAT] = "BDAT",
	[SMTP_NO_CHUNK] = "BDAT without CHUNKING",
	[SMTP_XCLIENT] = "XCLIENT",
	[SMTP_FOLLOWED] = "followed",
	[SMTP_REFUSED] = "refused",
	[SMTP_TO_BE_REFUSED] = "to be refused",
	[SMTP_GREETING] = "greeting",
};
_Static_assert(sizeof(verb_names) / sizeof(verb_names[0]) == SMTP_VERB_COUNT,
	"a name for each verb");

const char *smtp_verb_name(enum smtp_verb v)
{
	return (unsigned)v < SMTP_VERB_COUNT ? verb_names[v] : "?";
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct str trim_left(struct str s)
{
	while (s.len && is_blank(s.ptr[0]))
		s = str_skip(s, 1);
	return s;
}

/* Up to the first blank. */
static struct str word_of(struct str s)
{
	size_t n = 0;

	while (n < s.len && !is_blank(s.ptr[n]))
		n++;
	return str_take(s, n);
}

struct smtp_command smtp_command(struct str line)
{
	struct smtp_command c = { .verb = SMTP_UNKNOWN };
	struct str rest = trim_left(line), name = word_of(rest);

	for (size_t i = 0; i < sizeof(verb_rows) / sizeof(verb_rows[0]); i++)
		if (str_ieq(verb_rows[i].name, name))
			c.verb = verb_rows[i].verb;
	c.args = str_trim(str_skip(rest, name.len));
	return c;
}

bool smtp_line_is_unsafe(struct str line)
{
	return str_index(line, '\r') < line.len || str_index(line, '\n') < line.len ||
	       str_index(line, '\0') < line.len;
}

/* How far a path goes: to '>' (quoted strings and escapes are stepped over), or without
   brackets to a blank. s.len + 1: the bracket does not close. */
static size_t path_end(struct str s, bool brackets)
{
	bool quoted = false;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\\' && i + 1 < s.len)
			i++;
		else if (s.ptr[i] == '"')
			quoted = !quoted;
		else if (!quoted && (brackets ? s.ptr[i] == '>' : is_blank(s.ptr[i])))
			return i;
	}
	return brackets || quoted ? s.len + 1 : s.len;
}

/* "@a,@b:user@c" is for user@c. */
static struct str without_route(struct str path)
{
	size_t colon = str_index(path, ':');

	if (!path.len || path.ptr[0] != '@' || colon == path.len)
		return path;
	return str_skip(path, colon + 1);
}

bool smtp_path_parse(struct str args, struct str keyword, struct smtp_path *ret)
{
	struct str rest = str_skip(args, keyword.len);
	bool brackets;
	size_t end;

	if (!str_istarts(args, keyword))
		return false;
	rest = trim_left(rest);
	if (!rest.len || rest.ptr[0] != ':')
		return false;
	rest = trim_left(str_skip(rest, 1));
	brackets = rest.len && rest.ptr[0] == '<';
	if (brackets)
		rest = str_skip(rest, 1);
	end = path_end(rest, brackets);
	if (end > rest.len || (!brackets && !end))
		return false;
	ret->address = without_route(str_trim(str_take(rest, end)));
	ret->params = str_trim(str_skip(rest, end + (brackets ? 1 : 0)));
	return true;
}

bool smtp_param_next(struct str *params, struct str *ret_name, struct str *ret_value)
{
	struct str word = word_of(trim_left(*params));
	size_t equals = str_index(word, '=');

	if (!word.len)
		return false;
	*params = str_skip(trim_left(*params), word.len);
	*ret_name = str_take(word, equals);
	*ret_value = (struct str){ 0 };
	if (equals < word.len)
		*ret_value = str_of(word.ptr + equals + 1, word.len - equals - 1);
	return true;
}

uint64_t smtp_param_size(struct str params)
{
	struct str name, value;
	uint64_t size = 0;

	while (smtp_param_next(&params, &name, &value))
		if (str_ieq(name, STR_LIT("SIZE")) && str_to_u64(value, &size))
			return size;
	return 0;
}

bool smtp_bdat_size(struct str args, uint64_t *ret_size, bool *ret_last)
{
	struct str size = word_of(args), rest = str_trim(str_skip(args, size.len));

	*ret_last = str_ieq(rest, STR_LIT("LAST"));
	return str_to_u64(size, ret_size) && *ret_size <= SMTP_CHUNK_MAX &&
	       (*ret_last || !rest.len);
}

/* BODY=BINARYMIME comes with BDAT alone (RFC 3030, 3). */
static bool is_spoken(struct str name, struct str value)
{
	static const struct str names[] = {
		STR("SIZE"),
		STR("BODY"),
		STR("AUTH"), /* RFC 4954 */
		STR("SMTPUTF8"),
		/* DSN: a server that does not offer it gets none from us, either */
		STR("RET"),
		STR("ENVID"),
		STR("NOTIFY"),
		STR("ORCPT"),
	};

	if (str_ieq(name, STR_LIT("BODY")) && str_ieq(value, STR_LIT("BINARYMIME")))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_ieq(name, names[i]))
			return true;
	return false;
}

bool smtp_params_are_spoken(struct str params)
{
	struct str name, value;

	while (smtp_param_next(&params, &name, &value))
		if (!is_spoken(name, value))
			return false;
	return true;
}
