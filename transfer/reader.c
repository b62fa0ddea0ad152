/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/reader.h"

#include "base/log.h"
#include "transfer/imap_source.h"
#include "transfer/link.h"
#include "transfer/pop3_source.h"

#include <errno.h>
#include <limits.h>

#define KNOCK_MS 5000                 /* a port that refuses does so at once */
#define IMAP_GREETING "imap.greeting" /* a fact that the interceptor's probe notes */

/* ── is there IMAP? ────────────────────────────────────────────────────────────────── */

/* 0: one of its addresses takes connections. */
static int knock(struct job *j, enum service_id service)
{
	struct sockaddr_storage addresses[SETTINGS_SOURCES_MAX];
	size_t n = 0;
	int r = job_source_addresses(j, service, addresses, &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct link link;
		struct error ignored;
		int code;

		link_init(&link);
		code = link_connect(&link, &addresses[i], KNOCK_MS, &ignored);
		link_close(&link);
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

static bool is_pop3_alone(struct job *j)
{
	const struct service_settings *services = j->settings->services;

	if (!services[SERVICE_POP3].enabled)
		return false;
	if (!services[SERVICE_IMAP].enabled)
		return true;
	return !was_imap_seen(j) && knock(j, SERVICE_IMAP) == -ECONNREFUSED &&
	       knock(j, SERVICE_POP3) == 0;
}

int reader_check(struct job *j)
{
	if (!j->is_pop3 || !j->settings->services[SERVICE_IMAP].enabled ||
		knock(j, SERVICE_IMAP) != 0)
		return 0;
	return error_set(&j->err, -EREMOTEIO,
		"the source has IMAP after all: it will be used the next time");
}

/* ── opening ───────────────────────────────────────────────────────────────────────── */

static int open_imap(struct job *j, const struct sockaddr_storage *addresses, size_t n)
{
	struct imap_source_options options = { .addresses = addresses,
		.n_addresses = n,
		.login = j->account.login,
		.password = j->password,
		.connections = j->settings->limits.source_connections };

	return imap_source_new(&options, &j->source, &j->err);
}

static int open_pop3(struct job *j, const struct sockaddr_storage *addresses, size_t n)
{
	char folder[PATH_MAX];
	struct pop3_source_options options = { .addresses = addresses,
		.n_addresses = n,
		.login = j->account.login,
		.password = j->password,
		.store = j->store,
		.spool_folder = folder,
		.may_lack_uidls = j->settings->uidls != UIDLS_REQUIRE };
	int r = settings_mail_path(j->settings, j->account.name, folder, sizeof(folder));

	if (r < 0)
		return error_errno(&j->err, r, "%s", j->settings->state_dir);
	log_info(NULL, "reader", "account=%.*s reader=pop3", STR_ARG(j->account.name));
	return pop3_source_new(&options, &j->source, &j->err);
}

int reader_open(struct job *j)
{
	struct sockaddr_storage addresses[SETTINGS_SOURCES_MAX];
	size_t n = 0;
	int r;

	j->is_pop3 = is_pop3_alone(j);
	r = job_source_addresses(
		j, j->is_pop3 ? SERVICE_POP3 : SERVICE_IMAP, addresses, &n);
	if (r < 0)
		return r;
	address_port_text(&addresses[0], j->source_text);
	return j->is_pop3 ? open_pop3(j, addresses, n) : open_imap(j, addresses, n);
}
