/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NAMESPACE, SUBSCRIBE, CREATE, DELETE, RENAME (RFC 3501, 6.3.3 to 6.3.7; RFC 2342). */
#include "mailstore/serve/imap_commands.h"
#include "mailstore/serve/names.h"
#include "wire/imap/encode.h"
#include "wire/imap/flags.h"
#include "wire/imap/pattern.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Each LIST, NOTIFY and RENAME looks at all names and at the levels above them. What
   comes from a source may be more. */
#define MAILBOXES_MAX 10000 /* and as many subscriptions */
#define LEVELS_MAX 64

/* ── NAMESPACE ─────────────────────────────────────────────────────────────────────── */

static int put_namespace(struct buf *out, const struct name_space *space)
{
	const char separator[] = { space->separator, '\0' };
	int r = buf_append_c(out, "* NAMESPACE ");

	if (space->answer.ptr) {
		r = r < 0 ? r : buf_append(out, space->answer);
		return r < 0 ? r : buf_append_c(out, "\r\n");
	}
	if (r == 0)
		r = buf_append_c(out, "((");
	if (r == 0)
		r = imap_put_nstring(out, space->prefix);
	if (r == 0)
		r = buf_byte(out, ' ');
	if (r == 0)
		r = imap_put_quoted(out, str_from(separator));
	return r < 0 ? r : buf_append_c(out, ")) NIL NIL\r\n");
}

static bool load_space(struct imap *s, struct name_space *ret)
{
	struct error err = { 0 };

	if (names_space(s->serve->store, &s->arena, ret, &err) == 0)
		return true;
	imap_failed(s, &err);
	return false;
}

void cmd_namespace(struct imap *s, struct imap_cursor *args)
{
	struct name_space space;

	if (!imap_no_more(s, args) || !load_space(s, &space))
		return;
	imap_wrote(s, put_namespace(imap_out(s), &space));
	imap_done(s, IMAP_OK, "Namespace completed.");
}

/* ── names ─────────────────────────────────────────────────────────────────────────── */

static bool parse_name(struct imap *s, struct imap_cursor *args, struct str *ret)
{
	if (imap_space(args) && imap_mailbox(s, args, ret) && imap_end(args))
		return true;
	imap_bad_arguments(s);
	return false;
}

static bool has_odd_byte(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];

		if (c < 0x20 || c == 0x7f || c == '%' || c == '*')
			return true;
	}
	return false;
}

/* A level without a name: "/a", "a//b", "a/". */
static bool has_empty_level(struct str name, char separator)
{
	bool empty = true;

	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == separator && empty)
			return true;
		empty = name.ptr[i] == separator;
	}
	return empty;
}

static bool is_in_space(const struct name_space *space, struct str name)
{
	if (imap_is_inbox(name) || !space->prefix.len)
		return true;
	return name.len > space->prefix.len && str_istarts(name, space->prefix);
}

static bool is_too_deep(struct str name, char separator)
{
	size_t levels = 1;

	for (size_t i = 0; i < name.len; i++)
		levels += separator && name.ptr[i] == separator;
	return levels > LEVELS_MAX;
}

/* What is wrong with the name of a new mailbox; NULL: nothing. */
static const char *name_problem(const struct name_space *space, struct str name)
{
	if (name.len > STORE_NAME_MAX)
		return "[CANNOT] Mailbox name is too long.";
	if (has_odd_byte(name))
		return "[CANNOT] Mailbox name has a character that none may have.";
	if (has_empty_level(name, space->separator))
		return "[CANNOT] Mailbox name has an empty level.";
	if (!is_in_space(space, name))
		return "[CANNOT] Mailbox name is outside of the namespace.";
	if (is_too_deep(name, space->separator))
		return "[LIMIT] Mailbox name has too many levels.";
	return NULL;
}

/* A mailbox above that one which may have no children; mail clients show the reason. */
static bool has_childless_parent(
	struct imap *s, const struct name_space *space, struct str name)
{
	struct mailbox m;

	for (size_t i = 1; i < name.len; i++)
		if (name.ptr[i] == space->separator &&
			store_find_mailbox(s->serve->store, str_take(name, i), &s->arena,
				&m, NULL) == 0 &&
			(m.attributes & MAILBOX_NOINFERIORS))
			return true;
	return false;
}

static bool check_new_name(
	struct imap *s, const struct name_space *space, struct str name)
{
	const char *problem = name_problem(space, name);

	if (!problem && has_childless_parent(s, space, name))
		problem = "[CANNOT] The mailbox above may have no others below it.";
	if (problem)
		imap_done(s, IMAP_NO, "%s", problem);
	return !problem;
}

static bool check_count(struct imap *s)
{
	struct store_counts counts;

	if (store_counts(s->serve->store, &counts, NULL) < 0 ||
		counts.mailboxes < MAILBOXES_MAX)
		return true;
	imap_done(s, IMAP_NO, "[LIMIT] There are too many mailboxes.");
	return false;
}

/* ── SUBSCRIBE ─────────────────────────────────────────────────────────────────────── */

struct subscribing {
	struct store *store;
	struct str name;
	bool subscribed;
};

static int subscribe(void *context, struct error *err)
{
	struct subscribing *w = context;

	return store_subscribe(w->store, w->name, w->subscribed, err);
}

/* A name need not be that of a mailbox. */
static bool may_subscribe(struct imap *s, struct str name)
{
	struct store_counts counts;
	struct name_space space;
	struct mailbox m;

	if (store_is_subscribed(s->serve->store, name))
		return true;
	if (store_counts(s->serve->store, &counts, NULL) < 0 ||
		names_space(s->serve->store, &s->arena, &space, NULL) < 0)
		return true; /* the change itself says why */
	return counts.subscriptions < MAILBOXES_MAX &&
	       (!is_too_deep(name, space.separator) ||
		       store_find_mailbox(s->serve->store, name, &s->arena, &m, NULL) ==
			       0);
}

static void change_subscription(struct imap *s, struct imap_cursor *args, bool on)
{
	struct subscribing w = { .store = s->serve->store, .subscribed = on };

	if (!parse_name(s, args, &w.name))
		return;
	if (!w.name.len || w.name.len > STORE_NAME_MAX)
		imap_done(s, IMAP_NO, "[CANNOT] Not a mailbox name.");
	else if (on && !may_subscribe(s, w.name))
		imap_done(s, IMAP_NO, "[LIMIT] There are too many subscriptions.");
	else if (imap_transaction(s, subscribe, &w) == 0)
		imap_done(s, IMAP_OK, "%s completed.", on ? "Subscribe" : "Unsubscribe");
}

void cmd_subscribe(struct imap *s, struct imap_cursor *args)
{
	change_subscription(s, args, true);
}

void cmd_unsubscribe(struct imap *s, struct imap_cursor *args)
{
	change_subscription(s, args, false);
}

/* ── CREATE ────────────────────────────────────────────────────────────────────────── */

struct creating {
	struct store *store;
	struct mailbox
		mailbox; /* id: one that could not be selected becomes a real one */
};

/* RFC 6154, 3. \All and \Flagged would be views of other mailboxes: there are none. */
static bool is_use(struct str word)
{
	static const struct str words[] = { STR("\\Archive"), STR("\\Drafts"),
		STR("\\Junk"), STR("\\Sent"), STR("\\Trash"), STR("\\Important") };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_ieq(word, words[i]))
			return true;
	return false;
}

/* " (USE (\Sent \Trash))" when it is there. *ret_ok: we can give it all of them. */
static bool parse_use(
	struct imap *s, struct imap_cursor *c, struct str *ret, bool *ret_ok)
{
	unsigned bits = 0;

	*ret = STR_LIT("");
	*ret_ok = true;
	if (!imap_space(c))
		return true;
	if (!imap_char(c, '(') || !imap_keyword(c, STR_LIT("USE")) || !imap_space(c) ||
		!imap_flags(c, &s->arena, &bits, ret) || !imap_char(c, ')'))
		return false;
	*ret_ok = !bits;
	for (struct str words = *ret; words.len;)
		*ret_ok &= is_use(str_split(&words, ' '));
	return true;
}

static int create(void *context, struct error *err)
{
	struct creating *w = context;
	int64_t id = 0;
	int code;

	if (w->mailbox.id)
		return store_update_mailbox(w->store, &w->mailbox, err);
	code = store_create_mailbox(w->store, &w->mailbox, &id, err);
	if (code == 0)
		w->mailbox.id = id;
	return code;
}

void cmd_create(struct imap *s, struct imap_cursor *args)
{
	struct creating w = { .store = s->serve->store };
	const unsigned unreal = MAILBOX_NOSELECT | MAILBOX_NONEXISTENT;
	struct name_space space;
	struct str name, use;
	bool use_ok;

	if (!imap_space(args) || !imap_mailbox(s, args, &name) ||
		!parse_use(s, args, &use, &use_ok) || !imap_end(args)) {
		imap_bad_arguments(s);
		return;
	}
	if (!load_space(s, &space))
		return;
	if (!use_ok) {
		imap_done(s, IMAP_NO, "[USEATTR] A mailbox cannot have that use here.");
		return;
	}
	if (name.len > 1 && name.ptr[name.len - 1] == space.separator)
		name.len--; /* "others will be below it": they may always be */
	if (!check_new_name(s, &space, name))
		return;
	if (store_find_mailbox(w.store, name, &s->arena, &w.mailbox, NULL) < 0) {
		if (!check_count(s))
			return;
		w.mailbox = (struct mailbox){
			.name = name, .separator = space.separator, .special_use = use
		};
	} else if (!(w.mailbox.attributes & unreal)) {
		imap_done(s, IMAP_NO, "[ALREADYEXISTS] Mailbox already exists.");
		return;
	}
	w.mailbox.attributes &= ~unreal;
	if (use.len)
		w.mailbox.special_use = use;
	if (imap_transaction(s, create, &w) == 0)
		imap_done(s, IMAP_OK, "[MAILBOXID (F%" PRId64 ")] Create completed.",
			w.mailbox.id);
}

/* ── DELETE ────────────────────────────────────────────────────────────────────────── */

struct deleting {
	struct store *store;
	int64_t id;
};

static int delete (void *context, struct error *err)
{
	struct deleting *w = context;

	return store_delete_mailbox(w->store, w->id, err);
}

static bool has_children(struct imap *s, struct str name)
{
	struct names names;
	size_t index;

	if (names_load(s->serve->store, &s->arena, &names, NULL) < 0)
		return true;
	index = names_find(&names, name);
	return index < names.count && names_has_children(&names, index);
}

void cmd_delete(struct imap *s, struct imap_cursor *args)
{
	struct deleting w = { .store = s->serve->store };
	struct error err = { 0 };
	struct mailbox m;
	struct str name;
	int code;

	if (!parse_name(s, args, &name))
		return;
	if (imap_is_inbox(name)) {
		imap_done(s, IMAP_NO, "[CANNOT] INBOX cannot be deleted.");
		return;
	}
	code = store_find_mailbox(w.store, name, &s->arena, &m, &err);
	/* RFC 3501, 6.3.4; a real one with children leaves a name above them */
	if ((code == -ENOENT || (code == 0 && (m.attributes & MAILBOX_NOSELECT))) &&
		has_children(s, name)) {
		imap_done(s, IMAP_NO, "[HASCHILDREN] There are mailboxes below it.");
		return;
	}
	if (code < 0) {
		imap_failed(s, &err);
		return;
	}
	w.id = m.id;
	if (s->state == IMAP_SELECTED && s->view.mailbox == m.id)
		imap_unselect(s);
	if (imap_transaction(s, delete, &w) == 0)
		imap_done(s, IMAP_OK, "Delete completed.");
}

/* ── RENAME ────────────────────────────────────────────────────────────────────────── */

struct renaming {
	struct imap *s;
	struct names names;
	struct str from, to;
	char separator;
	size_t count;
};

static struct str new_name(const struct renaming *w, struct str name)
{
	size_t len = w->to.len + name.len - w->from.len;
	char *text = arena_alloc(&w->s->arena, len + 1);

	if (!text)
		return (struct str){ 0 };
	memcpy(text, w->to.ptr, w->to.len);
	memcpy(text + w->to.len, name.ptr + w->from.len, name.len - w->from.len);
	return str_of(text, len);
}

static bool is_renamed(const struct renaming *w, const struct node *node)
{
	return node->mailbox && str_starts(node->name, w->from) &&
	       (node->name.len == w->from.len ||
		       node->name.ptr[w->from.len] == w->separator);
}

static int rename_all(void *context, struct error *err)
{
	struct renaming *w = context;
	int code = 0;

	for (size_t i = 0; i < w->names.count && code == 0; i++) {
		const struct node *node = &w->names.nodes[i];
		struct str name;

		if (!is_renamed(w, node))
			continue;
		name = new_name(w, node->name);
		if (!name.ptr)
			return error_set(err, -ENOMEM, "no memory");
		if (is_too_deep(name, w->separator))
			return error_set(err, -ENAMETOOLONG, "too many levels");
		code = store_rename_mailbox(
			w->s->serve->store, node->mailbox->id, name, err);
		w->count++;
	}
	if (code == 0 && !w->count)
		code = error_set(err, -ENOENT, "no such mailbox");
	return code;
}

struct inbox_message {
	struct renaming *w;
	int64_t inbox, to;
	uint32_t uid;
};

static int first_uid(void *context, const struct store_message *m)
{
	struct inbox_message *at = context;

	at->uid = m->uid;
	return 1;
}

/* RFC 3501, 6.3.5: INBOX stays and is empty; its messages go to the new mailbox, and what
   is below INBOX stays where it is. */
static int rename_inbox(void *context, struct error *err)
{
	struct renaming *w = context;
	struct store *store = w->s->serve->store;
	struct inbox_message at = { .w = w };
	struct mailbox m, made = {
		.name = w->to, .separator = w->separator, .special_use = STR("")
	};
	int code = store_find_mailbox(store, w->from, &w->s->arena, &m, err);

	at.inbox = m.id;
	if (code == 0)
		code = store_create_mailbox(store, &made, &at.to, err);
	while (code == 0) {
		code = store_each_message(
			store, at.inbox, 1, UINT32_MAX, first_uid, &at, err);
		if (code <= 0)
			break;
		code = store_copy(store, at.inbox, at.uid, at.to, NULL, err);
		if (code == 0)
			code = store_expunge(store, at.inbox, at.uid, err);
	}
	return code;
}

static bool parse_rename(struct renaming *w, struct imap_cursor *args)
{
	struct imap *s = w->s;

	if (imap_space(args) && imap_mailbox(s, args, &w->from) && imap_space(args) &&
		imap_mailbox(s, args, &w->to) && imap_end(args))
		return true;
	imap_bad_arguments(s);
	return false;
}

static bool check_rename(struct renaming *w, const struct name_space *space)
{
	struct imap *s = w->s;
	struct mailbox m;
	bool below = str_starts(w->to, w->from) && w->to.len > w->from.len &&
	             w->to.ptr[w->from.len] == space->separator;

	if (!check_new_name(s, space, w->to))
		return false;
	if (below && !imap_is_inbox(w->from)) {
		imap_done(s, IMAP_NO, "[CANNOT] A mailbox cannot go below itself.");
		return false;
	}
	if (store_find_mailbox(s->serve->store, w->to, &s->arena, &m, NULL) == 0) {
		imap_done(s, IMAP_NO, "[ALREADYEXISTS] Mailbox already exists.");
		return false;
	}
	return true;
}

void cmd_rename(struct imap *s, struct imap_cursor *args)
{
	struct renaming w = { .s = s };
	struct error err = { 0 };
	struct name_space space;
	int r;

	if (!parse_rename(&w, args) || !load_space(s, &space) ||
		!check_rename(&w, &space))
		return;
	w.separator = space.separator;
	if (imap_is_inbox(w.from) && !check_count(s))
		return;
	if (names_load(s->serve->store, &s->arena, &w.names, &err) < 0) {
		imap_failed(s, &err);
		return;
	}
	r = imap_transaction(s, imap_is_inbox(w.from) ? rename_inbox : rename_all, &w);
	if (r == 0)
		imap_done(s, IMAP_OK, "Rename completed.");
}
