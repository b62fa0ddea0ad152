/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/job/onward.h"

#include "source/destination.h"
#include "transfer/account/job/job.h"
#include "transfer/back/imap_writer.h"
#include "transfer/read/imap_source.h"
#include "transfer/write/store_destination.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PATIENCE_MS 60000      /* nobody waits: a large mailbox is opened there */
#define BUSY_PATIENCE_MS 20000 /* somebody is held at the login */
/* a disk that syncs what was copied, and what others write; and of few messages */
#define SYNC_MS 600000
#define BUSY_SYNC_MS 60000

bool onward_is_wanted(const struct job *j)
{
	return destination_is_elsewhere(&j->settings->destination);
}

bool onward_renumbers(const struct job *j)
{
	return j->settings->destination.kind == DESTINATION_IMAP;
}

static bool is_maildir(const struct job *j)
{
	return j->settings->destination.kind == DESTINATION_MAILDIR;
}

static struct onward_files files_of(struct job *j)
{
	return (struct onward_files){ .settings = j->settings,
		.account = j->account.name,
		.login = j->account.login,
		.patience = { .ms = j->is_busy ? BUSY_SYNC_MS : SYNC_MS,
			.tick = job_tick,
			.context = j } };
}

int onward_check(struct job *j)
{
	const struct onward_files f = files_of(j);

	return is_maildir(j) ? onward_maildir_check(&f, &j->err) : 0;
}

static int write_files(struct job *j)
{
	const struct onward_files f = files_of(j);

	return onward_maildir_pass(&j->onward.maildir, &f, &j->err);
}

void onward_prepare(struct job *j)
{
	if (onward_is_wanted(j))
		source_tls_prepare(&j->onward.tls, j->settings);
}

/* ---- where to ---- */

bool onward_is_home(const struct job *j)
{
	return destination_is_home(j->settings, j->account.home);
}

int onward_set_home(struct job *j)
{
	char home[ADDRESS_TEXT_MAX];

	if (onward_is_home(j))
		return 0;
	destination_home(j->settings, home);
	if (j->account.route != ROUTE_SOURCE)
		return error_set(&j->err, -EREMOTEIO,
			"`destination` was changed while it switched: it begins anew");
	return registry_set_home(j->registry, j->account.id, str_from(home), &j->err);
}

/* ---- sentences ---- */

/* Readers and writers call the server that they talk with the source. */
static int say(struct job *j, int code)
{
	static const struct str source = STR("the source");
	struct error why = j->err;
	struct str rest = str_from(why.text);
	char text[ERROR_TEXT_MAX] = "";
	size_t used = 0;

	if (code >= 0 || code == -ECANCELED || code == -EINTR || code == -ETIME)
		return code;
	while (rest.len && used < sizeof(text) - 1) {
		bool is_it = str_starts(rest, source);

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%.*s",
			is_it ? (int)strlen("the destination") : 1,
			is_it ? "the destination" : rest.ptr);
		rest = str_skip(rest, is_it ? source.len : 1);
	}
	return error_set(&j->err, code, "%s (destination %s)", text, j->onward.where);
}

/* ---- connections ---- */

static int dial(void *context, const struct sockaddr_storage *to, unsigned patience_ms,
	struct stream **ret)
{
	struct job *j = context;
	struct onward *o = &j->onward;
	struct stream *s;
	int r = source_dial_plain(NULL, to, patience_ms, &s);

	if (r < 0)
		return r;
	o->err.code = 0;
	r = destination_wrap(&o->tls, j->settings, SERVICE_IMAP, &s, &o->err);
	if (r == 0)
		r = source_dial_finish(s, patience_ms);
	if (o->err.code)
		log_error(NULL, "destination-tls", "error=\"%s\"", o->err.text);
	if (r < 0)
		stream_free(s);
	else
		*ret = s;
	return r;
}

/* Of late mail nothing is to be cancelled. */
static int tick(void *context)
{
	struct job *j = context;

	if (j->onward.tick)
		return j->onward.tick(j->onward.context);
	return j->account.stage == STAGE_DONE ? 0 : job_tick(j);
}

static int open_ends(struct job *j)
{
	struct onward *o = &j->onward;
	const struct own_password *p = passwords_used(&j->passwords);
	const struct imap_source_options reads = {
		.addresses = &j->settings->destination.server,
		.n_addresses = 1,
		.login = p->login,
		.password = p->clear,
		.connections = 1,
		.dialer = { dial, j, NULL }
	};
	const struct imap_writer_options writes = { .imap = &o->there,
		.patience_ms = BUSY_PATIENCE_MS,
		.tick = tick,
		.context = j };
	int r;

	if (o->is_open)
		return 0;
	destination_home(j->settings, o->home);
	address_port_text(&j->settings->destination.server, o->where);
	r = imap_source_new(&reads, &o->there, &j->err);
	if (r == 0)
		r = imap_writer_new(&writes, &o->writer, &j->err);
	if (r == 0)
		carry_init(&o->carry, NULL, &o->there, &o->writer);
	o->is_open = r == 0;
	return r;
}

static int connect_there(struct job *j)
{
	struct onward *o = &j->onward;
	const struct own_password *p = passwords_used(&j->passwords);
	int r = open_ends(j);

	if (r < 0)
		return r;
	o->there.ops->patience(
		o->there.self, j->is_busy ? BUSY_PATIENCE_MS : PATIENCE_MS);
	if (o->is_connected)
		return 0;
	r = o->there.ops->use(o->there.self, p->login, p->clear, &j->err);
	if (r == 0)
		r = o->there.ops->connect(o->there.self, &j->err);
	if (r == 0)
		r = o->writer.ops->connect(o->writer.self, &j->err);
	o->is_connected = r == 0;
	return r;
}

void onward_disconnect(struct job *j)
{
	struct onward *o = &j->onward;

	if (o->writer.ops)
		o->writer.ops->close(o->writer.self);
	if (o->there.ops)
		o->there.ops->close(o->there.self);
	o->is_connected = false;
}

void onward_close(struct job *j)
{
	struct onward *o = &j->onward;

	onward_disconnect(j);
	onward_maildir_close(&o->maildir);
	if (o->is_open)
		carry_fini(&o->carry);
	if (o->writer.ops)
		o->writer.ops->free(o->writer.self);
	if (o->there.ops)
		o->there.ops->free(o->there.self);
	source_tls_fini(&o->tls);
	*o = (struct onward){ 0 };
}

/* ---- carrying ---- */

/* Dates and order cannot be made right afterwards; what else it does not keep is in the
   certificate. */
static int check(struct job *j)
{
	const struct carry *c = &j->onward.carry;

	if (c->lost.dates)
		return error_set(&j->err, -EREMOTEIO,
			"the destination shows other dates of %" PRIu64
			" messages than it was given",
			c->lost.dates);
	if (c->proof.out_of_order)
		return error_set(&j->err, -EREMOTEIO,
			"%" PRIu64 " messages are in another order at the destination; "
			"empty the mailbox there, and it is copied anew",
			c->proof.out_of_order);
	return 0;
}

static int carry(struct job *j, enum carry_way way, struct store *s)
{
	struct onward *o = &j->onward;
	int r = connect_there(j);

	if (r == 0)
		r = store_set_destination(s, str_from(o->home), &j->err);
	if (r == 0 && way == CARRY_HOME && is_maildir(j))
		r = store_note_kept_uids(s, &j->err);
	if (r == 0) {
		o->carry.store = s;
		o->carry.way = way;
		o->carry.keeps_names = is_maildir(j);
		o->carry.tick = tick;
		o->carry.context = j;
		o->carry.sums = (struct carry_sums){ 0 };
		r = carry_all(&o->carry, &j->err);
	}
	if (r == 0 && way == CARRY_ON)
		r = check(j);
	if (r != 0)
		onward_disconnect(j);
	else
		log_info(NULL, "onward",
			"account=%.*s destination=%s messages=%" PRIu64 " flags=%" PRIu64
			" expunged=%" PRIu64 " folders=%" PRIu64,
			STR_ARG(j->account.name), o->where, o->carry.sums.messages,
			o->carry.sums.flags, o->carry.sums.expunged,
			o->carry.sums.folders);
	return say(j, r);
}

/* A password that is refused there says nothing about the source's. */
static int not_the_source(int r)
{
	return r == -EACCES || r == -EPERM ? -EREMOTEIO : r;
}

int onward_pass(struct job *j)
{
	if (!is_maildir(j))
		return not_the_source(
			carry(j, CARRY_ON, store_destination_store(&j->destination)));
	return j->is_busy ? 0 : write_files(j); /* then onward_prove() does it */
}

/* ---- proving ---- */

static int prove(struct job *j)
{
	struct onward *o = &j->onward;
	int r = connect_there(j);

	if (r == 0)
		r = onward_proof_run(store_destination_store(&j->destination), &o->there,
			tick, j, &o->proof, &j->err);
	if (r != 0)
		onward_disconnect(j);
	return r;
}

int onward_prove(struct job *j)
{
	bool was_connected = j->onward.is_connected;
	int r;

	if (!is_maildir(j))
		return 0;
	r = write_files(j);
	if (r)
		return r;
	if (j->onward.maildir.has_other_folders)
		onward_disconnect(j);
	j->onward.maildir.has_other_folders = false;
	r = prove(j);
	if (was_connected && job_may_pass(r)) /* it may have been for long */
		r = prove(j);
	/* late mail of an earlier move may have had UIDs of that server's */
	if (r == 0)
		r = store_forget_files(store_destination_store(&j->destination), &j->err);
	j->onward.is_proven = r == 0;
	return not_the_source(say(j, r));
}

int onward_late(struct job *j, struct store *s)
{
	return carry(j, CARRY_LATE, s);
}

/* Out of a Maildir, too: the server that has it is asked, as before the switch. */
int onward_home(struct job *j, struct store *s)
{
	if (!onward_is_home(j))
		return error_set(&j->err, -ENODATA,
			"it lives at %.*s, which is not `destination` any more: what is "
			"new there cannot be brought",
			STR_ARG(j->account.home));
	return carry(j, CARRY_HOME, s);
}
