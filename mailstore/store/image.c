/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/image.h"
#include "base/fd.h"
#include "mailstore/store/internal.h"

/* Bytes of another mailbox, kind, version or time are as bad as wrong ones. */
static uint32_t sum(const struct image_name *name, uint64_t modseq, struct str bytes)
{
	const uint64_t stamp[] = { (uint64_t)name->mailbox, name->kind, name->version,
		modseq };

	return store_checksum(
		store_checksum(0, str_of((const char *)stamp, sizeof(stamp))), bytes);
}

int store_image(struct store *s, const struct image_name *name, image_fn *read,
	void *context, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	struct str bytes;
	uint64_t modseq;
	int n = query_first(s->db, SQL_IMAGE,
		SQL_VALUES(sql_signed(name->mailbox), sql_number(name->kind),
			sql_number(name->version)),
		&q, err);

	if (n != 1)
		return n;
	modseq = query_number(&q, 0);
	bytes = query_bytes(&q, 1);
	if (modseq > s->modseq || query_number(&q, 2) != sum(name, modseq, bytes)) {
		if (name->kind == IMAGE_VIEW)
			store_doubt_image(s, name->mailbox);
		return 0;
	}
	return read(context, modseq, bytes);
}

void store_doubt_image(struct store *s, int64_t mailbox)
{
	s->doubted_image = mailbox;
}

int store_keep_image(struct store *s, const struct image_name *name, struct str bytes,
	struct error *err)
{
	int code = store_writing(s, err);

	if (code < 0)
		return code;
	if (name->kind == IMAGE_VIEW && s->doubted_image == name->mailbox)
		s->doubted_image = 0;
	return sql_run(s->db, SQL_SET_IMAGE,
		SQL_VALUES(sql_signed(name->mailbox), sql_number(name->kind),
			sql_number(name->version), sql_number(s->modseq),
			sql_number(sum(name, s->modseq, bytes)), sql_blob(bytes)),
		err);
}

int store_find_unimaged(struct store *s, uint32_t version,
	const struct image_limits *limits, int64_t *ret_mailbox, struct error *err)
{
	uint64_t mailbox = 0;
	int code = sql_get(s->db, SQL_FIRST_UNIMAGED,
		SQL_VALUES(sql_number(version), sql_number(limits->least),
			sql_number(limits->most), sql_number(limits->changed),
			sql_signed(s->doubted_image)),
		&mailbox, err);

	*ret_mailbox = (int64_t)mailbox;
	return code;
}
