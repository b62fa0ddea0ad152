/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mailferry retire: closes the source's side. `--dry-run` says what it would do;
 * `--force` does it although not all is safe, and says who loses what; `--undo` takes it
 * back until `--erase`. What the running programs do from then on: registry/retire.h.
 */
#include "control/accounts/account_use.h"
#include "control/accounts/copies.h"
#include "control/terminal/prompt.h"
#include "control/views/report.h"

#include "registry/retire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Accounts that something is to be done for, collected first: a walk's callback may not
   change what it walks over. */
struct found {
	bool (*wanted)(const struct account *a);
	struct buf ids;
};

static int take(void *context, const struct account *a)
{
	struct found *f = context;

	return f->wanted(a) ? buf_append(&f->ids, str_of(&a->id, sizeof(a->id))) : 0;
}

typedef int each_id_fn(struct control *c, struct registry *r, int64_t id);

static int for_each(struct control *c, struct registry *r,
	bool (*wanted)(const struct account *a), each_id_fn *act)
{
	struct found f = { .wanted = wanted };
	int code;

	buf_init(&f.ids, 0);
	code = registry_each(r, take, &f, &c->err);
	while (code == 0 && buf_len(&f.ids)) {
		int64_t id;

		memcpy(&id, buf_view(&f.ids).ptr, sizeof(id));
		buf_consume(&f.ids, sizeof(id));
		code = act(c, r, id);
	}
	buf_fini(&f.ids);
	return code;
}

/* ── transfers that --force ends ───────────────────────────────────────────────────── */

static bool is_to_be_cancelled(const struct account *a)
{
	return a->route != ROUTE_LOCAL && a->stage != STAGE_IDLE;
}

static int cancel(struct control *c, struct registry *r, int64_t id)
{
	int code = registry_transition(r, id, EVENT_CANCEL, STR_LIT("admin"),
		STR_LIT("the source is retired"), &c->err);

	return code == -EPERM ? 0 : code; /* its own end was faster */
}

/* ── who loses what ────────────────────────────────────────────────────────────────── */

static void print_account(const struct report_account *a)
{
	(void)fputs("  ", stdout);
	output_clean(a->name, stdout);
	(void)fputs(": cannot log in any more, and the mailbox at the source is out of "
		    "reach (",
		stdout);
	output_clean(a->why, stdout);
	(void)puts(")");
}

/* Addresses that only the source can deliver. */
static void print_rules(struct str rest)
{
	for (; rest.len; rest = str_skip(rest, sizeof(struct report_rule))) {
		const struct report_rule *rule = (const void *)rest.ptr;

		(void)fputs("  ", stdout);
		output_clean(rule->address, stdout);
		(void)fputs(": mail to it is refused (it leads to ", stdout);
		output_clean(rule->rule, stdout);
		(void)puts(")");
	}
}

static bool anybody_loses(const struct report *p)
{
	return buf_len(&p->accounts) || buf_len(&p->missing) || buf_len(&p->unseen) ||
	       buf_len(&p->specials) || p->n_open || p->more;
}

static void print_losses(const struct report *p)
{
	struct str rest = buf_view(&p->accounts);

	for (; rest.len; rest = str_skip(rest, sizeof(struct report_account)))
		print_account((const struct report_account *)(const void *)rest.ptr);
	rest = buf_view(&p->missing);
	for (; rest.len; rest = str_skip(rest, sizeof(struct str))) {
		(void)fputs("  ", stdout);
		output_clean(*(const struct str *)(const void *)rest.ptr, stdout);
		(void)puts(": has never logged in through us; cannot log in any more");
	}
	print_rules(buf_view(&p->unseen));
	print_rules(buf_view(&p->specials));
	rest = buf_view(&p->addresses);
	for (; rest.len; rest = str_skip(rest, sizeof(struct report_address))) {
		const struct report_address *a = (const void *)rest.ptr;

		if (!a->why.len)
			continue;
		(void)fputs("  ", stdout);
		output_clean(a->address, stdout);
		(void)printf(": mail to it is refused (%" PRIu64 " messages in %" PRIu64
			     " days)\n",
			a->count, p->days);
	}
}

static void print_plan(const struct control *c, const struct report *p)
{
	bool safe = report_is_safe(p);

	if (!safe) {
		(void)fputs("not safe to retire: ", stdout);
		report_print_reasons(p, stdout);
		(void)puts(anybody_loses(p)
				   ? "\nretiring now, these lose:"
				   : "\nretiring now, nobody that mailferry has seen "
				     "loses anything");
		print_losses(p);
	}
	report_print_remarks(p, stdout);
	if (c->dry_run)
		(void)puts(safe ? "safe to retire; nothing was changed"
				: "nothing was changed");
}

/* ── the two steps, and back ───────────────────────────────────────────────────────── */

static int end(struct control *c, struct registry *r)
{
	int code = registry_retire(r, &c->err);

	if (code == 0) /* afterwards nothing can begin any more */
		code = for_each(c, r, is_to_be_cancelled, cancel);
	if (code < 0)
		return code;
	(void)puts("retired: the source is not asked any more. `mailferry retire --undo` "
		   "takes that back; when all is well, `mailferry retire --erase` erases "
		   "the sealed passwords, and there is no way back");
	return 0;
}

static int undo(struct control *c, struct registry *r)
{
	int code = registry_unretire(r, &c->err);

	if (code == 0)
		(void)puts(
			"the source is asked again; accounts that live here stay here");
	return code;
}

static int confirm(struct control *c, const char *question)
{
	bool yes = false;
	int code = c->yes ? 0 : prompt_yes(question, &yes, &c->err);

	if (code == 0 && !c->yes && !yes)
		return error_set(&c->err, -ECANCELED, "nothing was changed");
	return code;
}

/* The copies of the registry hold them, too. */
static int erase(struct control *c, struct registry *r)
{
	int code =
		confirm(c, "Erase all sealed passwords? The source cannot be asked again "
			   "after that. (yes/no) ");

	if (code == 0)
		code = registry_erase_passwords(r, &c->err);
	if (code == 0)
		code = copies_remove(c);
	if (code < 0)
		return code;
	(void)puts("the sealed passwords are erased; the source may be switched off");
	if (registry_erase_log(r, NULL) < 0)
		(void)puts("the registry's log is in use and still holds erased pages; "
			   "restart `mailferry up` to empty it");
	return copies_make(c, r);
}

static int refuse(struct control *c, const struct report *p)
{
	char *text = NULL;
	size_t len;
	FILE *memory = open_memstream(&text, &len);

	if (!memory)
		return -ENOMEM;
	report_print_reasons(p, memory);
	(void)fclose(memory);
	error_set(&c->err, -EPERM,
		"not safe to retire: %s; see `mailferry report`, or use --force", text);
	free(text);
	return -EPERM;
}

/* 1: nothing is to be done. */
static int check(struct control *c, struct registry *r, uint64_t days)
{
	struct report p;
	int code = report_gather(c, r, days, account_has_quota, &p);

	if (code < 0)
		return code;
	if (p.retired_at)
		(void)puts("the source is retired already");
	else if (c->dry_run || c->force)
		print_plan(c, &p);
	else if (!report_is_safe(&p))
		code = refuse(c, &p);
	code = code < 0 ? code : p.retired_at != 0 || c->dry_run;
	report_fini(&p);
	return code;
}

static int retire(struct control *c, struct registry *r, uint64_t days)
{
	int code = check(c, r, days);

	if (code == 0)
		code = confirm(c, "Retire the source? Nothing is asked of it any more. "
				  "(yes/no) ");
	return code ? code : end(c, r);
}

enum exit_code cmd_retire(struct control *c)
{
	struct registry *r = NULL;
	uint64_t days = 0;
	int code = report_days(c, &days);

	if (code == 0 && c->undo + c->erase + c->dry_run > 1)
		code = error_set(&c->err, -EINVAL,
			"retire: --undo, --erase and --dry-run do not go together");
	if (code == 0)
		code = control_registry(c, &r);
	if (code == 0)
		code = c->undo ? undo(c, r) : c->erase ? erase(c, r) : retire(c, r, days);
	registry_close(r);
	if (code == -ENOTTY || code == -EINVAL)
		return control_misuse(c);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
