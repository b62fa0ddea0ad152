/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/held.h"

#include "base/log.h"
#include "registry/unseen.h"

bool held_still(struct registry *r, const struct settings *s, int64_t account)
{
	struct arena arena;
	struct unseen by;
	int code;

	arena_init(&arena);
	code = registry_is_held(
		r, account, s->unseen_hold_s * UINT64_C(1000), &arena, &by, NULL);
	arena_fini(&arena);
	return code == 1;
}

static void log_held(const struct job *j, const struct unseen *by)
{
	log_info(NULL, "held", "account=%.*s client=%.*s service=%.*s why=\"%.*s\"",
		STR_ARG(j->account.name), STR_ARG(by->client), STR_ARG(by->service),
		STR_ARG(by->why));
}

int held(struct job *j)
{
	struct unseen by;
	int r = registry_is_held(j->registry, j->account.id,
		j->settings->unseen_hold_s * UINT64_C(1000), &j->arena, &by, &j->err);

	if (r == 1)
		log_held(j, &by);
	return r;
}

int held_or_arrived(struct job *j, const struct account_result *result)
{
	const struct account_arrival a = { .account = j->account.id,
		.again_ms = j->settings->unseen_hold_s * UINT64_C(1000),
		.by = STR_LIT("transfer"),
		.result = *result };
	struct unseen by;
	int r = registry_arrive(j->registry, &a, &j->arena, &by, &j->err);

	if (r == 1)
		log_held(j, &by);
	return job_event_is_over(j, EVENT_ARRIVE, STR_LIT(""), r);
}
