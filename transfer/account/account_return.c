/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/account_return.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "mailstore/store/store.h"
#include "messages/ask.h"
#include "registry/registry.h"
#include "transfer/account/job.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>

#define TURN_MS 100   /* between two looks whether another process is done */
#define TURNS_MAX 600 /* 60 s */

struct returning {
	const struct settings *settings;
	struct registry *registry;
	struct arena arena;
	struct account account;
	char folder[PATH_MAX];
	int turn; /* locks the folder against a second process like this one; -1: none */
	struct error err;
};

/* ---- what is new here ---- */

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
static void tell_route(struct returning *b)
{
	struct message m = { .type = MESSAGE_ROUTE_CHANGED, .account = b->account.name };

	(void)ask_tell(b->settings->run_dir, INTERCEPTOR_SOCKET, &m, NULL);
}

/* One that does not run has nothing under way, and reads the route when it starts. */
static int quiesce(struct returning *b)
{
	struct message question = {
		.type = MESSAGE_QUIESCE, .account = b->account.name, .number = 1
	};
	uint64_t quiet = 0;
	int code = ask(b->settings->run_dir, INTERCEPTOR_SOCKET, &question,
		MESSAGE_QUIESCED, &ask_patience, &quiet, &b->err);

	if (code == -ECONNREFUSED)
		return 0;
	return code < 0 || quiet ? code
	                         : error_set(&b->err, -EAGAIN,
					   "a session of \"%.*s\" did not end; it stays "
					   "here, try again",
					   STR_ARG(b->account.name));
}

/* A mailstore that does not run holds no folder. */
static int release(struct returning *b)
{
	struct message question = { .type = MESSAGE_RELEASE, .account = b->account.name };
	int code = ask(b->settings->run_dir, MAILSTORE_SOCKET, &question,
		MESSAGE_RELEASED, &ask_patience, NULL, &b->err);

	return code == -ECONNREFUSED ? 0 : code;
}

/* ---- the steps ---- */

static int step(struct returning *b, enum account_event event, const char *detail)
{
	return registry_transition(b->registry, b->account.id, event, STR_LIT("admin"),
		str_from(detail), &b->err);
}

/* Pinned first: else the next login would make it due again at once. */
static int pin_and_return(struct returning *b)
{
	int code = registry_set_pin(b->registry, b->account.id, PIN_SOURCE, &b->err);

	if (code < 0)
		return code;
	code = step(b, EVENT_RETURN, "nothing was new here");
	if (code < 0)
		(void)registry_set_pin(b->registry, b->account.id, b->account.pin, NULL);
	return code;
}

/* A crash after the first mark: the account stays, and its next login takes the mark
   away; after the second step it is at the source, and the mark says that nothing here is
   missed. */
static int return_locked(struct returning *b, struct store *s)
{
	int code = check_unchanged(s, b->account.name, &b->err);

	if (code == 0)
		code = store_set_service(s, STORE_LEAVING, 0, &b->err);
	if (code < 0)
		return code;
	code = pin_and_return(b);
	if (code == 0)
		return store_set_service(s, STORE_LEFT, 0, &b->err);
	(void)store_set_service(s, STORE_SERVED, 0, NULL);
	return code;
}

static int go_back(struct returning *b)
{
	struct store *s;
	int code = quiesce(b);

	if (code == 0)
		code = release(b);
	if (code == 0)
		code = store_open(b->folder, false, &s, &b->err);
	if (code < 0)
		return code;
	code = return_locked(b, s);
	store_close(s);
	return code;
}

static enum account_exit stay(struct returning *b, const char *why)
{
	struct error ignored;

	log_info(NULL, "stays", "account=%.*s reason=\"%s\"", STR_ARG(b->account.name),
		why);
	/* refused when it is there already, or somebody else was faster */
	if (registry_transition(b->registry, b->account.id, EVENT_STAY, STR_LIT("admin"),
		    str_from(why), &ignored) == 0)
		tell_route(b);
	return ACCOUNT_OVER;
}

/* ---- beginning ---- */

static bool is_returning(const struct account *a)
{
	return a->route == ROUTE_BUSY && a->stage == STAGE_DONE;
}

/* Two of them for one account: the second waits and looks at what the first has done. A
   folder that is not there is no reason to wait: the store will say so. */
static int take_turn(struct returning *b)
{
	struct patience pause = { .ms = TURN_MS };

	b->turn = open(b->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; b->turn >= 0 && flock(b->turn, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == TURNS_MAX)
			return error_set(&b->err, -EBUSY,
				"\"%.*s\" is on its way back already",
				STR_ARG(b->account.name));
		(void)wait_pause(&pause);
	}
	return 0;
}

static int open_account(struct returning *b, const char *name)
{
	int r = registry_open_in(b->settings->state_dir, &b->registry, &b->err);

	if (r == 0)
		r = registry_set_domains(
			b->registry, b->settings->domains, b->settings->n_domains);
	if (r == 0)
		r = registry_find(
			b->registry, str_from(name), &b->arena, &b->account, &b->err);
	if (r == 0)
		r = settings_mail_path(
			b->settings, b->account.name, b->folder, sizeof(b->folder));
	if (r == 0)
		r = job_become_owner(b->settings, &b->account, &b->err);
	if (r == 0)
		r = take_turn(b);
	if (r == 0)
		r = registry_find_id(
			b->registry, b->account.id, &b->arena, &b->account, &b->err);
	return r;
}

static enum account_exit leave_and_go_back(struct returning *b)
{
	int code = is_returning(&b->account) ? 0 : step(b, EVENT_LEAVE, "route command");

	if (code == -EPERM)
		return ACCOUNT_OVER; /* somebody else moved it on: the registry says it */
	if (code < 0)
		return ACCOUNT_BROKEN;
	tell_route(b);
	code = go_back(b);
	if (code < 0) {
		struct error why = b->err;

		return stay(b, why.text);
	}
	log_info(NULL, "returned", "account=%.*s", STR_ARG(b->account.name));
	tell_route(b);
	return ACCOUNT_OVER;
}

enum account_exit account_return(const struct settings *settings, const char *name)
{
	struct returning b = { .settings = settings, .turn = -1 };
	enum account_exit result = ACCOUNT_BROKEN;
	int r;

	arena_init(&b.arena);
	r = open_account(&b, name);
	if (r == 0)
		r = job_drop_rights(b.registry, settings, &b.account, &b.err);
	if (r == 0)
		result = leave_and_go_back(&b);
	if (result == ACCOUNT_BROKEN)
		log_error(NULL, "broken", "account=%s reason=\"%s\"", name, b.err.text);
	fd_closep(&b.turn);
	registry_close(b.registry);
	arena_fini(&b.arena);
	return result;
}
