/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP proxy: sender and recipients, from MAIL to the end of the message. */
#include "wire/smtp/proxy_parts.h"

#include "wire/smtp/dsn.h"

static void list_init(struct smtp_recipient_list *list)
{
	*list = (struct smtp_recipient_list){ .last = &list->first };
}

void proxy_transaction_init(struct smtp_transaction *t)
{
	*t = (struct smtp_transaction){ 0 };
	arena_init(&t->arena);
	list_init(&t->local);
	list_init(&t->remote);
}

bool proxy_has_sender(const struct smtp_transaction *t)
{
	return t->mail_line.ptr != NULL;
}

bool proxy_keep(struct smtp_transaction *t, struct str s, struct str *ret)
{
	if (t->arena.used > SMTP_TRANSACTION_MAX)
		return false;
	*ret = arena_str(&t->arena, s);
	return ret->ptr != NULL;
}

struct smtp_recipient *proxy_keep_recipient(
	struct smtp_transaction *t, struct str line, const struct smtp_path *path)
{
	struct smtp_recipient *r = NULL;

	if (t->arena.used <= SMTP_TRANSACTION_MAX)
		r = arena_alloc(&t->arena, sizeof(*r));
	if (!r || !proxy_keep(t, path->address, &r->address) ||
		!proxy_keep(t, path->params, &r->params) ||
		!proxy_keep(t, line, &r->line))
		return NULL;
	return r;
}

void proxy_add_recipient(struct smtp_recipient_list *list, struct smtp_recipient *r)
{
	*list->last = r;
	list->last = &r->next;
	list->n++;
}

/* Nobody reports to <> (RFC 3461, 6.2). */
bool proxy_is_to_be_reported(const struct smtp_proxy *p, const struct smtp_recipient *r)
{
	struct dsn_rcpt asked;

	return p->client.offered_dsn && p->transaction.sender.len &&
	       dsn_rcpt_parse(r->params, &asked) && asked.notify & DSN_NOTIFY_SUCCESS;
}

void proxy_add_reported(struct smtp_transaction *t, struct smtp_recipient *r)
{
	r->next_reported = t->reported;
	t->reported = r;
	t->n_reported++;
}

/* The memory only when nothing on its way lies in it. */
void proxy_forget_transaction(struct smtp_proxy *p)
{
	struct arena arena = p->transaction.arena;

	if (!p->pipeline.n && p->state != SMTP_PROXY_ROUTING &&
		p->state != SMTP_PROXY_STARTING_OVER && p->state != SMTP_PROXY_RECALLING)
		arena_fini(&arena);
	proxy_transaction_init(&p->transaction);
	p->transaction.arena = arena;
}
