/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mailferry retire: closes the source's side for good.
 *
 * What must not be lost with the sealed passwords is made first: the verifiers of those
 * who have none yet. What the running programs do from then on is in registry/retire.h.
 */
#include "control/prompt.h"
#include "control/report.h"

#include "base/process.h"
#include "registry/retire.h"
#include "registry/seal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 5 /* somebody may log in between our look and the end */

/* Accounts that something is to be done for, collected first: a walk's callback may not
   change what it walks over. */
struct found {
	bool (*wanted)(const struct account *a);
	struct buf ids;
	uint64_t sealed;
};

static int take(void *context, const struct account *a)
{
	struct found *f = context;

	f->sealed += a->has_password;
	return f->wanted(a) ? buf_append(&f->ids, str_of(&a->id, sizeof(a->id))) : 0;
}

typedef int each_id_fn(struct control *c, struct registry *r, int64_t id);

static int for_each(struct control *c, struct registry *r,
	bool (*wanted)(const struct account *a), each_id_fn *act, uint64_t *ret_sealed)
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
	*ret_sealed = f.sealed;
	return code;
}

/* ── verifiers ─────────────────────────────────────────────────────────────────────── */

static bool wants_verifier(const struct account *a)
{
	return a->has_password && !a->has_verifier;
}

static int make_verifier(struct control *c, struct registry *r, int64_t id)
{
	struct arena arena;
	struct buf verifier;
	struct str password;
	int code;

	arena_init(&arena);
	buf_init(&verifier, 0);
	code = registry_password(r, id, &arena, &password, &c->err);
	if (code == 0) {
		code = verifier_make(password, &verifier);
		if (code < 0)
			error_set(&c->err, code, "cannot make a verifier of a password");
	}
	if (code == 0)
		code = registry_set_verifier(r, id, buf_view(&verifier), &c->err);
	buf_fini(&verifier);
	arena_fini(&arena);
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
	uint64_t sealed = 0, none;
	int code = -EAGAIN;

	for (int i = 0; code == -EAGAIN && i < TRIES; i++) {
		code = for_each(c, r, wants_verifier, make_verifier, &sealed);
		if (code == 0)
			code = registry_retire(r, &c->err);
	}
	if (code == 0) /* afterwards nothing can begin any more */
		code = for_each(c, r, is_to_be_cancelled, cancel, &none);
	if (code < 0)
		return code;
	(void)printf("retired: %" PRIu64 " sealed password%s erased; the source is "
		     "not asked any more and may be switched off\n",
		sealed, sealed == 1 ? "" : "s");
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

static int nothing(struct control *c, struct registry *r, int64_t id)
{
	(void)c;
	(void)r;
	(void)id;
	return 1; /* one is enough to know */
}

/* With the key where a verifier is missing; a key that is lost is no obstacle else. */
static int open_for_end(struct control *c, struct registry **r)
{
	uint64_t sealed;
	int code = for_each(c, *r, wants_verifier, nothing, &sealed);

	if (code <= 0)
		return code;
	registry_close(*r);
	*r = NULL;
	return control_registry_with_key(c, r);
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
		code = open_for_end(c, &r);
	if (code == 0)
		code = end(c, r);
	registry_close(r);
	if (code == -ENOTTY)
		return control_misuse(c);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
