/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/account_login.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "registry/pop_logins.h"
#include "transfer/account/job/job.h"
#include "transfer/read/imap_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 30000

struct login_job {
	struct job job;
	enum service_id service;
	struct sockaddr_storage client;
	char client_text[ADDRESS_TEXT_MAX];
};

/* The source's address of the client's family. */
static int source_of(struct login_job *l, struct sockaddr_storage *ret)
{
	struct sockaddr_storage all[SETTINGS_SOURCES_MAX];
	size_t n = 0;
	int r = job_source_addresses(&l->job, l->service, all, &n);

	for (size_t i = 0; i < n; i++)
		if (all[i].ss_family == l->client.ss_family) {
			*ret = all[i];
			return 0;
		}
	return r < 0 ? r
	             : error_set(&l->job.err, -EAFNOSUPPORT,
			       "the source has no address of the client's family");
}

static int by_imap(struct login_job *l, const struct sockaddr_storage *to)
{
	const struct own_password *p = &l->job.passwords.at[0];
	struct imap_source_options options = { .addresses = to,
		.n_addresses = 1,
		.login = p->login,
		.password = p->clear,
		.connections = 1,
		.dialer = dial_by(&l->job.dial_imap) };
	struct source *s = &l->job.source; /* job_close() logs it out */
	int r = imap_source_new(&options, s, &l->job.err);

	if (r < 0)
		return r;
	s->ops->patience(s->self, PATIENCE_MS);
	return s->ops->connect(s->self, &l->job.err);
}

static int by_pop3(struct login_job *l, const struct sockaddr_storage *to)
{
	const struct own_password *p = &l->job.passwords.at[0];
	struct pop3_connection pop3;
	int r;

	pop3_connection_init(&pop3, PATIENCE_MS, NULL, NULL);
	pop3.dialer = dial_by(&l->job.dial_pop3);
	r = pop3_connection_login(&pop3, to, p->login, p->clear, &l->job.err);
	pop3_connection_end(&pop3);
	return r;
}

/* With the password that was proven last, and no other. */
static int log_in(struct login_job *l)
{
	bool imap = l->service == SERVICE_IMAP || l->service == SERVICE_IMAPS;
	struct dial *d = imap ? &l->job.dial_imap : &l->job.dial_pop3;
	struct sockaddr_storage to;
	int r = source_of(l, &to);

	d->service = l->service;
	d->socket = LOGIN_CLIENT_SOCKET;
	if (r == 0)
		r = passwords_read(&l->job);
	if (r == 0)
		r = job_drop_rights(
			l->job.registry, l->job.settings, &l->job.account, &l->job.err);
	return r ? r : imap ? by_imap(l, &to) : by_pop3(l, &to);
}

static int find_client(struct login_job *l)
{
	socklen_t len = sizeof(l->client);

	if (getsockname(LOGIN_CLIENT_SOCKET, (struct sockaddr *)&l->client, &len) < 0)
		return error_errno(&l->job.err, -errno, "no socket of the client's");
	address_text(&l->client, l->client_text);
	return 0;
}

static int write_down(struct login_job *l, int code)
{
	struct job *j = &l->job;
	const char *name = service_name(l->service);
	struct error why = j->err;
	struct pop_login done = { .at = clock_wall_ms(),
		.client = str_from(l->client_text),
		.error = code ? str_from(why.text) : STR_LIT("") };

	if (code == -EACCES)
		done.next_at = done.at + POP_LOGIN_REFUSED_AGAIN_MS;
	if (code)
		log_warning(NULL, "pop-login",
			"account=%.*s client=%s service=%s reason=\"%s\"",
			STR_ARG(j->account.name), l->client_text, name, why.text);
	else
		log_info(NULL, "pop-login", "account=%.*s client=%s service=%s",
			STR_ARG(j->account.name), l->client_text, name);
	return registry_set_pop_login(j->registry, j->account.id, &done, &j->err);
}

static int run(struct login_job *l, const char *name)
{
	struct job *j = &l->job;
	int r = find_client(l);

	if (r == 0)
		r = job_begin(j, name);
	if (r < 0 || j->account.route != ROUTE_LOCAL)
		return r;
	return write_down(l, log_in(l));
}

enum account_exit account_login(
	const struct settings *settings, const char *name, const char *service)
{
	struct login_job *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return ACCOUNT_BROKEN;
	*l = (struct login_job){ .job = { .settings = settings },
		.service = service_by_name(service) };
	arena_init(&l->job.arena);
	r = process_protect_memory(&l->job.err);
	if (r == 0)
		r = run(l, name);
	if (r < 0)
		log_error(NULL, "broken", "account=%s reason=\"%s\"", name,
			l->job.err.text);
	job_close(&l->job);
	free(l);
	return r < 0 ? ACCOUNT_BROKEN : ACCOUNT_OVER;
}
