/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/follow_parts.h"
#include "wire/imap/set.h"

#include <stdlib.h>
#include <string.h>

static const struct word {
	struct str name;
	unsigned bits;
} words[] = {
	{ STR("CONDSTORE"), IMAP_FOLLOW_CONDSTORE },
	{ STR("QRESYNC"), IMAP_FOLLOW_QRESYNC | IMAP_FOLLOW_CONDSTORE },
	{ STR("IMAP4rev2"), IMAP_FOLLOW_REV2 },
	{ STR("UTF8=ACCEPT"), IMAP_FOLLOW_UTF8 },
};
#define N_WORDS (sizeof(words) / sizeof(words[0]))

void imap_follow_init(struct imap_follow *f)
{
	memset(f, 0, sizeof(*f));
}

void imap_follow_fini(struct imap_follow *f)
{
	imap_numbers_clear(&f->numbers);
	follow_forget(&f->client);
	follow_forget(&f->source);
	free(f->commands);
	f->commands = NULL;
	f->n_commands = f->room = 0;
}

void follow_lose(struct imap_follow *f, const char *why)
{
	if (!f->lost)
		f->lost = why;
	imap_numbers_clear(&f->numbers);
}

/* ---- lines ---- */

/* Parts of one call stand one behind the other in its bytes. */
static void add_to_head(struct imap_follow_line *l, struct str bytes)
{
	struct str taken = str_take(bytes, IMAP_FOLLOW_HEAD_MAX - l->head.len);

	if (l->kept && taken.len)
		memcpy(l->kept + l->head.len, taken.ptr, taken.len);
	else if (!l->head.len)
		l->head.ptr = taken.ptr;
	l->head.len += taken.len;
	l->is_cut |= taken.len < bytes.len;
}

void follow_keep(struct imap_follow *f, struct imap_follow_line *l)
{
	if (!f->lost && l->head.len && !l->kept) {
		l->kept = malloc(IMAP_FOLLOW_HEAD_MAX);
		if (!l->kept) {
			follow_lose(f, "no memory");
		} else {
			memcpy(l->kept, l->head.ptr, l->head.len);
			l->head.ptr = l->kept;
		}
	}
	if (f->lost)
		follow_forget(l);
}

static void keep_tail(struct imap_follow_line *l, struct str bytes)
{
	struct str last = bytes.len > sizeof(l->tail)
	                          ? str_skip(bytes, bytes.len - sizeof(l->tail))
	                          : bytes;
	size_t old = sizeof(l->tail) - last.len;

	old = l->tail_len < old ? l->tail_len : old;
	memmove(l->tail, l->tail + l->tail_len - old, old);
	if (last.len)
		memcpy(l->tail + old, last.ptr, last.len);
	l->tail_len = (uint8_t)(old + last.len);
}

void follow_forget(struct imap_follow_line *l)
{
	if (l->kept)
		explicit_bzero(l->kept, l->head.len); /* a second LOGIN, a message */
	free(l->kept);
	l->kept = NULL;
	l->head = STR_LIT("");
	l->tail_len = 0;
	l->is_cut = l->has_begun = false;
	l->literal = 0;
}

struct str follow_head(const struct imap_follow_line *l)
{
	return l->head;
}

/* The last line, without its end. */
enum imap_frame follow_announced(
	const struct imap_follow_line *l, struct imap_literal *ret)
{
	struct str line = str_of(l->tail, l->tail_len), before;

	while (line.len &&
		(line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
		line.len--;
	return imap_literal_announced(line, ret, &before);
}

/* Up to the end of a literal or a line, whichever comes first. true: a line has ended. */
bool follow_take(struct imap_follow_line *l, struct str *bytes)
{
	size_t end = str_index(*bytes, '\n');
	bool ends = !l->literal && end < bytes->len;
	struct str part = *bytes;

	if (l->literal && l->literal < part.len)
		part.len = (size_t)l->literal;
	else if (ends)
		part.len = end + 1;
	add_to_head(l, part);
	if (l->literal)
		l->literal -= part.len;
	else
		keep_tail(l, part);
	*bytes = str_skip(*bytes, part.len);
	return ends;
}

/* ---- commands under way ---- */

struct imap_follow_command *follow_find(struct imap_follow *f, struct str tag)
{
	for (unsigned i = 0; i < f->n_commands; i++)
		if (str_eq(str_of(f->commands[i].tag, f->commands[i].tag_len), tag))
			return &f->commands[i];
	return NULL;
}

void follow_drop(struct imap_follow *f, struct imap_follow_command *c)
{
	struct imap_follow_command *end = f->commands + --f->n_commands;

	memmove(c, c + 1, (size_t)((char *)end - (char *)c));
}

/* ---- what the server says ---- */

static struct imap_selection *subject(struct imap_follow *f)
{
	return f->selecting ? &f->pending : &f->selected;
}

static void exists(struct imap_follow *f, uint32_t n)
{
	struct imap_selection *s = subject(f);

	s->count = n;
	s->is_counted = true;
	if (n < f->numbers.n) /* only an expunge takes one away */
		imap_numbers_clear(&f->numbers);
}

static void expunged(struct imap_follow *f, uint64_t n)
{
	struct imap_selection *s = subject(f);

	if (n > s->count) {
		s->is_counted = false;
		imap_numbers_clear(&f->numbers);
	}
	s->count -= n <= s->count ? n : s->count;
}

/* "* VANISHED (EARLIER) 1:3" is of what the client never knew here. */
static void vanished(struct imap_follow *f, struct imap_cursor *c)
{
	struct arena arena;
	struct imap_set set;
	uint64_t n = 0;

	if (!imap_space(c) || imap_peek(c) == '(')
		return;
	arena_init(&arena);
	if (f->source.is_cut || !imap_set(c, &arena, &set) || set.saved) {
		subject(f)->is_counted = false;
		imap_numbers_clear(&f->numbers);
	} else {
		imap_set_resolve(&set, 0, NULL);
		for (size_t i = 0; i < set.count; i++) {
			struct imap_range gone = set.ranges[i];

			n += (uint64_t)gone.to - gone.from + 1;
			imap_numbers_vanish(&f->numbers, gone.from, gone.to);
		}
		expunged(f, n);
	}
	arena_fini(&arena);
}

static void enabled(struct imap_follow *f, struct imap_cursor *c)
{
	struct str name;

	while (imap_space(c) && imap_atom(c, &name)) {
		unsigned bits = 0;

		for (size_t i = 0; i < N_WORDS; i++)
			if (str_ieq(name, words[i].name))
				bits = words[i].bits;
		if (!bits)
			follow_lose(
				f, "an extension was enabled that cannot be carried on");
		f->enabled |= bits;
	}
	if (f->source.is_cut)
		follow_lose(f, "too much was enabled");
}

static void status_text(struct imap_follow *f, struct imap_cursor *c)
{
	struct str word;
	uint32_t n;

	if (!imap_space(c) || !imap_char(c, '['))
		return;
	if (imap_keyword(c, STR_LIT("UIDVALIDITY")) && imap_space(c) &&
		imap_number(c, &n))
		subject(f)->uidvalidity = n;
	else if (imap_atom(c, &word) && str_ieq(word, STR_LIT("READ-ONLY")))
		subject(f)->read_only = true;
}

static void untagged_number(struct imap_follow *f, struct imap_cursor *c, uint32_t n)
{
	if (!imap_space(c))
		return;
	if (imap_keyword(c, STR_LIT("EXISTS")))
		exists(f, n);
	else if (imap_keyword(c, STR_LIT("EXPUNGE"))) {
		imap_numbers_expunge(&f->numbers, n);
		expunged(f, 1);
	}
}

static void untagged(struct imap_follow *f, struct imap_cursor *c)
{
	uint32_t n;

	if (imap_number(c, &n))
		untagged_number(f, c, n);
	else if (imap_keyword(c, STR_LIT("OK")))
		status_text(f, c);
	else if (imap_keyword(c, STR_LIT("VANISHED")))
		vanished(f, c);
	else if (imap_keyword(c, STR_LIT("ENABLED")))
		enabled(f, c);
	else if (imap_keyword(c, STR_LIT("BYE")))
		follow_lose(f, "the server ends it");
}

static void continued(struct imap_follow *f)
{
	if (f->asks == IMAP_LITERAL_ASKED)
		f->asks = IMAP_LITERAL_INVITED;
	else if (f->idle == IMAP_IDLE_ASKED)
		f->idle = IMAP_IDLE_ON;
	else
		follow_lose(f, "the server goes on with nothing");
}

enum status { STATUS_OK, STATUS_NO, STATUS_BAD };

static bool read_status(struct imap_cursor *c, enum status *ret)
{
	static const struct str names[] = { STR("OK"), STR("NO"), STR("BAD") };

	for (unsigned i = 0; i < 3; i++)
		if (imap_keyword(c, names[i])) {
			*ret = (enum status)i;
			return true;
		}
	return false;
}

/* RFC 3501, 6.3.1: after NO nothing is selected; what BAD means is the server's. */
static void select_ends(struct imap_follow *f, uint32_t number, enum status status)
{
	static const enum imap_selection_state without[] = {
		[STATUS_NO] = IMAP_SELECTION_NONE,
		[STATUS_BAD] = IMAP_SELECTION_DOUBTFUL,
	};
	bool is_last = number == f->selecting;

	imap_numbers_clear(&f->numbers);
	if (status == STATUS_OK && is_last) {
		f->selected = f->pending;
	} else if (status == STATUS_OK) {
		f->selected.state = IMAP_SELECTION_DOUBTFUL; /* until the next one */
		f->pending.is_counted = false;
		f->pending.uidvalidity = 0;
	} else {
		memset(&f->selected, 0, sizeof(f->selected));
		f->selected.state = without[status];
	}
	if (is_last)
		f->selecting = 0;
}

static void conclude(
	struct imap_follow *f, const struct imap_follow_command *c, enum status status)
{
	switch ((enum kind)c->kind) {
	case KIND_SELECT:
	case KIND_EXAMINE:
		select_ends(f, c->number, status);
		break;
	case KIND_CLOSE:
		imap_numbers_clear(&f->numbers);
		if (status == STATUS_OK && !f->selecting)
			memset(&f->selected, 0, sizeof(f->selected));
		break;
	case KIND_RENAME:
		if (status == STATUS_OK && f->selected.state == IMAP_SELECTION_KNOWN)
			f->selected.state = IMAP_SELECTION_DOUBTFUL;
		break;
	case KIND_IDLE:
		f->idle = IMAP_IDLE_NONE;
		break;
	case KIND_LOSES:
		if (status == STATUS_OK)
			follow_lose(f, "a command that cannot be carried on");
		break;
	case KIND_PLAIN:
	case KIND_MAY_COUNT:
	case KIND_SEARCH:
	case KIND_LOGOUT:
	case KIND_NOT_HERE:
	case KIND_COUNT:
		break;
	}
}

/* The client's command that is not all here yet. */
static bool is_half_said(const struct imap_follow *f, struct str tag)
{
	struct imap_cursor c = imap_lenient_cursor(follow_head(&f->client));
	struct str half;

	return f->client.has_begun && imap_tag(&c, &half) && str_eq(half, tag);
}

static void tagged(struct imap_follow *f, struct imap_cursor *c)
{
	struct imap_follow_command *command, copy;
	enum status status;
	struct str tag;

	if (!imap_tag(c, &tag) || !imap_space(c) || !read_status(c, &status)) {
		follow_lose(f, "an answer is not understood");
		return;
	}
	command = follow_find(f, tag);
	if (!command) {
		follow_lose(f, "an answer is to no command");
		return;
	}
	copy = *command;
	status_text(f, c);
	follow_drop(f, command);
	if (f->asks == IMAP_LITERAL_ASKED && is_half_said(f, tag))
		f->asks = IMAP_LITERAL_REFUSED;
	conclude(f, &copy, status);
}

/* Only data has literals: a text that ends like one could mean either. */
static bool may_have_literals(struct str head)
{
	static const struct str texts[] = { STR("OK"), STR("NO"), STR("BAD"), STR("BYE"),
		STR("PREAUTH") };
	struct imap_cursor c = imap_lenient_cursor(head);

	if (!imap_char(&c, '*') || !imap_space(&c))
		return false;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (imap_keyword(&c, texts[i]))
			return false;
	return true;
}

static void source_line_ends(struct imap_follow *f)
{
	struct imap_cursor c = imap_lenient_cursor(follow_head(&f->source));
	struct imap_literal literal;
	enum imap_frame is = follow_announced(&f->source, &literal);

	if (is != IMAP_FRAME_COMMAND) {
		f->source.tail_len = 0;
		if (is == IMAP_FRAME_LITERAL && may_have_literals(c.rest))
			f->source.literal = literal.size;
		else
			follow_lose(f, "a literal is in no place for one");
		return;
	}
	if (imap_char(&c, '+'))
		continued(f);
	else if (!imap_char(&c, '*'))
		tagged(f, &c);
	else if (imap_space(&c))
		untagged(f, &c);
	else
		follow_lose(f, "a response is not understood");
	follow_forget(&f->source);
}

void imap_follow_source(struct imap_follow *f, struct str bytes)
{
	while (bytes.len && !f->lost)
		if (follow_take(&f->source, &bytes))
			source_line_ends(f);
	follow_keep(f, &f->source);
}

uint64_t imap_follow_skips(const struct imap_follow *f)
{
	return f->lost ? UINT64_MAX : f->source.literal;
}

void imap_follow_skipped(struct imap_follow *f, uint64_t n)
{
	if (f->lost)
		return;
	f->source.is_cut = true;
	f->source.literal -= n < f->source.literal ? n : f->source.literal;
}

/* ---- may it cross ---- */

static bool is_client_between(const struct imap_follow *f)
{
	return f->asks == IMAP_LITERAL_REFUSED ||
	       (f->asks == IMAP_LITERAL_NONE && !f->client.head.len &&
		       !f->client.literal);
}

static bool is_selection_known(const struct imap_follow *f)
{
	const struct imap_selection *s = &f->selected;

	if (s->state == IMAP_SELECTION_KNOWN)
		return s->uidvalidity && s->is_counted && !s->keeps_results &&
		       !s->is_too_scattered;
	return s->state == IMAP_SELECTION_NONE;
}

bool imap_follow_can_cross(const struct imap_follow *f)
{
	return !f->lost && !f->leaves && is_client_between(f) &&
	       (f->selecting || is_selection_known(f));
}

bool imap_follow_is_between(const struct imap_follow *f)
{
	return !f->lost && !f->source.head.len && !f->source.literal && !f->n_commands;
}

bool imap_follow_is_quiet(const struct imap_follow *f)
{
	return imap_follow_can_cross(f) && !f->source.head.len && !f->source.literal &&
	       f->n_commands == (f->idle == IMAP_IDLE_ON);
}

struct str imap_follow_idle_tag(const struct imap_follow *f)
{
	for (unsigned i = 0; f->idle == IMAP_IDLE_ON && i < f->n_commands; i++)
		if (f->commands[i].kind == KIND_IDLE)
			return str_of(f->commands[i].tag, f->commands[i].tag_len);
	return STR_LIT("");
}

void imap_follow_idle_ended(struct imap_follow *f)
{
	struct imap_follow_command *c = follow_find(f, imap_follow_idle_tag(f));

	if (c)
		follow_drop(f, c);
	f->idle = IMAP_IDLE_NONE;
}

int imap_follow_enabled_words(unsigned bits, struct buf *out)
{
	int r = 0;

	for (size_t i = 0; i < N_WORDS && r == 0; i++) {
		if ((bits & words[i].bits) != words[i].bits)
			continue;
		if (buf_len(out))
			r = buf_byte(out, ' ');
		if (r == 0)
			r = buf_append(out, words[i].name);
	}
	return r;
}
