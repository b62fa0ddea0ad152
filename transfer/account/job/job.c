/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/job/job.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "registry/alias.h"
#include "registry/pause.h"
#include "transfer/account/job/reader.h"
#include "transfer/write/store_destination.h"
#include "users/folders.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define TELL_EVERY_MS 1000     /* progress, and a look whether it is still wanted */
#define BUSY_PATIENCE_MS 20000 /* while somebody is held at the login */
#define STORE_BUSY_TRIES 20    /* its last opener may be on its way out */
#define STORE_BUSY_MS 250
#define TRIES 4         /* 1 + 2 + 4 s: a source that restarts; then fail */
#define TRIES_NOT_NOW 6 /* 31 s: connections of others end meanwhile */
#define TRIES_BUSY 2
#define TRIES_IN_USE 7 /* 6 s: the last session there is on its way out */
/* Who wants in waits for both. */
#define LOOK_EVERY_MS 300
#define LOOK_MS 700 /* the interceptor answers at once when nobody is there */

/* ---- opening ---- */

static int open_registry(struct job *j, const char *name)
{
	int r = registry_open_in(j->settings->state_dir, &j->registry, &j->err);

	if (r == 0)
		r = registry_set_domains(
			j->registry, j->settings->domains, j->settings->n_domains);
	if (r == 0)
		registry_set_subaddress(j->registry, settings_subaddress(j->settings));
	if (r == 0)
		r = registry_find(
			j->registry, str_from(name), &j->arena, &j->account, &j->err);
	return r;
}

/* After a move back the mailstore may still have the folder open. */
static void ask_for_release(struct job *j)
{
	struct message m = { .type = MESSAGE_RELEASE, .account = j->account.name };
	struct patience patience = {
		.ms = STORE_BUSY_MS * STORE_BUSY_TRIES, .tick = job_tick, .context = j
	};
	uint64_t number;

	(void)ask(j->settings->run_dir, MAILSTORE_SOCKET, &m, MESSAGE_RELEASED, &patience,
		&number, NULL);
}

static int open_destination(struct job *j)
{
	char path[PATH_MAX];
	int r = settings_mail_path(j->settings, j->account.name, path, sizeof(path));

	if (r < 0)
		return error_errno(&j->err, r, "%s", j->settings->state_dir);
	r = store_destination_open(path, j->account.name,
		j->settings->limits.disk_reserve, &j->destination, &j->err);
	if (r == -EBUSY)
		ask_for_release(j);
	for (int i = 0; r == -EBUSY && i < STORE_BUSY_TRIES; i++) {
		r = job_pause(j, STORE_BUSY_MS);
		r = r ? r
		      : store_destination_open(path, j->account.name,
				j->settings->limits.disk_reserve, &j->destination,
				&j->err);
	}
	return r;
}

int job_source_addresses(struct job *j, enum service_id service,
	struct sockaddr_storage *ret, size_t *ret_n)
{
	size_t n = settings_upstreams(j->settings, ret);

	if (!n)
		return error_set(&j->err, -EINVAL, "source_moved_to is no address");
	for (size_t i = 0; i < n; i++)
		address_set_port(&ret[i], j->settings->services[service].upstream_port);
	*ret_n = n;
	return 0;
}

int job_become_owner(const struct settings *s, const struct account *a, struct error *err)
{
	char path[PATH_MAX];
	struct process_user user;
	struct users users;
	struct uid_pool uids;
	int r = settings_mail_path(s, a->name, path, sizeof(path));

	if (geteuid() != 0)
		return 0;
	if (r < 0)
		return error_errno(err, r, "%s", s->state_dir);
	r = users_load(s, &users, err);
	if (r == 0)
		r = folders_prepare(s, &users, err);
	if (r == 0)
		r = uid_pool_open(&uids, s, &users, err);
	if (r < 0)
		return r;
	r = folder_owner_or_make(&users, &uids, path, &user.uid, err);
	uid_pool_close(&uids);
	if (r < 0)
		return r;
	user = folder_mover(&users, user.uid);
	return process_become(&user, err);
}

int job_drop_rights(const struct registry *r, const struct settings *s,
	const struct account *a, struct error *err)
{
	char files[REGISTRY_FILES][REGISTRY_FILE_MAX], folder[PATH_MAX];
	const struct sandbox_path paths[] = { { files[0], false }, { files[1], true },
		{ files[2], true }, { folder, true } };
	const struct sandbox sandbox = { .allows = SANDBOX_SOCKETS | SANDBOX_DATABASE |
		                                   SANDBOX_FOLDER,
		.paths = paths,
		.n_paths = sizeof(paths) / sizeof(paths[0]) };
	int code = settings_mail_path(s, a->name, folder, sizeof(folder));

	if (code < 0)
		return error_errno(err, code, "%s", s->state_dir);
	registry_files(r, files);
	return sandbox_enter(&sandbox, err);
}

static void prepare_dial(struct job *j, struct dial *d, enum service_id service)
{
	dial_init(d, j->settings, j->registry, service);
	source_tls_prepare(&d->tls, j->settings);
	d->pace = &j->pace;
}

int job_begin(struct job *j, const char *name)
{
	int r = open_registry(j, name);

	j->uidls.kept = -1;
	pop3_connection_init(&j->uidls_next, 0, NULL, NULL);
	prepare_dial(j, &j->dial_imap, SERVICE_IMAP);
	prepare_dial(j, &j->dial_pop3, SERVICE_POP3);
	onward_prepare(j);
	(void)pace_open(&j->pace, JOB_PACE, &j->settings->limits);
	j->pace.is_urgent = &j->is_busy;
	if (r == 0)
		r = job_become_owner(j->settings, &j->account, &j->err);
	return r;
}

int job_open(struct job *j, const char *name)
{
	int r = job_begin(j, name);

	/* one that has failed has to begin before it can fail again */
	if (r == 0 && j->account.stage == STAGE_FAILED)
		r = job_begin_copy(j);
	if (r == 0)
		r = job_take_back_mark(j);
	if (r == 0)
		r = onward_set_home(j);
	if (r == 0)
		r = passwords_read(j);
	if (r == 0)
		r = open_destination(j);
	if (r == 0) /* before the source has said a word */
		r = job_drop_rights(j->registry, j->settings, &j->account, &j->err);
	if (r == 0)
		r = reader_open(j);
	/* one that made way goes on: no attempt has failed */
	if (r == 0 && job_is_exclusive(j) && j->account.stage == STAGE_COPYING)
		j->has_begun = true;
	if (r == 0)
		sync_init(&j->sync, &j->source, &j->destination, job_tick, j);
	return r;
}

void job_close_destination(struct job *j)
{
	if (j->destination.ops)
		j->destination.ops->free(j->destination.self);
	j->destination = (struct destination){ 0 };
}

bool job_is_exclusive(const struct job *j)
{
	return j->source.ops && j->source.ops->is_exclusive; /* before it is open: no */
}

void job_close(struct job *j)
{
	sync_fini(&j->sync);
	onward_close(j);
	source_connection_close(&j->uidls_next.net);
	if (j->source.ops)
		j->source.ops->free(j->source.self);
	dial_fini(&j->dial_imap);
	dial_fini(&j->dial_pop3);
	pace_close(&j->pace);
	job_close_destination(j);
	registry_close(j->registry);
	passwords_fini(&j->passwords);
	arena_fini(&j->arena);
}

/* ---- now and then ---- */

/* What is here stays, and the next process goes on with it. */
static int check_paused(struct job *j)
{
	uint64_t since = 0;

	(void)registry_paused(j->registry, &since, NULL);
	return since ? error_set(&j->err, -EINTR, "transfers are paused") : 0;
}

/* Only what may have changed since; the strings stay. */
int job_check_wanted(struct job *j)
{
	struct account now;
	struct arena arena;
	int r;

	arena_init(&arena);
	r = registry_find_id(j->registry, j->account.id, &arena, &now, NULL);
	if (r < 0)
		r = 0; /* busy for a moment: the next change of state will say it */
	else if (now.stage == STAGE_IDLE || now.stage == STAGE_DONE ||
		 (now.pin == PIN_SOURCE && now.route == ROUTE_SOURCE))
		r = error_set(&j->err, -ECANCELED, "cancelled");
	arena_fini(&arena);
	return r || j->is_busy ? r : check_paused(j);
}

static void tell_progress(struct job *j)
{
	struct sync_progress sums = sync_progress(&j->sync);
	struct progress p = { .folders = sums.folders,
		.messages_total = sums.messages_total,
		.messages_copied = sums.messages_copied,
		.bytes_copied = sums.bytes_copied };

	/* only for people: the next one may succeed */
	if (p.folders)
		(void)registry_set_progress(j->registry, j->account.id, &p, NULL);
}

static void end_look(struct job *j, uint64_t now)
{
	fd_closep(&j->look);
	j->looked_at = now;
}

/* An answer that does not come means: the user is there, or waits to be let in. Without
   the interceptor nobody is. */
static bool is_owner_there(struct job *j, uint64_t now)
{
	struct message m = { .type = MESSAGE_AWAIT_LOGOFF, .account = j->account.name };
	uint64_t number;

	if (j->look < 0 && now - j->looked_at >= LOOK_EVERY_MS) {
		j->looked_at = now;
		j->look = ask_begin(j->settings->run_dir, INTERCEPTOR_SOCKET, &m, NULL);
	} else if (j->look >= 0 &&
		   ask_answered(j->look, MESSAGE_LOGGED_OFF, &number, NULL) != 0) {
		end_look(j, now);
	}
	return j->look >= 0 && now - j->looked_at >= LOOK_MS;
}

/* A maildrop is one session's at a time: ours makes way. -EINTR: the user wants in.
   -ETIME: the user has been held long enough. */
static int take_turns(struct job *j, uint64_t now)
{
	if (j->is_busy && j->held_copy_ends && now >= j->held_copy_ends)
		return error_set(&j->err, -ETIME, "it does not fit into the hold");
	if (j->is_busy || !is_owner_there(j, now))
		return 0;
	return error_set(&j->err, -EINTR, "the owner wants the maildrop");
}

int job_tick(void *context)
{
	struct job *j = context;
	uint64_t now = clock_monotonic_ms();
	int r = job_is_exclusive(j) && j->in_pass ? take_turns(j, now) : 0;

	if (r)
		return r;
	if (now - j->told_at < TELL_EVERY_MS)
		return 0;
	j->told_at = now;
	tell_progress(j);
	return job_check_wanted(j);
}

int job_pause(struct job *j, unsigned ms)
{
	struct patience patience = { .ms = ms, .tick = job_tick, .context = j };

	return wait_pause(&patience);
}

/* ---- a pass ---- */

bool job_may_pass(int code)
{
	static const int codes[] = { -EAGAIN, -ECONNRESET, -ECONNREFUSED, -ECONNABORTED,
		-ETIMEDOUT, -EPIPE, -EPROTO, -EHOSTUNREACH, -ENETUNREACH, -ENETDOWN };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i] == code)
			return true;
	return false;
}

static int connect_source(struct job *j)
{
	uint64_t began;
	int r;

	if (j->is_connected)
		return 0;
	began = clock_monotonic_ms();
	r = passwords_connect(j);
	j->is_connected = r == 0;
	if (r == 0 && j->connected)
		r = j->connected(j);
	j->connected_at = clock_monotonic_ms();
	j->connect_ms = j->connected_at - began;
	return r;
}

void job_disconnect(struct job *j)
{
	j->source.ops->close(j->source.self);
	j->is_connected = false;
}

static int look(struct job *j)
{
	int r = connect_source(j);

	j->synced_at = clock_monotonic_ms();
	if (r == 0)
		r = sync_pass(&j->sync, &j->err);
	j->pass_ms = clock_monotonic_ms() - j->synced_at;
	if (r)
		job_disconnect(j);
	return r;
}

static int one_pass(struct job *j)
{
	int r = j->reader->check(j);

	if (r == 0)
		r = onward_check(j);
	if (r == 0)
		r = look(j);
	if (r == -ESTALE && (r = j->doubted(j)) == 0)
		r = look(j);
	if (r == 0 && j->passed)
		r = j->passed(j);
	if (r)
		job_disconnect(j);
	else if (job_is_exclusive(j))
		j->is_connected = false; /* its session has ended with the pass */
	/* nothing goes on to another place before it is known whose it is */
	return r == 0 && onward_is_wanted(j) && !j->vouching.is_due ? onward_pass(j) : r;
}

static unsigned tries_for(const struct job *j, int code)
{
	if (j->is_busy)
		return job_is_exclusive(j) && code == -EAGAIN ? TRIES_IN_USE : TRIES_BUSY;
	return code == -EAGAIN ? TRIES_NOT_NOW : TRIES;
}

static int passes(struct job *j)
{
	unsigned tries = 1, delay_ms = j->is_busy ? 100 : 1000;
	int r;

	j->source.ops->patience(j->source.self, j->is_busy ? BUSY_PATIENCE_MS : 0);
	while ((r = one_pass(j)) != 0 && job_may_pass(r) && tries++ < tries_for(j, r) &&
		!passwords_are_spent(&j->passwords)) {
		int stop;

		log_info(NULL, "again", "account=%.*s in_ms=%u reason=\"%s\"",
			STR_ARG(j->account.name), delay_ms, j->err.text);
		stop = job_pause(j, delay_ms);
		if (stop)
			return stop;
		delay_ms *= 2;
		if (j->pass_ms > JOB_LONG_PASS_MS && !j->is_busy) {
			tries = 1;
			delay_ms = 1000;
		}
	}
	if (r == 0) {
		tell_progress(j);
		log_info(NULL, "pass",
			"account=%.*s ms=%llu differences=%llu unreadable=%llu",
			STR_ARG(j->account.name), (unsigned long long)j->pass_ms,
			(unsigned long long)j->sync.differences,
			(unsigned long long)j->sync.n_unreadable);
	}
	return r;
}

int job_pass(struct job *j)
{
	int r;

	j->in_pass = true;
	j->look = -1;
	r = passes(j);
	j->in_pass = false;
	end_look(j, 0);
	return r;
}

/* ---- the state ---- */

int job_event_is_over(struct job *j, enum account_event event, struct str detail, int r)
{
	if (r == 0)
		log_info(NULL, "state", "account=%.*s event=%s detail=\"%.*s\"",
			STR_ARG(j->account.name), account_event_name(event),
			STR_ARG(detail));
	return r == -EPERM ? -ECANCELED : r;
}

int job_event(struct job *j, enum account_event event, struct str detail)
{
	return job_event_is_over(j, event, detail,
		registry_transition(j->registry, j->account.id, event,
			STR_LIT("transfer"), detail, &j->err));
}

/* ---- the mark of the mail folder (arrival.h) ---- */

int job_set_arriving(struct job *j, bool arriving)
{
	int r = registry_set_arriving(j->registry, j->account.id, arriving, &j->err);

	if (r == 0)
		j->account.is_arriving = arriving;
	return r == -EPERM ? -ECANCELED : r; /* as job_event() */
}

static int unmark_folder(struct job *j)
{
	char path[PATH_MAX];
	struct store *s = NULL;
	int r = settings_mail_path(j->settings, j->account.name, path, sizeof(path));

	if (r < 0)
		return error_errno(&j->err, r, "%s", j->settings->state_dir);
	job_close_destination(j);
	r = store_open(path, false, &s, &j->err);
	if (r == 0)
		r = store_set_service(s, STORE_COPYING, 0, &j->err);
	store_close(s);
	return r == -ENOENT ? 0 : r; /* somebody has moved it away */
}

int job_take_back_mark(struct job *j)
{
	int r;

	if (!j->account.is_arriving)
		return 0;
	r = unmark_folder(j);
	return r < 0 ? r : job_set_arriving(j, false);
}

/* Counts as one attempt, however far this process gets. */
int job_begin_copy(struct job *j)
{
	int r = j->has_begun ? 0 : job_event(j, EVENT_COPY, STR_LIT(""));

	j->has_begun = j->has_begun || r == 0;
	return r;
}

void job_route_changed(struct job *j)
{
	struct message m = { .type = MESSAGE_ROUTE_CHANGED, .account = j->account.name };

	/* without it nobody is held, and whoever comes reads the registry */
	(void)ask_tell(j->settings->run_dir, INTERCEPTOR_SOCKET, &m, NULL);
}
