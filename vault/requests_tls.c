/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Certificates: what workers are told of them, and how they are renewed. */
#include "vault/asker.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "vault/server.h"

#include <stdio.h>
#include <stdlib.h>

#define FILE_NAME_MAX 1024

void request_send_identities(struct asker *a)
{
	struct vault_tls *t = &a->server->tls;
	/* who runs code in a worker can ask, too, and shall read nothing older than what
	   workers can */
	int r = tls_tickets_age(t->secret, &t->secret_at_s, clock_wall_ms() / 1000);
	struct message m = { .type = MESSAGE_IDENTITIES,
		.number = t->n,
		.number2 = t->secret_at_s,
		.payload = str_of((char *)t->secret, sizeof(t->secret)) };

	if (r < 0)
		log_error(NULL, "tls", "ticket_secret=%d", -r);
	asker_send(a, &m);
	for (size_t i = 0; i < t->n; i++) {
		const struct tls_identity *one = &t->identities[i];

		m = (struct message){ .type = MESSAGE_IDENTITY,
			.number = t->first + i,
			.text = str_from(one->file),
			.tag = buf_view(&one->staple),
			.payload = buf_view(&one->chain) };
		asker_send(a, &m);
	}
}

void request_renewal_file(struct asker *a, const struct message *m, int fd)
{
	char file[FILE_NAME_MAX];

	(void)snprintf(file, sizeof(file), "%.*s", STR_ARG(m->text));
	if (!a->renewal)
		a->renewal = calloc(1, sizeof(*a->renewal));
	if (a->renewal && !a->renewal_err.code && m->number < RENEWAL_FILE_COUNT)
		(void)vault_tls_add(a->renewal, (enum renewal_file)m->number, fd, file,
			&a->renewal_err);
	else
		fd_closep(&fd);
}

void request_drop_renewal(struct asker *a)
{
	if (a->renewal)
		vault_tls_close(a->renewal);
	free(a->renewal);
	a->renewal = NULL;
	a->renewal_err = (struct error){ 0 };
}

void request_renew(struct asker *a, const struct message *m, int fd)
{
	struct server *s = a->server;
	struct vault_tls none = { 0 };
	struct error err = a->renewal_err;
	uint32_t first = s->tls.first;
	struct message done = { .type = MESSAGE_DONE };
	struct asker *each;

	(void)fd;
	(void)m;
	if (!err.code && vault_tls_renew(&s->tls, &s->tls_before,
				 a->renewal ? a->renewal : &none, &err) == 0) {
		LIST_FOREACH(each, &s->askers, all)
		if (each->role == ROLE_LOGIN && s->tls.first != first)
			request_send_identities(each);
		log_info(NULL, "renewed", "certificates=%zu changed=%s", s->tls.n,
			s->tls.first != first ? "yes" : "no");
		asker_send(a, &done);
	} else {
		asker_send_failed(a, &err);
	}
	request_drop_renewal(a);
}
