/* SPDX-License-Identifier: GPL-3.0-or-later */
/* LIST and LSUB (RFC 3501, 6.3.8 and 6.3.9), with LIST-EXTENDED (RFC 5258), SPECIAL-USE
   (RFC 6154), LIST-STATUS (RFC 5819), LIST-MYRIGHTS (RFC 8440); XLIST as Gmail had it
   before there was SPECIAL-USE. */
#include "mailstore/serve/acl.h"
#include "mailstore/serve/imap_commands.h"
#include "mailstore/serve/names.h"
#include "mailstore/serve/notify.h"
#include "mailstore/serve/status.h"
#include "wire/imap/encode.h"
#include "wire/imap/pattern.h"

#include <errno.h>
#include <stdlib.h>

#define PATTERNS_MAX 64    /* in one LIST; clients send up to a handful */
#define STEP_BYTES 4000000 /* patterns times names: some milliseconds */
#define STEP_NAMES 1000

enum list_option { /* bits: of selection, and of what to return */
	LIST_SUBSCRIBED = 1 << 0,
	LIST_SPECIAL_USE = 1 << 1,
	LIST_RECURSIVE = 1 << 2,
	LIST_REMOTE = 1 << 3,
	LIST_CHILDREN = 1 << 4,
	LIST_MYRIGHTS = 1 << 5,
};

static const struct option_row {
	struct str name;
	enum list_option option;
	bool selects, returns;
} option_rows[] = {
	{ STR("SUBSCRIBED"), LIST_SUBSCRIBED, true, true },
	{ STR("SPECIAL-USE"), LIST_SPECIAL_USE, true, true },
	{ STR("RECURSIVEMATCH"), LIST_RECURSIVE, true, false },
	{ STR("REMOTE"), LIST_REMOTE, true, false },
	{ STR("CHILDREN"), LIST_CHILDREN, false, true },
	{ STR("MYRIGHTS"), LIST_MYRIGHTS, false, true },
};

enum list_verb { LIST, LSUB, XLIST };

struct listing {
	struct imap *s;
	const char *name; /* of the verb */
	enum list_verb verb;
	bool lsub;
	bool extended; /* in the syntax of RFC 5258 */
	unsigned select, returns;
	unsigned status; /* enum status_item */
	struct str reference;
	struct str patterns[PATTERNS_MAX];
	size_t n_patterns;
	struct names names;
	unsigned char *found; /* enum match of each name, as far as it was compared */
	size_t compared, next;
	uint64_t pattern_bytes;
};

enum match { NO_MATCH, MATCH, MATCH_AS_LEVEL /* a pattern that ends with "%" */ };

/* ── arguments ─────────────────────────────────────────────────────────────────────── */

static unsigned option_by_name(struct str name, bool selecting)
{
	for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++)
		if (str_ieq(name, option_rows[i].name) &&
			(selecting ? option_rows[i].selects : option_rows[i].returns))
			return option_rows[i].option;
	return 0;
}

static bool parse_option(struct listing *l, struct imap_cursor *c, bool selecting)
{
	struct str name;
	unsigned option;

	if (!imap_atom(c, &name))
		return false;
	if (!selecting && str_ieq(name, STR_LIT("STATUS")))
		return imap_space(c) && status_items(c, &l->status);
	option = option_by_name(name, selecting);
	*(selecting ? &l->select : &l->returns) |= option;
	return option != 0;
}

static bool parse_options(struct listing *l, struct imap_cursor *c, bool selecting)
{
	if (!imap_char(c, '('))
		return false;
	l->extended = true;
	if (imap_char(c, ')'))
		return true;
	do {
		if (!parse_option(l, c, selecting))
			return false;
	} while (imap_space(c));
	return imap_char(c, ')');
}

static bool add_pattern(struct listing *l, struct imap_cursor *c)
{
	struct str pattern, joined;
	struct buf text;

	if (l->n_patterns == PATTERNS_MAX ||
		!imap_list_mailbox(c, &l->s->arena, &pattern))
		return false;
	buf_init(&text, 0);
	if (buf_append(&text, l->reference) < 0 || buf_append(&text, pattern) < 0)
		joined = (struct str){ 0 };
	else
		joined = arena_str(&l->s->arena, buf_view(&text));
	buf_fini(&text);
	if (joined.ptr && !imap_name_from_client(l->s, &joined))
		return false;
	l->patterns[l->n_patterns++] = pattern.len ? joined : STR_LIT("");
	l->pattern_bytes += joined.len + 1;
	return joined.ptr != NULL;
}

static bool parse_patterns(struct listing *l, struct imap_cursor *c)
{
	if (l->lsub || !imap_char(c, '('))
		return add_pattern(l, c);
	l->extended = true;
	do {
		if (!add_pattern(l, c))
			return false;
	} while (imap_space(c));
	return imap_char(c, ')');
}

static bool parse_list(struct listing *l, struct imap_cursor *c)
{
	if (!imap_space(c))
		return false;
	if (!l->lsub && imap_peek(c) == '(' &&
		(!parse_options(l, c, true) || !imap_space(c)))
		return false;
	if (!imap_astring(c, &l->s->arena, &l->reference) || !imap_space(c) ||
		!parse_patterns(l, c))
		return false;
	if (!l->lsub && imap_space(c) &&
		(!imap_keyword(c, STR_LIT("RETURN")) || !imap_space(c) ||
			!parse_options(l, c, false)))
		return false;
	/* RFC 5258, 3.1: it modifies another option */
	if ((l->select & LIST_RECURSIVE) &&
		!(l->select & (LIST_SUBSCRIBED | LIST_SPECIAL_USE)))
		return false;
	return imap_end(c);
}

/* ── selection ─────────────────────────────────────────────────────────────────────── */

static enum match match(const struct listing *l, const struct node *node)
{
	enum match found = NO_MATCH;

	for (size_t i = 0; i < l->n_patterns && found != MATCH_AS_LEVEL; i++) {
		struct str pattern = l->patterns[i];

		if (!imap_pattern_match(pattern, node->name, node->separator))
			continue;
		found = pattern.len && pattern.ptr[pattern.len - 1] == '%'
		                ? MATCH_AS_LEVEL
		                : MATCH;
	}
	return found;
}

/* Some of the names. */
static void compare_names(struct listing *l)
{
	uint64_t cost = 0;

	while (l->compared < l->names.count && cost < STEP_BYTES) {
		const struct node *node = &l->names.nodes[l->compared];

		l->found[l->compared++] = (unsigned char)match(l, node);
		cost += l->pattern_bytes * (node->name.len + 1);
	}
}

static bool is_chosen(const struct listing *l, const struct node *node)
{
	if ((l->lsub || (l->select & LIST_SUBSCRIBED)) && !node->subscribed)
		return false;
	if ((l->select & LIST_SPECIAL_USE) &&
		(!node->mailbox || !node->mailbox->special_use.len))
		return false;
	return node->mailbox || node->subscribed;
}

/* Something that was chosen lies below it and is not listed by itself: CHILDINFO of
   RECURSIVEMATCH, and what LSUB shows for "%". */
static bool has_chosen_below(const struct listing *l, size_t index)
{
	for (size_t i = names_first_below(&l->names, index);
		i < l->names.count && names_is_below(&l->names, index, i); i++)
		if (is_chosen(l, &l->names.nodes[i]) && l->found[i] == NO_MATCH)
			return true;
	return false;
}

enum shown { NOT_SHOWN, SHOWN, SHOWN_AS_LEVEL };

static enum shown shown(const struct listing *l, size_t index)
{
	const struct node *node = &l->names.nodes[index];
	bool level = l->found[index] == MATCH_AS_LEVEL;

	if (l->found[index] == NO_MATCH)
		return NOT_SHOWN;
	if (is_chosen(l, node) && (l->lsub || l->select || node->mailbox))
		return SHOWN;
	if ((l->select & LIST_SPECIAL_USE) && !(l->select & LIST_RECURSIVE))
		return NOT_SHOWN;
	if (l->lsub || l->select)
		return (level || (l->select & LIST_RECURSIVE)) &&
		                       (l->lsub || (l->select & LIST_RECURSIVE)) &&
		                       has_chosen_below(l, index)
		               ? SHOWN_AS_LEVEL
		               : NOT_SHOWN;
	/* RFC 3501, 6.3.8: "%" at the end also finds levels that are no mailboxes */
	return level && names_has_children(&l->names, index) ? SHOWN_AS_LEVEL : NOT_SHOWN;
}

/* ── answers ───────────────────────────────────────────────────────────────────────── */

struct attributes {
	struct buf *out;
	int result;
	const char *gap;
};

static void put_attribute(struct attributes *a, struct str name)
{
	if (a->result == 0)
		a->result = buf_printf(a->out, "%s%.*s", a->gap, STR_ARG(name));
	a->gap = " ";
}

static void put_mailbox_attributes(
	struct attributes *a, const struct listing *l, const struct node *node)
{
	unsigned bits = node->mailbox ? node->mailbox->attributes : 0;

	if (bits & MAILBOX_NOINFERIORS)
		put_attribute(a, STR_LIT("\\Noinferiors"));
	if (bits & MAILBOX_NOSELECT)
		put_attribute(a, STR_LIT("\\Noselect"));
	if ((bits & MAILBOX_NONEXISTENT) || (!node->mailbox && l->select))
		put_attribute(a, STR_LIT("\\NonExistent"));
	else if (!node->mailbox)
		put_attribute(a, STR_LIT("\\Noselect"));
}

static void put_special_use(struct attributes *a, const struct node *node)
{
	if (node->mailbox && node->mailbox->special_use.len)
		put_attribute(a, node->mailbox->special_use);
}

static void put_xlist_use(struct attributes *a, const struct node *node)
{
	static const struct {
		struct str use, name;
	} rows[] = {
		{ STR("\\All"), STR("\\AllMail") },
		{ STR("\\Flagged"), STR("\\Starred") },
		{ STR("\\Junk"), STR("\\Spam") },
	};
	struct str use = node->mailbox ? node->mailbox->special_use : STR_LIT("");

	if (imap_is_inbox(node->name))
		put_attribute(a, STR_LIT("\\Inbox"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_ieq(use, rows[i].use))
			use = rows[i].name;
	if (use.len)
		put_attribute(a, use);
}

static int put_attributes(const struct listing *l, size_t index, enum shown how)
{
	const struct node *node = &l->names.nodes[index];
	struct attributes a = { imap_out(l->s), 0, "" };

	if (l->lsub) {
		if (how == SHOWN_AS_LEVEL)
			put_attribute(&a, STR_LIT("\\Noselect"));
		else /* Dovecot shows it here too, and who has seen it goes on seeing it
		      */
			put_special_use(&a, node);
		return a.result;
	}
	put_mailbox_attributes(&a, l, node);
	put_attribute(&a, names_has_children(&l->names, index)
				  ? STR_LIT("\\HasChildren")
				  : STR_LIT("\\HasNoChildren"));
	if (l->verb == XLIST)
		put_xlist_use(&a, node);
	else
		put_special_use(&a, node);
	if (node->subscribed && ((l->select | l->returns) & LIST_SUBSCRIBED))
		put_attribute(&a, STR_LIT("\\Subscribed"));
	return a.result;
}

static int put_separator(struct buf *out, char separator)
{
	if (!separator)
		return buf_append_c(out, " NIL ");
	if (separator == '\\' || separator == '"')
		return buf_printf(out, " \"\\%c\" ", separator);
	return buf_printf(out, " \"%c\" ", separator);
}

/* RFC 5258, 4: which of the selection options something below it meets. */
static int put_child_info(const struct listing *l)
{
	const char *subscribed = l->select & LIST_SUBSCRIBED ? "\"SUBSCRIBED\"" : "";
	const char *special = l->select & LIST_SPECIAL_USE ? "\"SPECIAL-USE\"" : "";

	return buf_printf(imap_out(l->s), " (\"CHILDINFO\" (%s%s%s))", subscribed,
		*subscribed && *special ? " " : "", special);
}

static int put_line(const struct listing *l, size_t index, enum shown how)
{
	const struct node *node = &l->names.nodes[index];
	struct buf *out = imap_out(l->s);
	int r = buf_printf(out, "* %s (", l->name);

	if (r == 0)
		r = put_attributes(l, index, how);
	if (r == 0)
		r = buf_byte(out, ')');
	if (r == 0)
		r = put_separator(out, node->separator);
	if (r == 0)
		r = imap_put_mailbox(l->s, node->name);
	if (r == 0 && (l->select & LIST_RECURSIVE) && has_chosen_below(l, index))
		r = put_child_info(l);
	return r < 0 ? r : buf_append_c(out, "\r\n");
}

/* What RETURN asks for of mailboxes that were listed by themselves. */
static int put_returned(const struct listing *l, const struct node *node)
{
	const unsigned unreal = MAILBOX_NOSELECT | MAILBOX_NONEXISTENT;
	int r = 0;

	if (!node->mailbox || (node->mailbox->attributes & MAILBOX_NONEXISTENT))
		return 0;
	if (l->returns & LIST_MYRIGHTS)
		r = acl_put_my_rights(l->s, node->name);
	if (r == 0 && l->status && !(node->mailbox->attributes & unreal))
		r = status_put(l->s, node->mailbox, l->status);
	return r;
}

/* An empty pattern asks for the separator and the root (RFC 3501, 6.3.8), but not in the
   extended syntax (RFC 5258, 3): there it means nothing. */
static int put_root(const struct listing *l)
{
	int r = buf_printf(imap_out(l->s), "* %s (\\Noselect)", l->name);

	if (r == 0)
		r = put_separator(imap_out(l->s), l->names.separator);
	return r < 0 ? r : buf_append_c(imap_out(l->s), "\"\"\r\n");
}

static int put_name(const struct listing *l, size_t index)
{
	enum shown how = shown(l, index);
	int r = how == NOT_SHOWN ? 0 : put_line(l, index, how);

	return r < 0 || how != SHOWN ? r : put_returned(l, &l->names.nodes[index]);
}

static void finish(struct listing *l)
{
	static const char *const nouns[] = {
		[LIST] = "List", [LSUB] = "Lsub", [XLIST] = "Xlist"
	};

	imap_done(l->s, IMAP_OK, "%s completed.", nouns[l->verb]);
}

/* The names are of one moment, and told as the client takes them. */
static enum service_need step(struct imap *s)
{
	struct listing *l = s->job.data;

	if (output_is_full(&s->session->out))
		return SERVICE_OUTPUT;
	if (l->compared < l->names.count) {
		compare_names(l);
		return SERVICE_AGAIN;
	}
	for (size_t n = 0;
		n < STEP_NAMES && l->next < l->names.count &&
		!output_is_full(&s->session->out) && s->phase == IMAP_PHASE_JOB;
		n++)
		imap_wrote(s, put_name(l, l->next++));
	if (s->phase == IMAP_PHASE_JOB && l->next == l->names.count)
		finish(l);
	return SERVICE_AGAIN;
}

static void begin(struct imap *s, struct listing *l)
{
	if (!l->extended && !l->patterns[0].len) {
		imap_wrote(s, put_root(l));
		finish(l);
		return;
	}
	l->found = arena_alloc(&s->arena, l->names.count + 1);
	if (!l->found) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	s->job = (struct imap_job){ .step = step, .data = l };
	s->phase = IMAP_PHASE_JOB;
}

static void list(struct imap *s, struct imap_cursor *args, enum list_verb verb)
{
	static const char *const names[] = {
		[LIST] = "LIST", [LSUB] = "LSUB", [XLIST] = "XLIST"
	};
	struct listing *l = arena_alloc(&s->arena, sizeof(*l));
	struct error err = { 0 };

	if (!l) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	*l = (struct listing){
		.s = s, .name = names[verb], .verb = verb, .lsub = verb == LSUB
	};
	if (!parse_list(l, args)) {
		imap_bad_arguments(s);
		return;
	}
	if (names_load(s->serve->store, &s->arena, &l->names, &err) < 0) {
		imap_failed(s, &err);
		return;
	}
	if (l->status & STATUS_HIGHESTMODSEQ)
		imap_enable_condstore(s);
	begin(s, l);
}

void cmd_list(struct imap *s, struct imap_cursor *args)
{
	list(s, args, LIST);
}

void cmd_lsub(struct imap *s, struct imap_cursor *args)
{
	list(s, args, LSUB);
}

void cmd_xlist(struct imap *s, struct imap_cursor *args)
{
	list(s, args, XLIST);
}

/* What NOTIFY and SELECT say of a mailbox; of one that is not there, that it is not. */
static int put_mailbox(struct listing *l, struct str name, struct str old_name)
{
	struct buf *out = imap_out(l->s);
	struct node none = { .name = name, .separator = l->names.separator };
	const struct node *node = &none;
	size_t index = names_find(&l->names, name);
	int r;

	r = buf_append_c(out, "* LIST (");
	if (index < l->names.count) {
		node = &l->names.nodes[index];
		r = r < 0 ? r : put_attributes(l, index, SHOWN);
	} else {
		r = r < 0 ? r : buf_append_c(out, "\\NonExistent");
	}
	if (r == 0)
		r = buf_byte(out, ')');
	if (r == 0)
		r = put_separator(out, node->separator);
	if (r == 0)
		r = imap_put_mailbox(l->s, name);
	if (r == 0 && old_name.len) {
		r = buf_append_c(out, " (\"OLDNAME\" (");
		r = r < 0 ? r : imap_put_mailbox(l->s, old_name);
		r = r < 0 ? r : buf_append_c(out, "))");
	}
	return r < 0 ? r : buf_append_c(out, "\r\n");
}

int list_put_mailbox(
	struct imap *s, const struct names *names, struct str name, struct str old_name)
{
	struct listing *l = calloc(1, sizeof(*l));
	struct arena arena;
	int r = l ? 0 : -ENOMEM;

	arena_init(&arena);
	if (r == 0) {
		*l = (struct listing){ .s = s, .returns = LIST_SUBSCRIBED };
		if (names)
			l->names = *names;
		else
			r = names_load(s->serve->store, &arena, &l->names, NULL);
	}
	if (r == 0)
		r = put_mailbox(l, name, old_name);
	arena_fini(&arena);
	free(l);
	return r;
}
