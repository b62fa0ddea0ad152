/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/up/upkeep.h"

#include "base/clock.h"
#include "base/log.h"
#include "control/accounts/account_rename.h"
#include "control/accounts/copies.h"
#include "control/accounts/trash.h"
#include "control/check/ownership.h"

#define COPY_MS 3600000
#define OWNERS_MS 1000
#define RENAME_MS 1000

static void empty_trash(const struct control *c)
{
	struct error err = { 0 };
	unsigned count = 0;

	if (trash_empty(&c->settings, clock_wall_ms() / 1000, &count, &err) < 0)
		log_error(NULL, "trash", "error=\"%s\"", err.text);
	if (count)
		log_info(NULL, "trash", "erased=%u", count);
}

/* Damage is said by the log and by `status`; the copies from before it stay. */
static void keep_copies(
	struct upkeep *u, struct control *c, struct registry *r, uint64_t now)
{
	if (!u->copy_at) {
		u->copy_at = now + COPY_MS; /* one was made before we began */
		empty_trash(c);
	}
	if (now < u->copy_at)
		return;
	u->copy_at = now + COPY_MS;
	if (copies_make(c, r) < 0)
		log_error(NULL, "registry-copy", "error=\"%s\"", c->err.text);
	empty_trash(c);
}

/* A mailbox that the admin copies back is served a moment later. */
static void follow_owners(struct upkeep *u, struct control *c, uint64_t now)
{
	if (now < u->owners_at)
		return;
	u->owners_at = now + OWNERS_MS;
	if (ownership_follow(c, &u->folders_seen) < 0)
		log_error(NULL, "owner", "error=\"%s\"", c->err.text);
}

static void rename_ended(void *context, int status)
{
	char how[64];

	(void)context;
	child_end_text(status, how, sizeof(how));
	log_info(NULL, "rename", "finished how=\"%s\"", how);
}

/* The command that was to do it was killed. */
static void finish_rename(
	struct upkeep *u, const struct control *c, struct loop *loop, uint64_t now)
{
	const char *const arguments[] = { "mailferry", "-c", c->config, "account",
		"rename", "--resume", NULL };
	const struct child_plan plan = { .arguments = arguments, .own_group = true };
	struct error err;

	if (now < u->rename_at || child_runs(&u->rename))
		return;
	u->rename_at = now + RENAME_MS;
	if (rename_is_left(&c->settings) &&
		child_start(&u->rename, loop, &plan, rename_ended, NULL, &err) < 0)
		log_error(NULL, "rename", "error=\"%s\"", err.text);
}

void upkeep_tick(struct upkeep *u, struct control *c, struct registry *r,
	struct loop *loop, uint64_t now)
{
	keep_copies(u, c, r, now);
	follow_owners(u, c, now);
	finish_rename(u, c, loop, now);
}
