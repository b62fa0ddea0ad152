/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/search.h"

#include "wire/imap/date.h"
#include "wire/imap/flags.h"

enum argument {
	NONE,
	TEXT,
	NAME_AND_TEXT,
	DAY,
	NUMBER,
	SECONDS, /* not 0 */
	MODSEQ,
	WORD,
	SET,
	KEY,
	TWO_KEYS,
	SAME_KEY, /* the key that follows, as it is */
};

static const struct row {
	struct str name;
	enum imap_search_kind kind;
	enum argument argument;
	unsigned flags;
	struct str field; /* of HEADER */
} rows[] = {
	{ STR("ALL"), IMAP_SEARCH_ALL, NONE, 0, STR("") },
	{ STR("ANSWERED"), IMAP_SEARCH_FLAG, NONE, IMAP_FLAG_ANSWERED, STR("") },
	{ STR("DELETED"), IMAP_SEARCH_FLAG, NONE, IMAP_FLAG_DELETED, STR("") },
	{ STR("DRAFT"), IMAP_SEARCH_FLAG, NONE, IMAP_FLAG_DRAFT, STR("") },
	{ STR("FLAGGED"), IMAP_SEARCH_FLAG, NONE, IMAP_FLAG_FLAGGED, STR("") },
	{ STR("SEEN"), IMAP_SEARCH_FLAG, NONE, IMAP_FLAG_SEEN, STR("") },
	{ STR("RECENT"), IMAP_SEARCH_FLAG, NONE, IMAP_FLAG_RECENT, STR("") },
	{ STR("UNANSWERED"), IMAP_SEARCH_NO_FLAG, NONE, IMAP_FLAG_ANSWERED, STR("") },
	{ STR("UNDELETED"), IMAP_SEARCH_NO_FLAG, NONE, IMAP_FLAG_DELETED, STR("") },
	{ STR("UNDRAFT"), IMAP_SEARCH_NO_FLAG, NONE, IMAP_FLAG_DRAFT, STR("") },
	{ STR("UNFLAGGED"), IMAP_SEARCH_NO_FLAG, NONE, IMAP_FLAG_FLAGGED, STR("") },
	{ STR("UNSEEN"), IMAP_SEARCH_NO_FLAG, NONE, IMAP_FLAG_SEEN, STR("") },
	{ STR("OLD"), IMAP_SEARCH_NO_FLAG, NONE, IMAP_FLAG_RECENT, STR("") },
	{ STR("NEW"), IMAP_SEARCH_NEW, NONE, 0, STR("") },
	{ STR("KEYWORD"), IMAP_SEARCH_KEYWORD, WORD, 0, STR("") },
	{ STR("UNKEYWORD"), IMAP_SEARCH_UNKEYWORD, WORD, 0, STR("") },
	{ STR("BCC"), IMAP_SEARCH_HEADER, TEXT, 0, STR("Bcc") },
	{ STR("CC"), IMAP_SEARCH_HEADER, TEXT, 0, STR("Cc") },
	{ STR("FROM"), IMAP_SEARCH_HEADER, TEXT, 0, STR("From") },
	{ STR("SUBJECT"), IMAP_SEARCH_HEADER, TEXT, 0, STR("Subject") },
	{ STR("TO"), IMAP_SEARCH_HEADER, TEXT, 0, STR("To") },
	{ STR("HEADER"), IMAP_SEARCH_HEADER, NAME_AND_TEXT, 0, STR("") },
	{ STR("BODY"), IMAP_SEARCH_BODY, TEXT, 0, STR("") },
	{ STR("TEXT"), IMAP_SEARCH_TEXT, TEXT, 0, STR("") },
	{ STR("BEFORE"), IMAP_SEARCH_BEFORE, DAY, 0, STR("") },
	{ STR("ON"), IMAP_SEARCH_ON, DAY, 0, STR("") },
	{ STR("SINCE"), IMAP_SEARCH_SINCE, DAY, 0, STR("") },
	{ STR("SENTBEFORE"), IMAP_SEARCH_SENTBEFORE, DAY, 0, STR("") },
	{ STR("SENTON"), IMAP_SEARCH_SENTON, DAY, 0, STR("") },
	{ STR("SENTSINCE"), IMAP_SEARCH_SENTSINCE, DAY, 0, STR("") },
	{ STR("LARGER"), IMAP_SEARCH_LARGER, NUMBER, 0, STR("") },
	{ STR("SMALLER"), IMAP_SEARCH_SMALLER, NUMBER, 0, STR("") },
	{ STR("OLDER"), IMAP_SEARCH_OLDER, SECONDS, 0, STR("") },
	{ STR("YOUNGER"), IMAP_SEARCH_YOUNGER, SECONDS, 0, STR("") },
	{ STR("SAVEDBEFORE"), IMAP_SEARCH_SAVEDBEFORE, DAY, 0, STR("") },
	{ STR("SAVEDON"), IMAP_SEARCH_SAVEDON, DAY, 0, STR("") },
	{ STR("SAVEDSINCE"), IMAP_SEARCH_SAVEDSINCE, DAY, 0, STR("") },
	{ STR("SAVEDATESUPPORTED"), IMAP_SEARCH_ALL, NONE, 0, STR("") },
	{ STR("EMAILID"), IMAP_SEARCH_EMAILID, WORD, 0, STR("") },
	{ STR("THREADID"), IMAP_SEARCH_THREADID, WORD, 0, STR("") },
	{ STR("MODSEQ"), IMAP_SEARCH_MODSEQ, MODSEQ, 0, STR("") },
	{ STR("FUZZY"), IMAP_SEARCH_ALL, SAME_KEY, 0, STR("") },
	{ STR("UID"), IMAP_SEARCH_UID, SET, 0, STR("") },
	{ STR("NOT"), IMAP_SEARCH_NOT, KEY, 0, STR("") },
	{ STR("OR"), IMAP_SEARCH_OR, TWO_KEYS, 0, STR("") },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

struct parser {
	struct imap_cursor c;
	struct arena *arena;
	unsigned depth;
	size_t keys;
	bool has_modseq, has_sequence;
};

static bool parse_key(struct parser *p, struct imap_search_key **ret);

static struct imap_search_key *new_key(struct parser *p, enum imap_search_kind kind)
{
	struct imap_search_key *key;

	if (p->keys++ == IMAP_SEARCH_KEYS_MAX)
		return NULL;
	key = arena_alloc(p->arena, sizeof(*key));
	if (key)
		key->kind = kind;
	return key;
}

static bool parse_keys(struct parser *p, struct imap_search_key **ret_first)
{
	struct imap_search_key **place = ret_first;

	do {
		if (!parse_key(p, place))
			return false;
		place = &(*place)->next;
	} while (imap_space(&p->c));
	return true;
}

static bool parse_day(struct parser *p, int64_t *ret)
{
	struct str text;

	return imap_astring(&p->c, p->arena, &text) && imap_day(text, ret);
}

/* RFC 7162, 3.1.5: one number is kept for all that can change of a message, so which
   flag is meant makes no difference. */
static bool parse_modseq(struct parser *p, uint64_t *ret)
{
	struct str entry, type;

	p->has_modseq = true;
	if (imap_peek(&p->c) == '"' &&
		(!imap_quoted(&p->c, p->arena, &entry) || !imap_space(&p->c) ||
			!imap_atom(&p->c, &type) || !imap_space(&p->c)))
		return false;
	return imap_number64(&p->c, ret);
}

static bool parse_inner(
	struct parser *p, enum argument argument, struct imap_search_key *key)
{
	bool ok = p->depth++ < IMAP_SEARCH_DEPTH_MAX && parse_key(p, &key->first);

	if (ok && argument == TWO_KEYS)
		ok = imap_space(&p->c) && parse_key(p, &key->first->next);
	p->depth--;
	return ok;
}

static bool parse_argument(
	struct parser *p, const struct row *row, struct imap_search_key *key)
{
	if (row->argument != NONE && !imap_space(&p->c))
		return false;
	switch (row->argument) {
	case NONE:
		return true;
	case TEXT:
		return imap_astring(&p->c, p->arena, &key->text);
	case NAME_AND_TEXT:
		return imap_astring(&p->c, p->arena, &key->name) && key->name.len &&
		       imap_space(&p->c) && imap_astring(&p->c, p->arena, &key->text);
	case DAY:
		return parse_day(p, &key->day);
	case NUMBER:
		return imap_number64(&p->c, &key->number);
	case SECONDS:
		return imap_number64(&p->c, &key->number) && key->number &&
		       key->number <= UINT32_MAX;
	case MODSEQ:
		return parse_modseq(p, &key->number);
	case WORD:
		return imap_atom(&p->c, &key->text);
	case SET:
		return imap_set(&p->c, p->arena, &key->set);
	case KEY:
	case TWO_KEYS:
		return parse_inner(p, row->argument, key);
	case SAME_KEY:
		break;
	}
	return false;
}

static bool parse_list(struct parser *p, struct imap_search_key **ret)
{
	bool ok;

	*ret = new_key(p, IMAP_SEARCH_AND);
	ok = *ret && p->depth++ < IMAP_SEARCH_DEPTH_MAX &&
	     parse_keys(p, &(*ret)->first) && imap_char(&p->c, ')');
	p->depth--;
	return ok;
}

static bool parse_same(struct parser *p, struct imap_search_key **ret)
{
	bool ok = imap_space(&p->c) && p->depth++ < IMAP_SEARCH_DEPTH_MAX &&
	          parse_key(p, ret);

	p->depth--;
	return ok;
}

static bool parse_named(struct parser *p, struct imap_search_key **ret)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		if (!imap_keyword(&p->c, rows[i].name))
			continue;
		if (rows[i].argument == SAME_KEY)
			return parse_same(p, ret);
		*ret = new_key(p, rows[i].kind);
		if (!*ret)
			return false;
		(*ret)->flags = rows[i].flags;
		(*ret)->name = rows[i].field;
		return parse_argument(p, &rows[i], *ret);
	}
	return false;
}

static bool parse_key(struct parser *p, struct imap_search_key **ret)
{
	char next = imap_peek(&p->c);

	if (imap_char(&p->c, '('))
		return parse_list(p, ret);
	if (next == '$' || next == '*' || (next >= '0' && next <= '9')) {
		*ret = new_key(p, next == '$' ? IMAP_SEARCH_UID : IMAP_SEARCH_SEQUENCE);
		p->has_sequence |= next != '$';
		return *ret && imap_set(&p->c, p->arena, &(*ret)->set);
	}
	return parse_named(p, ret);
}

bool imap_search_keys(struct imap_cursor *c, struct arena *arena, struct imap_search *ret)
{
	struct parser p = { .c = *c, .arena = arena };
	struct imap_search_key *all = new_key(&p, IMAP_SEARCH_AND);

	if (!all || !parse_keys(&p, &all->first))
		return false;
	ret->program = all;
	ret->has_modseq = p.has_modseq;
	ret->has_sequence = p.has_sequence;
	*c = p.c;
	return true;
}

bool imap_search(struct imap_cursor *c, struct arena *arena, struct imap_search *ret)
{
	struct imap_cursor at = *c;

	ret->charset = STR_LIT("");
	if (imap_keyword(&at, STR_LIT("CHARSET")) &&
		(!imap_space(&at) || !imap_astring(&at, arena, &ret->charset) ||
			!imap_space(&at)))
		return false;
	if (!imap_search_keys(&at, arena, ret))
		return false;
	*c = at;
	return true;
}
