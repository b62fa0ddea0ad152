/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STATUS (RFC 3501, 6.3.10), also for LIST ... RETURN (STATUS (...)) (RFC 5819). */
#include "mailstore/serve/imap_commands.h"
#include "mailstore/serve/status.h"
#include "wire/imap/encode.h"

#include <inttypes.h>

static const struct row {
	struct str name;
	enum status_item item;
} rows[] = {
	{ STR("MESSAGES"), STATUS_MESSAGES },
	{ STR("RECENT"), STATUS_RECENT },
	{ STR("UIDNEXT"), STATUS_UIDNEXT },
	{ STR("UIDVALIDITY"), STATUS_UIDVALIDITY },
	{ STR("UNSEEN"), STATUS_UNSEEN },
	{ STR("SIZE"), STATUS_SIZE },
	{ STR("DELETED"), STATUS_DELETED },
	{ STR("DELETED-STORAGE"), STATUS_DELETED_STORAGE },
	{ STR("HIGHESTMODSEQ"), STATUS_HIGHESTMODSEQ },
	{ STR("APPENDLIMIT"), STATUS_APPENDLIMIT },
	{ STR("MAILBOXID"), STATUS_MAILBOXID },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static unsigned item_by_name(struct str name)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (str_ieq(name, rows[i].name))
			return rows[i].item;
	return 0;
}

bool status_items(struct imap_cursor *c, unsigned *ret_items)
{
	unsigned items = 0;
	struct str name;

	if (!imap_char(c, '('))
		return false;
	do {
		unsigned item = imap_atom(c, &name) ? item_by_name(name) : 0;

		if (!item)
			return false;
		items |= item;
	} while (imap_space(c));
	if (!imap_char(c, ')'))
		return false;
	*ret_items = items;
	return true;
}

/* RFC 9208, 4.1.4: counted when it is asked for, which is rare. */
static uint64_t deleted_storage(struct store *store, const struct mailbox *m)
{
	uint64_t bytes = 0;

	if (m->deleted)
		(void)store_deleted_bytes(store, m->id, &bytes, NULL);
	return bytes;
}

static uint64_t value_of(
	const struct serve *serve, const struct mailbox *m, enum status_item item)
{
	switch (item) {
	case STATUS_MESSAGES:
		return m->messages;
	case STATUS_RECENT:
		return m->recent;
	case STATUS_UIDNEXT:
		return m->uidnext;
	case STATUS_UIDVALIDITY:
		return m->uidvalidity;
	case STATUS_UNSEEN:
		return m->unseen;
	case STATUS_SIZE:
		return m->bytes;
	case STATUS_DELETED:
		return m->deleted;
	case STATUS_DELETED_STORAGE:
		return deleted_storage(serve->store, m);
	case STATUS_HIGHESTMODSEQ:
		return mailbox_modseq(m, m->highestmodseq);
	case STATUS_APPENDLIMIT:
		return serve->message_bytes;
	case STATUS_MAILBOXID:
		break;
	}
	return (uint64_t)m->id;
}

int status_put(struct imap *s, const struct mailbox *m, unsigned items)
{
	struct buf *out = imap_out(s);
	const char *gap = "";
	int r = buf_append_c(out, "* STATUS ");

	if (r == 0)
		r = imap_put_mailbox(s, m->name);
	if (r == 0)
		r = buf_append_c(out, " (");
	for (size_t i = 0; i < N_ROWS && r == 0; i++) {
		if (!(items & rows[i].item))
			continue;
		r = buf_printf(out,
			rows[i].item == STATUS_MAILBOXID ? "%s%.*s (F%" PRIu64 ")"
							 : "%s%.*s %" PRIu64,
			gap, STR_ARG(rows[i].name), value_of(s->serve, m, rows[i].item));
		gap = " ";
	}
	return r < 0 ? r : buf_append_c(out, ")\r\n");
}

void cmd_status(struct imap *s, struct imap_cursor *args)
{
	struct mailbox m;
	struct str name;
	unsigned items;

	if (!imap_space(args) || !imap_mailbox(s, args, &name) || !imap_space(args) ||
		!status_items(args, &items) || !imap_end(args)) {
		imap_bad_arguments(s);
		return;
	}
	if (!imap_find_mailbox(s, name, "NONEXISTENT", &m))
		return;
	if (items & STATUS_HIGHESTMODSEQ)
		imap_enable_condstore(s);
	imap_wrote(s, status_put(s, &m, items));
	imap_done(s, IMAP_OK, "Status completed.");
}
