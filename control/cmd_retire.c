/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mailferry retire: closes the source's side for good.
 *
 * What the running programs do from then on is in registry/retire.h.
 */
#include "control/prompt.h"
#include "control/report.h"

#include "base/process.h"
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

/* ── the end ───────────────────────────────────────────────────────────────────────── */

static int end(struct control *c, struct registry *r)
{
	int code = registry_retire(r, &c->err);

	if (code == 0) /* afterwards nothing can begin any more */
		code = for_each(c, r, is_to_be_cancelled, cancel);
	if (code < 0)
		return code;
	(void)printf("retired: the sealed passwords are erased; the source is not asked "
		     "any more and may be switched off\n");
	if (registry_erase_log(r, NULL) < 0)
		(void)puts("the registry's log is in use and still holds erased pages; "
			   "restart `mailferry up` to empty it");
	return 0;
}

static int confirm(struct control *c)
{
	bool yes = false;
	int code =
		c->yes ? 0
		       : prompt_yes("Retire the source for good? All sealed passwords "
				    "are erased, and nothing goes back to it. (yes/no) ",
				 &yes, &c->err);

	if (code == 0 && !c->yes && !yes)
		return error_set(&c->err, -ECANCELED, "nothing was changed");
	return code;
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
		"not safe to retire: %s; see `mailferry report`, or say --force", text);
	free(text);
	return -EPERM;
}

static int check(struct control *c, struct registry *r, uint64_t days)
{
	struct report p;
	int code = report_gather(c, r, days, &p);

	if (code < 0)
		return code;
	if (!p.retired_at && !report_is_safe(&p) && !c->force)
		code = refuse(c, &p);
	if (p.retired_at)
		(void)puts("the source is retired already");
	code = code < 0 ? code : p.retired_at != 0;
	report_fini(&p);
	return code;
}

enum exit_code cmd_retire(struct control *c)
{
	struct registry *r = NULL;
	uint64_t days;
	int code;

	if (report_days(c, &days) < 0)
		return control_misuse(c);
	code = process_protect_memory(&c->err);
	if (code == 0)
		code = control_registry(c, &r);
	if (code == 0)
		code = check(c, r, days);
	if (code == 0)
		code = confirm(c);
	if (code == 0)
		code = end(c, r);
	registry_close(r);
	if (code == -ENOTTY)
		return control_misuse(c);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
