/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What accounts have at the source besides their mail: added up over all of them, with
   what helps. None of it keeps the source from being retired: nobody is served worse by
   that than by the move itself, and the admin may have settled it by other means. */
#include "base/clock.h"
#include "control/check/sieve_probe.h"
#include "control/views/found_view.h"
#include "control/views/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define SHARED_ROWS_MAX 100000 /* an account and a folder each */
#define QUOTAS_MAX 200         /* different ones */
#define QUOTA_LOOK_MS 3000     /* for the accounts' own ones: a process each */
#define NAMES_MAX 5            /* of those that see a folder */

static uint64_t number(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(o, key));
}

static int no_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "no memory");
}

/* ── one account ───────────────────────────────────────────────────────────────────── */

static int add_shared(struct report *p, const struct account *a, const json_t *found)
{
	const json_t *list = json_object_get(found, "folders");
	size_t room =
		SHARED_ROWS_MAX - buf_len(&p->shared) / sizeof(struct report_shared);
	size_t listed = json_array_size(list), n = listed < room ? listed : room;
	uint64_t total = number(found, "folders_total");

	p->looks.more += (total > listed ? total : listed) - n;
	for (size_t i = 0; i < n; i++) {
		const json_t *is = json_array_get(list, i);
		struct report_shared row = { .folder = report_text(p, is, "name"),
			.kind = report_text(p, is, "kind"),
			.rights = report_text(p, is, "rights"),
			.users = arena_str(&p->arena, a->name),
			.n_users = 1,
			.n_barred = json_is_true(json_object_get(is, "without_right")),
			.is_copied = json_is_true(json_object_get(is, "copied")) };

		if (!row.folder.ptr || !row.kind.ptr || !row.rights.ptr ||
			!row.users.ptr ||
			buf_append(&p->shared, str_of(&row, sizeof(row))) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* "bob, anyone, …" of a list whose rows name somebody: each once. */
static struct str names_of(struct report *p, const json_t *list, const char *key)
{
	struct str seen[NAMES_MAX], all;
	struct buf text;
	size_t n = 0;

	buf_init(&text, 0);
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct str name = output_text(json_array_get(list, i), key);
		bool is_new = true;

		for (size_t k = 0; k < n; k++)
			is_new = is_new && !str_eq(seen[k], name);
		if (!is_new)
			continue;
		(void)buf_append_c(&text, n ? ", " : "");
		(void)buf_append(&text, n < NAMES_MAX ? name : STR_LIT("…"));
		if (n == NAMES_MAX)
			break;
		seen[n++] = name;
	}
	all = arena_str(&p->arena, buf_view(&text));
	buf_fini(&text);
	return all;
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int distinct(const json_t *list, const char *key, uint64_t *ret)
{
	size_t n = json_array_size(list);
	struct str *all = reallocarray(NULL, n, sizeof(*all));
	uint64_t found = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		all[i] = output_text(json_array_get(list, i), key);
	qsort(all, n, sizeof(*all), by_text);
	for (size_t i = 0; i < n; i++)
		found += i == 0 || !str_eq(all[i], all[i - 1]);
	free(all);
	*ret = found;
	return 0;
}

static int add_shares(struct report *p, const struct account *a, const json_t *found)
{
	const json_t *list = json_object_get(found, "shares");
	struct report_share row = { 0 };

	p->looks.withheld += number(found, "withheld_total") + number(found, "unasked");
	if (!json_array_size(list))
		return 0;
	row.account = arena_str(&p->arena, a->name);
	row.folder = report_text(p, json_array_get(list, 0), "folder");
	row.who = names_of(p, list, "who");
	return row.account.ptr && row.folder.ptr && row.who.ptr &&
	                       distinct(list, "folder", &row.folders) == 0
	               ? buf_append(&p->shares, str_of(&row, sizeof(row)))
	               : -ENOMEM;
}

static struct report_quota *find_quota(struct report *p, const struct report_quota *like)
{
	struct str all = buf_view(&p->quotas);
	struct report_quota *rows = (void *)(uintptr_t)all.ptr;

	for (size_t i = 0; i < all.len / sizeof(*rows); i++)
		if (rows[i].bytes == like->bytes && rows[i].messages == like->messages)
			return &rows[i];
	return NULL;
}

/* *ret NULL: there are too many to list this one, too. */
static int quota_of(
	struct report *p, const struct report_quota *like, struct report_quota **ret)
{
	*ret = find_quota(p, like);
	if (*ret || buf_len(&p->quotas) / sizeof(*like) >= QUOTAS_MAX)
		return 0;
	if (buf_append(&p->quotas, str_of(like, sizeof(*like))) < 0)
		return -ENOMEM;
	*ret = find_quota(p, like);
	return 0;
}

static uint64_t percent_of(uint64_t used, uint64_t limit)
{
	return used > UINT64_MAX / 100 ? 100 : used * 100 / limit;
}

/* It may have a quota of its own here. */
static int add_limited(struct report *p, const struct account *a)
{
	struct str name;

	p->n_limited++;
	if (a->route != ROUTE_LOCAL || a->home.len)
		return 0;
	name = arena_str(&p->arena, a->name);
	return name.ptr ? buf_append(&p->limited, str_of(&name, sizeof(name))) : -ENOMEM;
}

static int add_quota(struct report *p, const struct account *a,
	const struct report_quota *like, uint64_t percent)
{
	struct report_quota *row;
	int code = quota_of(p, like, &row);

	if (code < 0 || !row)
		return code;
	row->accounts++;
	if (row->accounts > 1 && percent <= row->percent)
		return 0;
	row->percent = percent;
	row->fullest = arena_str(&p->arena, a->name);
	return row->fullest.ptr ? 0 : -ENOMEM;
}

static int add_quotas(struct report *p, const struct account *a, const json_t *found)
{
	const json_t *list = json_object_get(found, "quota");
	bool is_limited = false;
	int code = 0;

	for (size_t i = 0; code == 0 && i < json_array_size(list); i++) {
		const json_t *is = json_array_get(list, i);
		struct report_quota like = { .fullest = STR("") };
		uint64_t used = number(is, "used"), limit = number(is, "limit");

		if (found_quota_bytes(is, &used, &limit))
			like.bytes = limit;
		else if (str_ieq(output_text(is, "resource"), STR_LIT("MESSAGE")))
			like.messages = limit;
		if (!like.bytes && !like.messages)
			continue;
		is_limited = true;
		code = add_quota(p, a, &like, percent_of(used, limit));
	}
	return code == 0 && is_limited ? add_limited(p, a) : code;
}

static void count_look(struct report *p, const json_t *found)
{
	const json_t *shows = json_object_get(found, "shows");

	p->looks.no_namespace += !json_is_true(json_object_get(shows, "namespace"));
	p->looks.no_acl += !json_is_true(json_object_get(shows, "acl"));
	p->looks.no_quota += !json_is_true(json_object_get(shows, "quota"));
}

int report_found_add(
	struct registry *r, const struct account *a, struct report *p, struct error *err)
{
	json_t *found = NULL;
	int code = found_view_json(r, a->id, &found, err);

	if (code < 0)
		return code;
	p->looks.none += json_is_null(found);
	if (output_text(found, "error").len)
		p->looks.failed++;
	else if (!json_is_null(found))
		count_look(p, found);
	if (add_shared(p, a, found) < 0 || add_shares(p, a, found) < 0 ||
		add_quotas(p, a, found) < 0)
		code = no_memory(err);
	json_decref(found);
	return code;
}

/* ── all of them ───────────────────────────────────────────────────────────────────── */

static int by_folder(const void *a, const void *b)
{
	const struct report_shared *x = a, *y = b;
	int order = str_cmp(x->folder, y->folder);

	if (!order)
		order = str_cmp(x->kind, y->kind);
	return order ? order : str_cmp(x->users, y->users);
}

static bool is_one_folder(const struct report_shared *a, const struct report_shared *b)
{
	return str_eq(a->folder, b->folder) && str_eq(a->kind, b->kind);
}

/* Rows of one folder, the first n of a sorted list, become one. */
static int merge(struct report *p, const struct report_shared *from, size_t n,
	struct report_shared *to)
{
	struct report_shared row = from[0];
	struct buf users;
	int r = 0;

	buf_init(&users, 0);
	row.n_users = n;
	row.n_barred = 0;
	for (size_t i = 0; i < n; i++) {
		row.n_barred += from[i].n_barred;
		row.is_copied = row.is_copied || from[i].is_copied;
		if (from[i].rights.len > row.rights.len)
			row.rights = from[i].rights;
		if (r == 0 && i <= NAMES_MAX)
			r = buf_append_c(&users, i ? ", " : "");
		if (r == 0 && i <= NAMES_MAX)
			r = buf_append(
				&users, i < NAMES_MAX ? from[i].users : STR_LIT("…"));
	}
	row.users = arena_str(&p->arena, buf_view(&users));
	buf_fini(&users);
	*to = row;
	return r < 0 || !row.users.ptr ? -ENOMEM : 0;
}

static int merge_shared(struct report *p)
{
	struct report_shared *all = (void *)(p->shared.data + p->shared.start);
	size_t n = buf_len(&p->shared) / sizeof(*all), kept_rows = 0;
	int r = 0;

	if (!n)
		return 0;
	qsort(all, n, sizeof(*all), by_folder);
	for (size_t i = 0, next; r == 0 && i < n; i = next) {
		for (next = i + 1; next < n && is_one_folder(&all[i], &all[next]); next++)
			continue;
		r = merge(p, &all[i], next - i, &all[kept_rows++]);
	}
	p->shared.end = p->shared.start + kept_rows * sizeof(*all);
	return r;
}

/* ── what helps ────────────────────────────────────────────────────────────────────── */

static void remark_shared(struct report *p)
{
	uint64_t n = buf_len(&p->shared) / sizeof(struct report_shared);

	if (!n)
		return;
	report_say(p->remarks,
		"%" PRIu64
		" folder%s of others that users see at the source%s: here nobody "
		"sees another's mailbox. What is \"copied\" is in the mailbox of each of "
		"them, as it was when they moved, and no copy follows the others. A user's "
		"folder moves with its owner; give a shared one an account of its own "
		"(`account add`, `store import`), or keep it elsewhere",
		n, n == 1 ? "" : "s", p->looks.more ? ", and more than are listed" : "");
}

static void remark_barred(struct report *p)
{
	struct str rest = buf_view(&p->shared);
	uint64_t n = 0;

	for (; rest.len; rest = str_skip(rest, sizeof(struct report_shared)))
		n += ((const struct report_shared *)(const void *)rest.ptr)->n_barred > 0;
	if (n)
		report_say(p->remarks,
			"%" PRIu64
			" of them %s shown to users without the right to read: the source "
			"lists such a folder and does not open it, and here they do not "
			"see it. If they should have it, give the right there before "
			"they move",
			n, n == 1 ? "is" : "are");
}

static void remark_shares(struct report *p)
{
	uint64_t n = buf_len(&p->shares) / sizeof(struct report_share);

	if (n)
		report_say(p->remarks,
			"%" PRIu64
			" account%s others into folders (ACL): that is not kept. "
			"Tell them, and give what several need an account of its own",
			n, n == 1 ? " lets" : "s let");
	if (p->looks.withheld)
		report_say(p->remarks,
			"of %" PRIu64 " folders the source does not tell their users who "
			"else sees them, or was not asked: look there (doveadm acl get; "
			"cyradm lam)",
			p->looks.withheld);
}

/* Those that are not looked at in time count as without one, and are told. */
static uint64_t count_own_quotas(struct control *c, struct report *p, uint64_t *ret_left)
{
	uint64_t ends_at = clock_monotonic_ms() + QUOTA_LOOK_MS, n = 0;
	struct str rest = buf_view(&p->limited);

	for (; rest.len && clock_monotonic_ms() < ends_at;
		rest = str_skip(rest, sizeof(struct str))) {
		bool is_own = false;

		(void)p->own_quota(
			c, *(const struct str *)(const void *)rest.ptr, &is_own);
		n += is_own;
	}
	*ret_left = rest.len / sizeof(struct str);
	c->err.text[0] = '\0';
	return n;
}

static void remark_quotas(struct control *c, struct report *p)
{
	const struct settings_quota *here = &c->settings.quota;
	uint64_t own, left;
	char more[64] = "";

	if (!p->n_limited || here->bytes || here->messages)
		return;
	own = count_own_quotas(c, p, &left);
	if (left)
		(void)snprintf(more, sizeof(more),
			" (%" PRIu64 " more were not looked at)", left);
	if (own < p->n_limited)
		report_say(p->remarks,
			"the source has quotas, and `quota` is not set here: %" PRIu64
			" of %" PRIu64 " accounts have one of their own%s, others may "
			"grow without a limit. Set `quota`, or `mailferry quota USER "
			"--set`",
			own, p->n_limited, more);
}

/* Absence is no proof. */
static void remark_unseen(struct report *p)
{
	const struct report_looks *l = &p->looks;

	if (l->none || l->failed)
		report_say(p->remarks,
			"%" PRIu64
			" accounts were not looked at yet, and the look at %" PRIu64
			" failed (`account USER`): what they have besides mail is not known, or "
			"as of a look before",
			l->none, l->failed);
	if (l->no_namespace || l->no_acl || l->no_quota)
		report_say(p->remarks,
			"the source may have what it does not show by IMAP; look at its "
			"configuration. It showed no shared folders for %" PRIu64
			" accounts (no NAMESPACE), not who else sees the folders of %" PRIu64
			" (no ACL), no quota of %" PRIu64 " (no QUOTA)",
			l->no_namespace, l->no_acl, l->no_quota);
}

static void remark_rules(struct control *c, struct report *p)
{
	char name[SIEVE_NAME_MAX] = "";
	bool has_sieve =
		!p->retired_at && sieve_probe(&c->settings, SIEVE_REPORT_MS, name) == 0;

	if (has_sieve)
		report_say(p->remarks,
			"the source offers ManageSieve (port %d%s%s): each user's filters, "
			"vacation notes and forwards stay there. List them at the source "
			"(Dovecot: doveadm sieve list -A; Cyrus: its sievedir), and see "
			"moving-on.md in the handbook",
			SIEVE_PORT, *name ? ", " : "", name);
	report_say(p->remarks,
		"%srules of the source that act on mail cannot be seen from here: look at "
		"~/.forward, ~/.vacation*, ~/.procmailrc, %svirtual alias maps and aliases "
		"(`alias import` takes these)",
		has_sieve ? "other " : "", has_sieve ? "" : "Sieve scripts, ");
}

int report_found_finish(struct control *c, struct report *p)
{
	if (merge_shared(p) < 0)
		return no_memory(&c->err);
	remark_shared(p);
	remark_barred(p);
	remark_shares(p);
	remark_quotas(c, p);
	remark_unseen(p);
	remark_rules(c, p);
	return 0;
}
