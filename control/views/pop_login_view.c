/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/views/pop_login_view.h"

#include "registry/pop_logins.h"

#include <errno.h>

static json_t *make(const struct pop_login *l)
{
	return l->at ? json_pack("{s:I, s:o, s:o, s:I}", "at", (json_int_t)l->at,
			       "client", output_string(l->client), "error",
			       output_string(l->error), "next_at", (json_int_t)l->next_at)
	             : json_null();
}

int pop_login_view_json(
	struct registry *r, int64_t account, json_t **ret, struct error *err)
{
	struct pop_login last;
	struct arena arena;
	int code;

	arena_init(&arena);
	code = registry_pop_login(r, account, &arena, &last, err);
	if (code == 0)
		*ret = make(&last);
	arena_fini(&arena);
	return code == 0 && !*ret ? -ENOMEM : code;
}

void pop_login_view_print(const json_t *login, FILE *to)
{
	const char *error = json_string_value(json_object_get(login, "error"));

	if (json_is_null(login))
		return;
	(void)fputs("\nlast login at the source from ", to);
	output_text_clean(login, "client", to);
	(void)fputs(" (pop_before_smtp): ", to);
	/* the source may have said it */
	output_clean(str_from(error && *error ? error : "done"), to);
	(void)fputc('\n', to);
}
