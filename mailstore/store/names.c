/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Subscriptions, checkpoints, metadata, keywords: names with little behind them. */
#include "base/fd.h"
#include "mailstore/store/internal.h"

#include <errno.h>

int store_subscribe(struct store *s, struct str name, bool subscribed, struct error *err)
{
	struct str key = store_name_key(name);
	int code = store_writing(s, err);

	if (code < 0)
		return code;
	if (!name.len || str_index(name, '\0') < name.len)
		return error_set(
			err, -EINVAL, "a mailbox name may not be empty or hold a NUL");
	s->list_changed = true;
	if (subscribed)
		return sql_run(s->db, SQL_SUBSCRIBE,
			SQL_VALUES(sql_text(key), sql_text(name)), err);
	return sql_run(s->db, SQL_UNSUBSCRIBE, SQL_VALUES(sql_text(key)), err);
}

bool store_is_subscribed(struct store *s, struct str name)
{
	uint64_t is = 0;

	(void)sql_get(s->db, SQL_IS_SUBSCRIBED,
		SQL_VALUES(sql_text(store_name_key(name))), &is, NULL);
	return is != 0;
}

int store_each_subscription(
	struct store *s, name_each_fn *each, void *context, struct error *err)
{
	struct query q;
	int code = query_begin(s->db, SQL_EACH_SUBSCRIPTION, SQL_NO_VALUES, &q, err);

	while (code == 0) {
		code = query_next(&q, err);
		if (code <= 0)
			break;
		code = each(context, query_bytes(&q, 0));
	}
	query_end(&q);
	return code;
}

int store_set_checkpoint(
	struct store *s, struct str name, struct str value, struct error *err)
{
	int code = store_writing(s, err);

	if (code < 0)
		return code;
	if (!value.len)
		return sql_run(
			s->db, SQL_DELETE_CHECKPOINT, SQL_VALUES(sql_text(name)), err);
	return sql_run(s->db, SQL_SET_CHECKPOINT,
		SQL_VALUES(sql_text(name), sql_blob(value)), err);
}

int store_checkpoint(struct store *s, struct str name, struct arena *arena,
	struct str *ret_value, struct error *err)
{
	struct str value = STR("");
	struct query q;
	int code =
		query_begin(s->db, SQL_CHECKPOINT, SQL_VALUES(sql_text(name)), &q, err);

	if (code == 0)
		code = query_next(&q, err);
	if (code == 1)
		value = arena_str(arena, query_bytes(&q, 0));
	query_end(&q);
	if (code < 0)
		return code;
	if (code == 0)
		return error_set(err, -ENOENT, "no checkpoint %.*s", STR_ARG(name));
	if (!value.ptr)
		return error_set(err, -ENOMEM, "no memory");
	*ret_value = value;
	return 0;
}

int store_set_metadata(struct store *s, int64_t mailbox, struct str entry,
	struct str value, struct error *err)
{
	int code = store_writing(s, err);

	if (code < 0)
		return code;
	if (!value.ptr)
		return sql_run(s->db, SQL_DELETE_METADATA,
			SQL_VALUES(sql_signed(mailbox), sql_text(entry)), err);
	return sql_run(s->db, SQL_SET_METADATA,
		SQL_VALUES(sql_signed(mailbox), sql_text(entry), sql_blob(value)), err);
}

int store_counts(struct store *s, struct store_counts *ret, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_first(s->db, SQL_COUNTS, SQL_NO_VALUES, &q, err);

	*ret = (struct store_counts){ 0 };
	if (n == 1)
		*ret = (struct store_counts){ .mailboxes = query_number(&q, 0),
			.subscriptions = query_number(&q, 1),
			.metadata_bytes = query_number(&q, 2) };
	return n < 0 ? n : 0;
}

int store_each_metadata(struct store *s, int64_t mailbox, metadata_each_fn *each,
	void *context, struct error *err)
{
	struct query q;
	int code = query_begin(
		s->db, SQL_EACH_METADATA, SQL_VALUES(sql_signed(mailbox)), &q, err);

	while (code == 0) {
		code = query_next(&q, err);
		if (code <= 0)
			break;
		code = each(context, query_bytes(&q, 0), query_bytes(&q, 1));
	}
	query_end(&q);
	return code;
}

int store_add_keyword(
	struct store *s, int64_t mailbox, struct str word, struct error *err)
{
	int code = store_writing(s, err);

	return code < 0 ? code
	                : sql_run(s->db, SQL_ADD_KEYWORD,
				  SQL_VALUES(sql_signed(mailbox), sql_text(word)), err);
}

int store_each_keyword(struct store *s, int64_t mailbox, name_each_fn *each,
	void *context, struct error *err)
{
	struct query q;
	int code = query_begin(
		s->db, SQL_EACH_KEYWORD, SQL_VALUES(sql_signed(mailbox)), &q, err);

	while (code == 0) {
		code = query_next(&q, err);
		if (code <= 0)
			break;
		code = each(context, query_bytes(&q, 0));
	}
	query_end(&q);
	return code;
}

int usage_read(struct database *db, uint64_t *ret_bytes, uint64_t *ret_messages,
	struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_first(db, SQL_USAGE, SQL_NO_VALUES, &q, err);

	if (n < 0)
		return n;
	*ret_bytes = query_number(&q, 0);
	*ret_messages = query_number(&q, 1);
	return 0;
}

int store_usage(
	struct store *s, uint64_t *ret_bytes, uint64_t *ret_messages, struct error *err)
{
	int code = boxes_save(s, err);

	return code < 0 ? code : usage_read(s->db, ret_bytes, ret_messages, err);
}

int store_deleted_bytes(
	struct store *s, int64_t mailbox, uint64_t *ret_bytes, struct error *err)
{
	return sql_get(s->db, SQL_DELETED_BYTES, SQL_VALUES(sql_signed(mailbox)),
		ret_bytes, err);
}
