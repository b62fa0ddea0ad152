/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/imap_connection.h"

#include "base/clock.h"
#include "wire/imap/encode.h"
#include "wire/imap/prelogin.h"

#define CAPABILITY_MAX 65536 /* some hundred bytes in practice */

void imap_connection_init(struct imap_connection *imap)
{
	*imap = (struct imap_connection){ .examined = IMAP_NO_FOLDER,
		.open_folder = IMAP_NO_FOLDER };
	source_connection_init(&imap->net);
	buf_init(&imap->capability, CAPABILITY_MAX);
	arena_init(&imap->arena);
	imap_rows_init(&imap->rows);
	buf_init(&imap->pending_keywords, 0);
	buf_init(&imap->keywords, 0);
	buf_init(&imap->open_name, 0);
	imap_response_init(&imap->reader);
}

void imap_connection_close(struct imap_connection *imap)
{
	source_connection_close(&imap->net);
	buf_fini(&imap->capability);
	arena_fini(&imap->arena);
	imap_rows_fini(&imap->rows);
	buf_fini(&imap->pending_keywords);
	buf_fini(&imap->keywords);
	buf_fini(&imap->open_name);
	imap_connection_init(imap);
}

bool imap_connection_has(const struct imap_connection *imap, struct str capability)
{
	return str_has_word(buf_view(&imap->capability), capability);
}

int imap_connection_put_name(struct imap_connection *imap, struct str name)
{
	bool plus = imap_connection_has(imap, STR_LIT("LITERAL+"));

	if (!imap_is_quotable(name) && plus)
		return imap_put_literal(&imap->net.out, name, true);
	return imap_put_quoted(&imap->net.out, name);
}

enum imap_response_event imap_connection_next(
	struct imap_connection *imap, struct str *ret_part, size_t *ret_used)
{
	return imap_response_next(
		&imap->reader, buf_view(&imap->net.in), ret_part, ret_used);
}

/* ---- the queue of commands in flight ---- */

struct imap_command *imap_connection_ask(
	struct imap_connection *imap, enum imap_asked asked)
{
	struct imap_command *c;

	if (imap->n_sent == IMAP_SENT_MAX)
		return NULL;
	if (!imap->n_sent)
		imap->net.heard_at = clock_monotonic_ms(); /* it owed nothing before */
	c = &imap->sent[(imap->first_sent + imap->n_sent) % IMAP_SENT_MAX];
	*c = (struct imap_command){ .tag = ++imap->next_tag, .asked = asked };
	if (buf_printf(&imap->net.out, "m%u ", c->tag) < 0)
		return NULL;
	imap->n_sent++;
	return c;
}

struct imap_command *imap_connection_head(struct imap_connection *imap)
{
	return imap->n_sent ? &imap->sent[imap->first_sent] : NULL;
}

void imap_connection_answered(struct imap_connection *imap)
{
	imap->bytes_ahead -= imap->sent[imap->first_sent].bytes;
	imap->first_sent = (imap->first_sent + 1) % IMAP_SENT_MAX;
	imap->n_sent--;
}
