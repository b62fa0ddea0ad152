/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/job/reader.h"

#include "base/log.h"
#include "transfer/read/imap_source.h"
#include "transfer/read/pop3_source.h"
#include "transfer/read/source_connection.h"

#include <errno.h>
#include <limits.h>

#define PROBE_MS 5000                 /* a port that refuses does so at once */
#define IMAP_GREETING "imap.greeting" /* a fact that the interceptor's probe notes */

/* ── is there IMAP? ────────────────────────────────────────────────────────────────── */

/* 0: one of its addresses takes connections. */
static int probe_port(struct job *j, enum service_id service)
{
	struct sockaddr_storage addresses[SETTINGS_SOURCES_MAX];
	struct source_dialer by_tcp = { 0 };
	size_t n = 0;
	int r = job_source_addresses(j, service, addresses, &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct source_connection door;
		struct error ignored;
		int code;

		source_connection_init(&door);
		code = source_connection_open(
			&door, &by_tcp, &addresses[i], PROBE_MS, &ignored);
		source_connection_close(&door);
		if (code != -ECONNREFUSED)
			return code;
	}
	return r < 0 ? r : -ECONNREFUSED;
}

static bool was_imap_seen(struct job *j)
{
	struct arena arena;
	struct str greeting;
	int r;

	arena_init(&arena);
	r = registry_fact(j->registry, STR_LIT(IMAP_GREETING), &arena, &greeting, NULL);
	arena_fini(&arena);
	return r != -ENOENT; /* not to be known is no reason for the lesser one */
}

static bool has_imaps(struct job *j)
{
	return j->settings->services[SERVICE_IMAPS].enabled &&
	       probe_port(j, SERVICE_IMAPS) == 0;
}

/* Neither seen nor there: then it is asked for inside TLS. */
static bool has_only_imaps(struct job *j)
{
	return j->settings->services[SERVICE_IMAP].enabled && !was_imap_seen(j) &&
	       probe_port(j, SERVICE_IMAP) == -ECONNREFUSED && has_imaps(j);
}

static bool has_only_pop3(struct job *j)
{
	const struct service_settings *services = j->settings->services;

	if (!services[SERVICE_POP3].enabled)
		return false;
	if (!services[SERVICE_IMAP].enabled)
		return true;
	return !was_imap_seen(j) && probe_port(j, SERVICE_IMAP) == -ECONNREFUSED &&
	       !has_imaps(j) && probe_port(j, SERVICE_POP3) == 0;
}

static int check_imap(struct job *j)
{
	(void)j;
	return 0;
}

/* -EREMOTEIO: IMAP answers after all. */
static int check_pop3(struct job *j)
{
	if (!j->settings->services[SERVICE_IMAP].enabled ||
		probe_port(j, SERVICE_IMAP) != 0)
		return 0;
	return error_set(&j->err, -EREMOTEIO,
		"the source has IMAP after all: it will be used the next time");
}

/* ── opening ───────────────────────────────────────────────────────────────────────── */

static int open_imap(struct job *j, const struct sockaddr_storage *addresses, size_t n)
{
	struct imap_source_options options = { .addresses = addresses,
		.n_addresses = n,
		.login = passwords_used(&j->passwords)->login,
		.password = passwords_used(&j->passwords)->clear,
		.connections = j->settings->limits.source_connections,
		.allow_select = j->settings->allow_select,
		.dialer = dial_by(&j->dial_imap) };

	return imap_source_new(&options, &j->source, &j->err);
}

/* ── what POP3 cannot know by itself: the UIDs given before ───────────────────────────
 */

static int find_known(
	void *context, bool *ret_exists, struct source_status *ret, struct error *err)
{
	struct job *j = context;
	struct destination_folder inbox;
	int r = j->destination.ops->find_folder(
		j->destination.self, STR_LIT("INBOX"), &inbox, err);

	if (r < 0 && r != -ENOENT)
		return r;
	*ret_exists = r == 0;
	*ret = (struct source_status){ .uidnext = 1 };
	if (r == 0)
		*ret = (struct source_status){ .uidvalidity = inbox.uidvalidity,
			.uidnext = inbox.uidnext };
	return 0;
}

static int each_known(void *context,
	int (*each)(void *each_context, const struct mail *m), void *each_context,
	struct error *err)
{
	struct job *j = context;
	struct destination_folder inbox;
	int r = j->destination.ops->find_folder(
		j->destination.self, STR_LIT("INBOX"), &inbox, err);

	return r < 0 ? r
	             : j->destination.ops->each_mail(j->destination.self, inbox.id, 1,
			       UINT32_MAX, each, each_context, err);
}

static int open_pop3(struct job *j, const struct sockaddr_storage *addresses, size_t n)
{
	const struct known_inbox in_destination = {
		.find = find_known, .each = each_known, .context = j
	};
	char folder[PATH_MAX];
	struct pop3_source_options options = { .addresses = addresses,
		.n_addresses = n,
		.login = passwords_used(&j->passwords)->login,
		.password = passwords_used(&j->passwords)->clear,
		.known = j->known ? *j->known : in_destination,
		.spool_folder = folder,
		.dialer = dial_by(&j->dial_pop3),
		.may_lack_uidls = j->settings->uidls != UIDLS_REQUIRE };
	int r = settings_mail_path(j->settings, j->account.name, folder, sizeof(folder));

	if (r < 0)
		return error_errno(&j->err, r, "%s", j->settings->state_dir);
	log_info(NULL, "reader", "account=%.*s reader=pop3", STR_ARG(j->account.name));
	return pop3_source_new(&options, &j->source, &j->err);
}

static const struct reader imap_reader = { SERVICE_IMAP, open_imap, check_imap };
static const struct reader imaps_reader = { SERVICE_IMAPS, open_imap, check_imap };
static const struct reader pop3_reader = { SERVICE_POP3, open_pop3, check_pop3 };

int reader_open(struct job *j)
{
	struct sockaddr_storage addresses[SETTINGS_SOURCES_MAX];
	size_t n = 0;
	int r;

	j->reader = has_only_pop3(j)    ? &pop3_reader
	            : has_only_imaps(j) ? &imaps_reader
	                                : &imap_reader;
	j->dial_imap.service = j->reader->service;
	r = job_source_addresses(j, j->reader->service, addresses, &n);
	if (r < 0)
		return r;
	address_port_text(&addresses[0], j->source_text);
	return j->reader->open(j, addresses, n);
}
