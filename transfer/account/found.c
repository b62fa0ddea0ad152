/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/found.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "registry/found.h"
#include "transfer/account/results/found_state.h"
#include "transfer/copy/namespaces.h"
#include "transfer/copy/sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_EVERY_MS (UINT64_C(24) * 3600 * 1000)
#define PREFIXES_MAX 8 /* of name spaces; Cyrus, Courier, Dovecot have one of a kind */
#define ACLS_MAX 200   /* own folders that are asked about */
#define QUESTIONS_MAX (PREFIXES_MAX + 1 + ACLS_MAX)
_Static_assert(FOUND_FOLDERS_MAX + FOUND_WITHHELD_MAX <= QUESTIONS_MAX, "in one array");

struct finding {
	struct job *job;
	const struct found_names *names;
	struct found found;
	struct source_question questions[QUESTIONS_MAX];
	size_t n_questions;
	struct str prefixes[PREFIXES_MAX];
	size_t n_prefixes;
	struct error err;
};

static enum namespace_kind kind_of(const struct finding *f, struct str name)
{
	return namespaces_kind(f->names->namespaces, name);
}

static bool is_others(enum namespace_kind kind)
{
	return kind == NAMESPACE_OTHERS || kind == NAMESPACE_SHARED;
}

/* ---- the first turn ---- */

static void add_question(struct finding *f, enum source_look_kind kind, struct str name)
{
	if (f->n_questions < QUESTIONS_MAX)
		f->questions[f->n_questions++] =
			(struct source_question){ .kind = kind, .name = name };
}

/* One that begins with another one is listed with that. */
static bool is_listed_with(struct str prefix, struct str other)
{
	return prefix.len >= other.len && str_starts(prefix, other);
}

static int take_prefix(void *context, enum namespace_kind kind, struct str prefix)
{
	struct finding *f = context;
	size_t kept = 0;
	struct str mine;

	if (!is_others(kind))
		return 0;
	for (size_t i = 0; i < f->n_prefixes; i++)
		if (is_listed_with(prefix, f->prefixes[i]))
			return 0;
	for (size_t i = 0; i < f->n_prefixes; i++)
		if (!is_listed_with(f->prefixes[i], prefix))
			f->prefixes[kept++] = f->prefixes[i];
	f->n_prefixes = kept;
	mine = arena_str(&f->found.arena, prefix);
	if (!mine.ptr)
		return -ENOMEM;
	if (f->n_prefixes < PREFIXES_MAX)
		f->prefixes[f->n_prefixes++] = mine;
	return 0;
}

/* Where nothing is known of name spaces all folders are taken for the user's own. */
static void ask_acls(struct finding *f)
{
	size_t asked = 0;

	for (size_t i = 0; i < f->names->n; i++) {
		struct str name = f->names->at[i].name;

		if (is_others(kind_of(f, name)))
			continue;
		if (asked++ < ACLS_MAX)
			add_question(f, LOOK_ACL, name);
	}
	f->found.unasked = asked > ACLS_MAX ? asked - ACLS_MAX : 0;
}

static int first_questions(struct finding *f)
{
	int r = namespaces_each(f->names->namespaces, take_prefix, f);

	if (r == -ENOMEM)
		return error_set(&f->err, r, "no memory");
	f->found.has_namespace = r == 0;
	for (size_t i = 0; r == 0 && i < f->n_prefixes; i++)
		add_question(f, LOOK_FOLDERS, f->prefixes[i]);
	add_question(f, LOOK_QUOTA, STR_LIT("INBOX"));
	ask_acls(f);
	return 0;
}

/* ---- what comes ---- */

static enum found_copy copy_of(const struct finding *f, struct str name)
{
	for (size_t i = 0; i < f->names->n; i++)
		if (str_eq(f->names->at[i].name, name))
			return f->names->at[i].copy;
	return FOUND_NOT_COPIED;
}

static int on_folder(void *context, const struct mail_folder *is)
{
	struct finding *f = context;
	enum namespace_kind kind = kind_of(f, is->name);

	if (!is_others(kind) || (is->attributes & (FOLDER_NOSELECT | FOLDER_NONEXISTENT)))
		return 0;
	/* to look for it costs a walk over all names, so only while it may be kept */
	return found_add_folder(&f->found, is->name, kind == NAMESPACE_SHARED,
		f->found.n_folders < FOUND_FOLDERS_MAX ? copy_of(f, is->name)
						       : FOUND_NOT_COPIED);
}

static int on_quota(void *context, struct str root, struct str resource, uint64_t used,
	uint64_t limit)
{
	struct finding *f = context;
	const struct found_quota is = { root, resource, used, limit };

	return found_add_quota(&f->found, &is);
}

static bool was_asked(const struct finding *f, struct str folder)
{
	for (size_t i = 0; i < f->n_questions; i++)
		if (f->questions[i].kind == LOOK_ACL &&
			(str_eq(f->questions[i].name, folder) ||
				(str_ieq(f->questions[i].name, STR_LIT("INBOX")) &&
					str_ieq(folder, STR_LIT("INBOX")))))
			return true;
	return false;
}

/* "alice" is "alice@example.com", where one of them names no domain. */
static bool is_same_user(struct str a, struct str b)
{
	size_t at_a = str_index(a, '@'), at_b = str_index(b, '@');

	if (at_a == a.len || at_b == b.len)
		return str_ieq(str_take(a, at_a), str_take(b, at_b));
	return str_ieq(a, b);
}

/* The user, and who may do all with each mailbox. */
static bool is_usual(const struct finding *f, struct str who)
{
	static const struct str usual[] = { STR("owner"), STR("administrators"),
		STR("group=administrators") };
	const struct job *j = f->job;

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (str_ieq(who, usual[i]))
			return true;
	return is_same_user(who, j->account.name) ||
	       is_same_user(who, passwords_used(&j->passwords)->login);
}

/* Cyrus lets anyone post ("p") into mailboxes, which nobody sees by that; a right with
   "-" before the name is one that somebody has not. */
static bool is_share(const struct finding *f, struct str who, struct str rights)
{
	return who.len && who.ptr[0] != '-' && rights.len &&
	       !str_eq(rights, STR_LIT("p")) && !is_usual(f, who);
}

static int on_acl(void *context, struct str folder, struct str who, struct str rights)
{
	struct finding *f = context;

	if (!is_share(f, who, rights) || !was_asked(f, folder))
		return 0;
	return found_add_share(&f->found, folder, who, rights);
}

static int on_rights(void *context, struct str folder, struct str rights)
{
	struct finding *f = context;

	return found_set_rights(&f->found, folder, rights);
}

/* ---- the turns ---- */

static int turn(struct finding *f)
{
	const struct source_look_events events = { .context = f,
		.folder = on_folder,
		.quota = on_quota,
		.acl = on_acl,
		.rights = on_rights };
	struct job *j = f->job;

	return f->n_questions ? j->source.ops->look(j->source.self, f->questions,
					f->n_questions, &events, &f->err)
	                      : 0;
}

/* What the answers say of what the source can show; the ACLs that it does not. */
static int take_answers(struct finding *f)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->n_questions; i++) {
		const struct source_question *q = &f->questions[i];
		bool was = q->answer == LOOK_ANSWERED;

		f->found.has_quota |= q->kind == LOOK_QUOTA && was;
		f->found.has_acl |= q->kind == LOOK_ACL && was;
		if (q->kind == LOOK_ACL && q->answer == LOOK_REFUSED)
			r = found_add_withheld(&f->found, q->name);
	}
	return r < 0 ? error_set(&f->err, r, "no memory") : 0;
}

static void second_questions(struct finding *f)
{
	f->n_questions = 0;
	for (size_t i = 0; i < f->found.n_folders; i++)
		add_question(f, LOOK_RIGHTS, f->found.folders[i].name);
	for (size_t i = 0; i < f->found.n_withheld; i++)
		add_question(f, LOOK_RIGHTS, f->found.withheld[i].folder);
}

static int both_turns(struct finding *f)
{
	int r = first_questions(f);

	if (r == 0)
		r = turn(f);
	if (r == 0)
		r = take_answers(f);
	if (r < 0)
		return r;
	second_questions(f);
	return turn(f);
}

/* ---- what is noted ---- */

static bool is_due(struct job *j)
{
	struct found_record last;
	struct arena arena;
	uint64_t now = clock_wall_ms();
	int r;

	arena_init(&arena);
	r = registry_found(j->registry, j->account.id, &arena, &last, NULL);
	arena_fini(&arena);
	return r == 0 && (last.at > now || now - last.at >= FOUND_EVERY_MS);
}

/* A look that failed has seen a part at the most: what the one before has found stays. */
static struct str state_before(struct finding *f)
{
	const struct job *j = f->job;
	struct found_record last;
	int r = registry_found(j->registry, j->account.id, &f->found.arena, &last, NULL);

	return r == 0 ? last.state : STR_LIT("");
}

static void write_down(struct finding *f, int code)
{
	struct job *j = f->job;
	struct found_record record = { .at = clock_wall_ms(),
		.error = code < 0 ? str_from(f->err.text) : STR_LIT("") };
	struct str before = code < 0 ? state_before(f) : STR_LIT("");
	char *state = found_state_write(&f->found);
	struct error err = { 0 };

	utf8_make_harmless(f->err.text, strlen(f->err.text)); /* it quotes the source */
	if (code < 0)
		log_warning(NULL, "found", "account=%.*s reason=\"%s\"",
			STR_ARG(j->account.name), f->err.text);
	record.state = before.len ? before : str_from(state);
	if (registry_set_found(j->registry, j->account.id, &record, &err) < 0)
		log_warning(NULL, "found", "account=%.*s reason=\"%s\"",
			STR_ARG(j->account.name), err.text);
	free(state);
}

void found_look(struct job *j, const struct found_names *names)
{
	struct finding *f;
	int r = 0;

	if (!is_due(j))
		return;
	f = calloc(1, sizeof(*f));
	if (!f)
		return;
	f->job = j;
	f->names = names;
	arena_init(&f->found.arena);
	if (j->source.ops->look)
		r = both_turns(f);
	if (r < 0)
		job_disconnect(j);
	write_down(f, r);
	arena_fini(&f->found.arena);
	free(f);
}

/* A master user may have opened another mailbox, as long as the user's own login has not
   looked at it. */
void found_look_after_pass(struct job *j)
{
	const struct folders *all = &j->sync.folders;
	struct found_names names = { .namespaces = str_from(j->sync.namespaces) };

	if (!j->is_connected || !all->count || j->vouching.is_due ||
		passwords_by_master(&j->passwords))
		return;
	names.at = calloc(all->count, sizeof(*names.at));
	if (!names.at)
		return;
	for (size_t i = 0; i < all->count; i++)
		if (folder_is_selectable(&all->at[i]))
			names.at[names.n++] =
				(struct found_name){ .name = folder_name(&all->at[i]),
					.copy = all->at[i].is_barred ? FOUND_WITHOUT_RIGHT
				                : all->at[i].id      ? FOUND_COPIED
				                                     : FOUND_NOT_COPIED };
	found_look(j, &names);
	free(names.at);
}

void found_look_after_round(struct job *j, const struct sweep *s)
{
	struct found_names names = { .namespaces = s->namespaces };

	names.at = s->count ? calloc(s->count, sizeof(*names.at)) : NULL;
	if (!names.at)
		return;
	for (size_t i = 0; i < s->count; i++)
		if (s->at[i].is_open)
			names.at[names.n++] = (struct found_name){ .name = s->at[i].name,
				.copy = s->at[i].is_barred     ? FOUND_WITHOUT_RIGHT
				        : s->at[i].uidvalidity ? FOUND_COPIED
				                               : FOUND_NOT_COPIED };
	found_look(j, &names);
	free(names.at);
}
