/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/envelope.h"

#include "wire/imap/encode.h"
#include "wire/mime/address.h"
#include "wire/mime/header.h"
#include "wire/mime/lex.h"

#include <errno.h>

enum envelope_field {
	DATE,
	SUBJECT,
	FROM,
	SENDER,
	REPLY_TO,
	TO,
	CC,
	BCC,
	IN_REPLY_TO,
	MESSAGE_ID,
	FIELD_COUNT
};

/* In the order of the answer. */
static const struct row {
	struct str name;
	bool addresses;
	bool from_by_default; /* RFC 3501: when absent or empty, what From has */
} rows[FIELD_COUNT] = {
	[DATE] = { STR("Date"), false, false },
	[SUBJECT] = { STR("Subject"), false, false },
	[FROM] = { STR("From"), true, false },
	[SENDER] = { STR("Sender"), true, true },
	[REPLY_TO] = { STR("Reply-To"), true, true },
	[TO] = { STR("To"), true, false },
	[CC] = { STR("Cc"), true, false },
	[BCC] = { STR("Bcc"), true, false },
	[IN_REPLY_TO] = { STR("In-Reply-To"), false, false },
	[MESSAGE_ID] = { STR("Message-ID"), false, false },
};

int imap_put_text(struct buf *out, struct str value, struct arena *arena)
{
	struct str clean = value;

	if (value.ptr) {
		clean = mime_unfold(value, arena, IMAP_TEXT_MAX);
		if (!clean.ptr)
			return -ENOMEM;
	}
	return imap_put_nstring(out, clean);
}

struct fields {
	struct str header;
	struct str values[FIELD_COUNT]; /* ptr NULL: there is none */
	bool is_repeated[FIELD_COUNT];
};

/* Of a text the last one that says anything, as Dovecot and Cyrus take it (RFC 5322, 3.6
   allows one). */
static void find_fields(struct fields *f)
{
	struct str header = f->header;
	struct mime_field field;

	while (mime_next_field(&header, &field)) {
		for (size_t i = 0; i < FIELD_COUNT; i++) {
			if (!str_ieq(field.name, rows[i].name))
				continue;
			f->is_repeated[i] = f->values[i].ptr;
			if (!f->values[i].ptr || str_trim(field.value).len)
				f->values[i] = field.value;
		}
	}
}

static int put_address(
	struct buf *out, const struct mime_address *address, struct arena *arena)
{
	struct str parts[4] = { address->name, address->route, address->mailbox,
		address->host };
	const struct str nil = { 0 };
	int r = buf_byte(out, '(');

	if (address->kind != MIME_ADDRESS) { /* a NIL host marks a group's ends */
		parts[0] = parts[1] = parts[3] = nil;
		if (address->kind == MIME_GROUP_END)
			parts[2] = nil;
	}
	for (size_t i = 0; i < 4 && r == 0; i++) {
		if (i)
			r = buf_byte(out, ' ');
		if (r == 0)
			r = imap_put_text(out, parts[i], arena);
	}
	return r < 0 ? r : buf_byte(out, ')');
}

static int put_list(struct buf *out, struct str value, size_t *count, struct arena *arena)
{
	struct mime_addresses list;
	struct mime_address address;
	int r = 0;

	mime_addresses_init(&list, value, arena);
	while (r == 0 && *count < IMAP_ADDRESSES_MAX &&
		mime_next_address(&list, &address)) {
		if ((*count)++ == 0)
			r = buf_byte(out, '(');
		if (r == 0)
			r = put_address(out, &address, arena);
	}
	return r;
}

/* Addresses of several fields of one name are one list, as Dovecot shows them. */
static int put_addresses(struct buf *out, const struct fields *f,
	enum envelope_field which, struct arena *arena)
{
	struct str header = f->header;
	struct mime_field field;
	size_t count = 0;
	int r = 0;

	if (!f->is_repeated[which])
		r = put_list(out, f->values[which], &count, arena);
	else
		while (r == 0 && mime_next_field(&header, &field))
			if (str_ieq(field.name, rows[which].name))
				r = put_list(out, field.value, &count, arena);
	if (r < 0)
		return r;
	return count ? buf_byte(out, ')') : buf_append_c(out, "NIL");
}

static bool has_address(struct str value, struct arena *arena)
{
	struct mime_addresses list;
	struct mime_address address;

	mime_addresses_init(&list, value, arena);
	return mime_next_address(&list, &address);
}

static int put_field(struct buf *out, const struct fields *f, enum envelope_field which,
	struct arena *arena)
{
	if (!rows[which].addresses)
		return imap_put_text(out, f->values[which], arena);
	if (rows[which].from_by_default && !has_address(f->values[which], arena))
		which = FROM;
	return put_addresses(out, f, which, arena);
}

int imap_put_envelope(struct buf *out, struct str header, struct arena *arena)
{
	struct fields fields = { .header = header };
	int r = buf_byte(out, '(');

	find_fields(&fields);
	for (unsigned i = 0; i < FIELD_COUNT && r == 0; i++) {
		if (i)
			r = buf_byte(out, ' ');
		if (r == 0)
			r = put_field(out, &fields, (enum envelope_field)i, arena);
	}
	return r < 0 ? r : buf_byte(out, ')');
}
