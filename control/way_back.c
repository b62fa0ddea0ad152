/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/way_back.h"

#include "base/buf.h"
#include "mailstore/store/store.h"
#include "messages/ask.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

static int add_id(void *context, const struct mailbox *m)
{
	return buf_append(context, str_of(&m->id, sizeof(m->id)));
}

static int count_changed(void *context, const struct store_message *m)
{
	(void)m;
	(*(uint64_t *)context)++;
	return 0;
}

static int count_expunged(void *context, uint32_t uid)
{
	(void)uid;
	(*(uint64_t *)context)++;
	return 0;
}

/* Messages that came, went or changed their flags since. */
static int count_changes(
	struct store *s, uint64_t since, uint64_t *ret_changes, struct error *err)
{
	struct buf ids;
	uint64_t changes = 0;
	int code;

	buf_init(&ids, 0);
	code = store_each_mailbox(s, add_id, &ids, err);
	while (code == 0 && buf_len(&ids) >= sizeof(int64_t)) {
		int64_t id;

		memcpy(&id, buf_view(&ids).ptr, sizeof(id));
		buf_consume(&ids, sizeof(id));
		code = store_each_changed(s, id, since, count_changed, &changes, err);
		if (code == 0)
			code = store_each_expunged(
				s, id, since, count_expunged, &changes, err);
	}
	buf_fini(&ids);
	if (code == 0)
		*ret_changes = changes;
	return code;
}

static int read_switch_modseq(struct store *s, uint64_t *ret_modseq, struct error *err)
{
	struct arena arena;
	struct str value;
	int code;

	arena_init(&arena);
	code = store_checkpoint(s, STR_LIT(SWITCH_MODSEQ), &arena, &value, NULL);
	if (code == 0 && !str_to_u64(value, ret_modseq))
		code = -EBADMSG;
	arena_fini(&arena);
	return code < 0 ? error_set(err, code,
				  "it is not noted what was here at the switch, so it "
				  "cannot be told what is new since; the account stays "
				  "here")
	                : 0;
}

static int check_unchanged(struct store *s, struct str account, struct error *err)
{
	uint64_t since = 0, changes = 0;
	int code = read_switch_modseq(s, &since, err);

	if (code < 0 || store_modseq(s) <= since)
		return code;
	code = count_changes(s, since, &changes, err);
	if (code < 0)
		return code;
	return error_set(err, -ENOTEMPTY,
		"\"%.*s\" stays here: going back would lose %" PRIu64
		" changed messages%s, and carrying them back is not built yet",
		STR_ARG(account), changes, changes ? "" : " and changed folders");
}

/* ---- who still has it ---- */

/* Held logins look at once; without an interceptor there are none. */
static void tell_route(struct control *c, struct str account)
{
	struct message m = { .type = MESSAGE_ROUTE_CHANGED, .account = account };

	(void)ask_tell(c->settings.run_dir, INTERCEPTOR_SOCKET, &m, NULL);
}

/* One that does not run has nothing under way, and reads the route when it starts. */
static int quiesce(struct control *c, struct str account)
{
	struct message question = {
		.type = MESSAGE_QUIESCE, .account = account, .number = 1
	};
	uint64_t quiet = 0;
	int code = ask(c->settings.run_dir, INTERCEPTOR_SOCKET, &question,
		MESSAGE_QUIESCED, &ask_patience, &quiet, &c->err);

	if (code == -ECONNREFUSED)
		return 0;
	return code < 0 || quiet ? code
	                         : error_set(&c->err, -EAGAIN,
					   "a session of \"%.*s\" did not end; it stays "
					   "here, try again",
					   STR_ARG(account));
}

/* A mailstore that does not run holds no folder. */
static int release(struct control *c, struct str account)
{
	struct message question = { .type = MESSAGE_RELEASE, .account = account };
	int code = ask(c->settings.run_dir, MAILSTORE_SOCKET, &question, MESSAGE_RELEASED,
		&ask_patience, NULL, &c->err);

	return code == -ECONNREFUSED ? 0 : code;
}

/* ---- the steps ---- */

static int step(struct control *c, struct registry *r, const struct account *a,
	enum account_event event, const char *detail)
{
	return registry_transition(
		r, a->id, event, STR_LIT("admin"), str_from(detail), &c->err);
}

/* Pinned first: else the next login would make it due again at once. */
static int pin_and_return(struct control *c, struct registry *r, const struct account *a)
{
	int code = registry_set_pin(r, a->id, PIN_SOURCE, &c->err);

	if (code < 0)
		return code;
	code = step(c, r, a, EVENT_RETURN, "nothing was new here");
	if (code < 0)
		(void)registry_set_pin(r, a->id, a->pin, NULL);
	return code;
}

/* The mark is on the disk after the route: left by a crash in between, it would close a
   mailbox that stays. */
static int return_locked(
	struct control *c, struct registry *r, const struct account *a, struct store *s)
{
	int code = check_unchanged(s, a->name, &c->err);

	if (code == 0)
		code = store_begin(s, &c->err);
	if (code < 0)
		return code;
	code = store_set_checkpoint(
		s, STR_LIT(SWITCH_MODSEQ), STR_LIT(SWITCH_LEFT), &c->err);
	if (code == 0)
		code = pin_and_return(c, r, a);
	if (code < 0) {
		store_rollback(s);
		return code;
	}
	return store_commit(s, &c->err);
}

static int go_back(struct control *c, struct registry *r, const struct account *a,
	const char *folder)
{
	struct store *s;
	int code = quiesce(c, a->name);

	if (code == 0)
		code = release(c, a->name);
	if (code == 0)
		code = store_open(folder, false, &s, &c->err);
	if (code < 0)
		return code;
	code = return_locked(c, r, a, s);
	store_close(s);
	return code;
}

/* Nobody is served until this is over: it ends before the command does. */
static void defer_signals(sigset_t *ret_before)
{
	sigset_t deferred;

	(void)sigemptyset(&deferred);
	(void)sigaddset(&deferred, SIGINT);
	(void)sigaddset(&deferred, SIGTERM);
	(void)sigaddset(&deferred, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &deferred, ret_before);
}

static int leave_and_go_back(struct control *c, struct registry *r,
	const struct account *a, const char *folder)
{
	struct error why;
	int code = is_on_way_back(a) ? 0 : step(c, r, a, EVENT_LEAVE, "route command");

	if (code < 0)
		return code;
	tell_route(c, a->name);
	code = go_back(c, r, a, folder);
	why = c->err;
	/* refused when it is there already, or somebody else was faster */
	if (code < 0 && registry_transition(r, a->id, EVENT_STAY, STR_LIT("admin"),
				str_from(why.text), NULL) == 0)
		tell_route(c, a->name);
	return code;
}

bool is_on_way_back(const struct account *a)
{
	return a->route == ROUTE_BUSY && a->stage == STAGE_DONE;
}

int way_back(struct control *c, struct registry *r, const struct account *a)
{
	char folder[PATH_MAX];
	sigset_t before;
	int code = settings_mail_path(&c->settings, a->name, folder, sizeof(folder));

	if (code < 0)
		return error_errno(&c->err, code, "%s", c->settings.state_dir);
	defer_signals(&before);
	code = leave_and_go_back(c, r, a, folder);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return code;
}
