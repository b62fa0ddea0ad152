/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/tickets.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "messages/ask.h"

#include <errno.h>
#include <string.h>

#define AGAIN_MS 250     /* until the vault is asked once more */
#define PATIENCE_MS 1000 /* it answers at once, unless its disk is slow */

static int take_key(struct tickets *t, int fd, struct error *err)
{
	const struct patience patience = { .ms = PATIENCE_MS };
	char bytes[IPC_MESSAGE_MAX];
	struct message m;
	int r = ask_receive(fd, bytes, &patience, &m, err);

	if (r == 0 && (m.type != MESSAGE_VAULT_READY || !m.number ||
			      m.payload.len != TICKET_KEY_SIZE))
		r = error_set(err, -EBADMSG, "the vault's first word makes no sense");
	if (r)
		return r;
	t->books[1] = t->books[0];
	t->books[0] = (struct ticket_book){ .key.epoch = m.number };
	memcpy(t->books[0].key.key, m.payload.ptr, TICKET_KEY_SIZE);
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

/* At the first login, and when the vault has started anew. */
static void renew_key(struct tickets *t)
{
	struct error err = { 0 };
	CLEANUP(fd_closep) int fd = -1;
	int r;

	if (clock_monotonic_ms() < t->again_at)
		return;
	fd = ask_open(t->settings->run_dir, VAULT_MAIL_SOCKET, &err);
	r = fd < 0 ? fd : take_key(t, fd, &err);
	t->again_at = clock_monotonic_ms() + AGAIN_MS;
	if (r < 0)
		log_warning(NULL, "vault", "error=\"%s\"", err.text);
}

static struct ticket_book *book_of(struct tickets *t, uint64_t epoch)
{
	for (size_t i = 0; i < TICKET_BOOKS; i++)
		if (t->books[i].key.epoch == epoch)
			return &t->books[i];
	return NULL;
}

int tickets_use(struct tickets *t, const struct message *m)
{
	const struct ticket_bearer bearer = {
		.account = m->account, .session = m->session, .service = m->service
	};
	uint64_t epoch = ticket_epoch(m->text);
	struct ticket_book *book;

	if (!epoch)
		return -EACCES;
	if (t->is_given)
		return -ESTALE;
	if (!book_of(t, epoch))
		renew_key(t);
	book = book_of(t, epoch);
	if (!book)
		return t->books[0].key.epoch ? -EACCES : -ENOTCONN;
	return ticket_use(
		&book->key, &book->window, m->text, clock_monotonic_ms(), &bearer);
}

/* ---- from one mailstore to the next ---- */

struct message tickets_book_message(const struct tickets *t, size_t book)
{
	return (struct message){ .type = MESSAGE_HANDED,
		.text = STR_LIT(TICKETS_HANDED),
		.number = book,
		.payload =
			str_of((const char *)&t->books[book], sizeof(t->books[book])) };
}

void tickets_give_away(struct tickets *t)
{
	explicit_bzero(t->books, sizeof(t->books));
	t->is_given = true;
}

int tickets_take_book(struct tickets *t, const struct message *m)
{
	if (m->number >= TICKET_BOOKS || m->payload.len != sizeof(t->books[0]))
		return -EBADMSG;
	memcpy(&t->books[m->number], m->payload.ptr, sizeof(t->books[0]));
	return 0;
}
