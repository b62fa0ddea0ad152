/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Subscriptions and checkpoints: names with little behind them. */
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
