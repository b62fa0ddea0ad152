/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/views/carry_view.h"

#include "registry/carries.h"

#include <errno.h>
#include <string.h>

int carry_view_json(struct registry *r, int64_t account, bool dry, uint64_t since,
	json_t **ret, struct error *err)
{
	struct carry_record record;
	struct arena arena;
	json_t *o = NULL;
	int code;

	arena_init(&arena);
	code = registry_carry(r, account, dry, &arena, &record, err);
	if (code == 0 && record.at && record.at >= since)
		o = json_loadb(record.result.ptr, record.result.len, 0, NULL);
	if (o && json_object_set_new(o, "at", json_integer((json_int_t)record.at)) < 0)
		code = -ENOMEM;
	arena_fini(&arena);
	if (code < 0) {
		json_decref(o);
		return code;
	}
	*ret = o ? o : json_null();
	return 0;
}

/* ---- for people ---- */

struct line {
	const char *key, *text;
};

static const struct line sums[] = {
	{ "messages", "message(s)" },
	{ "put_back", "of them had gone at the source since the move" },
	{ "flags", "message(s) with other flags" },
	{ "expunged", "message(s) expunged" },
	{ "folders", "folder(s) made" },
	{ "renamed", "folder(s) renamed" },
	{ "subscriptions", "subscription(s)" },
};

static const struct line losses[] = {
	{ "uids", "message(s) have another UID there: clients fetch them again" },
	{ "uidls", "of them in INBOX, with another POP3 unique-id" },
	{ "dates", "message(s) with another INTERNALDATE" },
	{ "sizes", "message(s) that the source has changed (line ends)" },
	{ "flags", "message(s) whose flags or keywords the source does not take" },
	{ "expunges",
		"message(s) removed here are still there: the source cannot expunge "
		"them alone, or shows them under another UID" },
	{ "not_shown",
		"message(s) come back although the server that the user lived at does not "
		"show them: nothing proves that they were removed there" },
};

static const struct line named[] = {
	{ "keywords", "keywords that the source does not take or show" },
	{ "folders", "folders that were removed here, and stay there" },
	{ "subscriptions", "subscriptions that the source does not take" },
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool print_counts(const json_t *o, const struct line *lines, size_t n, FILE *to)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		json_int_t number = json_integer_value(json_object_get(o, lines[i].key));

		if (!number)
			continue;
		(void)fprintf(
			to, "  %" JSON_INTEGER_FORMAT " %s\n", number, lines[i].text);
		any = true;
	}
	return any;
}

static bool print_names(const json_t *o, FILE *to)
{
	bool any = false;

	for (size_t i = 0; i < COUNT(named); i++) {
		const json_t *list = json_object_get(o, named[i].key);

		for (size_t k = 0; k < json_array_size(list); k++) {
			(void)fprintf(to, k ? ", " : "  %s: ", named[i].text);
			output_clean(
				str_from(json_string_value(json_array_get(list, k))), to);
		}
		if (json_array_size(list))
			(void)fputc('\n', to);
		any = any || json_array_size(list);
	}
	return any;
}

void carry_view_print(const json_t *carried, FILE *to)
{
	const char *result = json_string_value(json_object_get(carried, "result"));
	const char *reason = json_string_value(json_object_get(carried, "reason"));
	const json_t *lost = json_object_get(carried, "not_kept");
	bool dry = result && strcmp(result, "dry run") == 0;

	if (!result)
		return;
	(void)fprintf(to,
		dry ? "to be carried back to the source\n"
		    : "carried back to the source (%s)\n",
		result);
	if (!print_counts(carried, sums, COUNT(sums), to))
		(void)fputs("  nothing is new here\n", to);
	if (reason && *reason) {
		(void)fputs("  it stays: ", to);
		output_clean(str_from(reason), to);
		(void)fputc('\n', to);
	}
	(void)fputs(
		dry ? "what cannot be kept, at most\n" : "what could not be kept\n", to);
	if (!(print_counts(lost, losses, COUNT(losses), to) | print_names(lost, to)))
		(void)fputs("  (nothing)\n", to);
}
