/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/views/mending_view.h"

#include "registry/mendings.h"

#include <errno.h>

int mending_view_json(struct registry *r, int64_t account, uint64_t since, json_t **ret,
	struct error *err)
{
	struct mending last;
	struct arena arena;
	json_t *o = NULL;
	int code;

	arena_init(&arena);
	code = registry_mending(r, account, &arena, &last, err);
	if (code == 0 && last.at && last.at >= since)
		o = json_loadb(last.result.ptr, last.result.len, 0, NULL);
	if (o && (json_object_set_new(o, "at", json_integer((json_int_t)last.at)) < 0 ||
			 json_object_set_new(
				 o, "left", json_integer((json_int_t)last.left)) < 0))
		code = -ENOMEM;
	arena_fini(&arena);
	if (code < 0) {
		json_decref(o);
		return code;
	}
	*ret = o ? o : json_null();
	return 0;
}

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void print_messages(const json_t *mending, FILE *to)
{
	const json_t *list = json_object_get(mending, "messages");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);

		(void)fputs("  ", to);
		output_text_clean(one, "mailbox", to);
		(void)fprintf(to, ", UID %" JSON_INTEGER_FORMAT ": ", number(one, "uid"));
		output_text_clean(one, "why", to);
		(void)fputc('\n', to);
	}
}

void mending_view_print(const json_t *mending, FILE *to)
{
	json_int_t lost = number(mending, "lost"), mended = number(mending, "mended");

	if (json_is_null(mending))
		return;
	if (output_text(mending, "error").len) {
		(void)fputs("the mailbox could not be looked through: ", to);
		output_text_clean(mending, "error", to);
		(void)fputc('\n', to);
	}
	(void)fprintf(to,
		"%" JSON_INTEGER_FORMAT " messages were lost or damaged here; "
		"%" JSON_INTEGER_FORMAT " transferred anew\n",
		lost, mended);
	print_messages(mending, to);
	if (lost > mended)
		(void)fputs("A backup has what the source has not: put the pack files "
			    "back from it (`mailferry store backup`).\n",
			to);
	if (number(mending, "other"))
		(void)fprintf(to,
			"%" JSON_INTEGER_FORMAT " other things are wrong with its "
			"index; see `mailferry store check USER --repair`\n",
			number(mending, "other"));
}
