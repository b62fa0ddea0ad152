/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the client says, and what its commands may come to mean. */
#include "wire/imap/cursor.h"
#include "wire/imap/follow_parts.h"

#include <stdlib.h>
#include <string.h>

#define COMMANDS_FIRST 2 /* of most clients no more are ever under way */

/* One that is not listed loses the session when its server takes it. */
static const struct row {
	struct str name;
	enum kind kind;
} rows[] = {
	{ STR("CAPABILITY"), KIND_PLAIN },
	{ STR("NOOP"), KIND_PLAIN },
	{ STR("CHECK"), KIND_PLAIN },
	{ STR("ID"), KIND_PLAIN },
	{ STR("ENABLE"), KIND_PLAIN }, /* "* ENABLED" tells */
	{ STR("NAMESPACE"), KIND_PLAIN },
	{ STR("LIST"), KIND_MAY_COUNT },
	{ STR("LSUB"), KIND_PLAIN },
	{ STR("XLIST"), KIND_PLAIN },
	{ STR("STATUS"), KIND_MAY_COUNT },
	{ STR("CREATE"), KIND_PLAIN },
	{ STR("SUBSCRIBE"), KIND_PLAIN },
	{ STR("UNSUBSCRIBE"), KIND_PLAIN },
	{ STR("APPEND"), KIND_PLAIN },
	{ STR("REPLACE"), KIND_PLAIN },
	{ STR("EXPUNGE"), KIND_PLAIN },
	{ STR("COPY"), KIND_PLAIN },
	{ STR("MOVE"), KIND_PLAIN },
	{ STR("GETQUOTA"), KIND_PLAIN },
	{ STR("GETQUOTAROOT"), KIND_PLAIN },
	{ STR("SETQUOTA"), KIND_PLAIN },
	{ STR("GETACL"), KIND_PLAIN },
	{ STR("MYRIGHTS"), KIND_PLAIN },
	{ STR("LISTRIGHTS"), KIND_PLAIN },
	{ STR("GETMETADATA"), KIND_PLAIN },
	{ STR("SETMETADATA"), KIND_PLAIN },
	{ STR("GETANNOTATION"), KIND_PLAIN },
	{ STR("THREAD"), KIND_MAY_COUNT },
	{ STR("FETCH"), KIND_MAY_COUNT },
	{ STR("STORE"), KIND_MAY_COUNT },
	{ STR("SEARCH"), KIND_SEARCH },
	{ STR("SORT"), KIND_SEARCH },
	{ STR("SELECT"), KIND_SELECT },
	{ STR("EXAMINE"), KIND_EXAMINE },
	{ STR("CLOSE"), KIND_CLOSE },
	{ STR("UNSELECT"), KIND_CLOSE },
	{ STR("RENAME"), KIND_RENAME },
	{ STR("DELETE"), KIND_RENAME },
	{ STR("IDLE"), KIND_IDLE },
	{ STR("LOGOUT"), KIND_LOGOUT },
	{ STR("AUTHENTICATE"), KIND_NOT_HERE },
	{ STR("LOGIN"), KIND_NOT_HERE },
	{ STR("STARTTLS"), KIND_NOT_HERE },
};

static enum kind kind_of(struct str name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_ieq(name, rows[i].name))
			return rows[i].kind;
	return KIND_LOSES;
}

static bool make_room(struct imap_follow *f)
{
	unsigned room = f->room ? 2 * f->room : COMMANDS_FIRST;
	struct imap_follow_command *commands;

	if (f->n_commands < f->room)
		return true;
	commands = reallocarray(f->commands, room, sizeof(*commands));
	if (!commands)
		return false;
	f->commands = commands;
	f->room = room;
	return true;
}

static void add(struct imap_follow *f, struct str tag, enum kind kind)
{
	struct imap_follow_command *c;

	if (f->n_commands == IMAP_FOLLOW_COMMANDS_MAX)
		follow_lose(f, "too many commands under way");
	else if (tag.len > sizeof(c->tag) || follow_find(f, tag))
		follow_lose(f, "a tag is too long, or used twice");
	else if (!make_room(f))
		follow_lose(f, "no memory");
	if (f->lost)
		return;
	c = &f->commands[f->n_commands];
	memcpy(c->tag, tag.ptr, tag.len);
	c->tag_len = (uint8_t)tag.len;
	c->kind = (uint8_t)kind;
	c->number = ++f->next_number;
	f->n_commands++;
}

static bool is_words_end(struct str s, size_t at)
{
	static const char ends[] = " ()\r\n";

	return at == s.len || memchr(ends, s.ptr[at], sizeof(ends) - 1);
}

/* Whether that word stands in the command outside of quotes. */
static bool has_word(struct str command, struct str word)
{
	bool quoted = false, begins = true;

	for (size_t i = 0; i < command.len; i++) {
		char c = command.ptr[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		if (!quoted && begins && str_istarts(str_skip(command, i), word) &&
			is_words_end(command, i + word.len))
			return true;
		begins = c == ' ' || c == '(';
	}
	return false;
}

/* RFC 7162, 3.1: any of these does what ENABLE CONDSTORE does. */
static void look_for_condstore(struct imap_follow *f, struct str command)
{
	static const struct str asks[] = { STR("MODSEQ"), STR("CHANGEDSINCE"),
		STR("UNCHANGEDSINCE"), STR("HIGHESTMODSEQ"), STR("CONDSTORE") };

	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++)
		if (has_word(command, asks[i]))
			f->enabled |= IMAP_FOLLOW_CONDSTORE;
}

/* "tag name" or "tag UID name" */
static bool read_name(struct imap_cursor *c, struct str *ret_tag, struct str *ret_name)
{
	return imap_tag(c, ret_tag) && imap_space(c) && imap_atom(c, ret_name) &&
	       (!str_ieq(*ret_name, STR_LIT("UID")) ||
		       (imap_space(c) && imap_atom(c, ret_name)));
}

/* What it names becomes the selected mailbox if the server says so. */
static void begin_select(struct imap_follow *f, bool read_only)
{
	struct imap_cursor c = imap_lenient_cursor(follow_head(&f->client));
	struct imap_selection *p = &f->pending;
	struct arena arena;
	struct str tag, name;

	arena_init(&arena);
	memset(p, 0, sizeof(*p));
	p->state = IMAP_SELECTION_DOUBTFUL;
	p->read_only = read_only;
	imap_numbers_clear(&f->numbers);
	f->selecting = f->commands[f->n_commands - 1].number;
	if (!f->client.is_cut && read_name(&c, &tag, &name) && imap_space(&c) &&
		imap_astring(&c, &arena, &name) && name.len &&
		name.len <= sizeof(p->name)) {
		p->state = IMAP_SELECTION_KNOWN;
		memcpy(p->name, name.ptr, name.len);
		p->name_len = (uint8_t)name.len;
	}
	arena_fini(&arena);
	look_for_condstore(f, follow_head(&f->client));
}

static void look_for_results(struct imap_follow *f, struct str command)
{
	if (f->client.is_cut || has_word(command, STR_LIT("SAVE")) ||
		has_word(command, STR_LIT("UPDATE")) ||
		has_word(command, STR_LIT("CONTEXT")))
		f->selected.keeps_results = f->pending.keeps_results = true;
}

/* All of a command has passed; it may have been answered by now. */
static void command_ends(struct imap_follow *f, enum kind kind, bool is_answered)
{
	struct str command = follow_head(&f->client);

	switch (kind) {
	case KIND_SELECT:
	case KIND_EXAMINE:
		if (is_answered)
			f->selected.state = IMAP_SELECTION_DOUBTFUL;
		else
			begin_select(f, kind == KIND_EXAMINE);
		break;
	case KIND_SEARCH:
		look_for_results(f, command);
		look_for_condstore(f, command);
		break;
	case KIND_MAY_COUNT:
		look_for_condstore(f, command);
		break;
	case KIND_IDLE:
		if (!is_answered)
			f->idle = IMAP_IDLE_ASKED;
		break;
	case KIND_LOGOUT:
		f->leaves = true;
		break;
	case KIND_NOT_HERE:
		follow_lose(f, "a login inside of the session");
		break;
	case KIND_PLAIN:
	case KIND_CLOSE:
	case KIND_RENAME:
	case KIND_LOSES:
	case KIND_COUNT:
		break;
	}
}

static bool read_command(struct imap_follow *f, struct str *ret_tag, enum kind *ret_kind)
{
	struct imap_cursor c = imap_lenient_cursor(follow_head(&f->client));
	struct str name;

	if (!read_name(&c, ret_tag, &name))
		return false;
	*ret_kind = kind_of(name);
	return true;
}

/* The line that ends an IDLE. */
static void idle_line(struct imap_follow *f)
{
	if (!str_ieq(str_trim(follow_head(&f->client)), STR_LIT("DONE")))
		follow_lose(f, "IDLE was not ended by DONE");
	f->idle = IMAP_IDLE_DONE;
	follow_forget(&f->client);
}

static void client_literal(struct imap_follow *f, const struct imap_literal *literal)
{
	f->client.tail_len = 0;
	if (!literal->synchronizing) {
		f->client.literal = literal->size;
		return;
	}
	f->asks = IMAP_LITERAL_ASKED;
	f->asked = literal->size;
}

static void client_line_ends(struct imap_follow *f)
{
	struct imap_literal literal;
	enum imap_frame is = follow_announced(&f->client, &literal);
	enum kind kind;
	struct str tag;

	if (f->idle == IMAP_IDLE_ASKED || f->idle == IMAP_IDLE_ON) {
		idle_line(f);
		return;
	}
	if (is == IMAP_FRAME_COMMAND && !str_trim(follow_head(&f->client)).len) {
		follow_forget(&f->client); /* its server may complain, untagged */
		return;
	}
	if (!read_command(f, &tag, &kind)) {
		follow_lose(f, "a command is not understood");
		return;
	}
	if (!f->client.has_begun)
		add(f, tag, kind);
	f->client.has_begun = true;
	if (is == IMAP_FRAME_LITERAL) {
		client_literal(f, &literal);
		return;
	}
	if (is != IMAP_FRAME_COMMAND)
		follow_lose(f, "a literal's size is none");
	if (!f->lost)
		command_ends(f, kind, !follow_find(f, tag));
	follow_forget(&f->client);
}

/* The client goes on behind a literal's announcement: by the literal, or, where the
   server has refused that, by its next command. */
static void go_on(struct imap_follow *f)
{
	switch (f->asks) {
	case IMAP_LITERAL_NONE:
		return;
	case IMAP_LITERAL_ASKED:
		follow_lose(f, "a literal was not waited with");
		break;
	case IMAP_LITERAL_INVITED:
		f->client.literal = f->asked;
		break;
	case IMAP_LITERAL_REFUSED:
		follow_forget(&f->client);
		break;
	}
	f->asks = IMAP_LITERAL_NONE;
}

void imap_follow_client(struct imap_follow *f, struct str bytes)
{
	while (bytes.len && !f->lost) {
		go_on(f);
		if (!f->lost && follow_take(&f->client, &bytes))
			client_line_ends(f);
	}
	follow_keep(f, &f->client);
}
