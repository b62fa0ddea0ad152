/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/views/found_view.h"

#include "base/human.h"
#include "registry/found.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Above what is kept of each kind (transfer/account/results/found_state.h). */
#define ROWS_MAX 100

/* ---- from the registry ---- */

enum field_kind { FIELD_TEXT, FIELD_NUMBER, FIELD_YES_NO };

struct field {
	const char *name;
	enum field_kind kind;
};

static const struct list {
	const char *name;
	struct field fields[5];
} lists[] = {
	{ "folders", { { "name", FIELD_TEXT }, { "kind", FIELD_TEXT },
			     { "rights", FIELD_TEXT }, { "copied", FIELD_YES_NO },
			     { "without_right", FIELD_YES_NO } } },
	{ "shares", { { "folder", FIELD_TEXT }, { "who", FIELD_TEXT },
			    { "rights", FIELD_TEXT } } },
	{ "withheld", { { "folder", FIELD_TEXT }, { "rights", FIELD_TEXT } } },
	{ "quota", { { "root", FIELD_TEXT }, { "resource", FIELD_TEXT },
			   { "used", FIELD_NUMBER }, { "limit", FIELD_NUMBER } } },
};
#define LISTS (sizeof(lists) / sizeof(lists[0]))
#define FIELDS_MAX (sizeof(lists[0].fields) / sizeof(lists[0].fields[0]))

static const char *const counts[] = { "folders_total", "shares_total", "withheld_total",
	"unasked" };
static const char *const shown[] = { "namespace", "acl", "quota" };

static json_t *number(const json_t *from)
{
	json_int_t n = json_integer_value(from);

	return json_integer(n > 0 ? n : 0);
}

static json_t *value(const struct field *f, const json_t *from)
{
	switch (f->kind) {
	case FIELD_NUMBER:
		return number(from);
	case FIELD_YES_NO:
		return json_boolean(json_is_true(from));
	case FIELD_TEXT:
		break;
	}
	return json_string(json_is_string(from) ? json_string_value(from) : "");
}

static json_t *list_of(const struct list *list, const json_t *from)
{
	json_t *all = json_array();
	size_t n = json_array_size(from);

	for (size_t i = 0; i < n && i < ROWS_MAX; i++) {
		const json_t *is = json_array_get(from, i);
		json_t *row = json_object();

		for (size_t k = 0; k < FIELDS_MAX && list->fields[k].name; k++)
			(void)json_object_set_new(row, list->fields[k].name,
				value(&list->fields[k],
					json_object_get(is, list->fields[k].name)));
		(void)json_array_append_new(all, row);
	}
	return all;
}

static json_t *shows_of(const json_t *from)
{
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		(void)json_object_set_new(o, shown[i],
			json_boolean(json_is_true(json_object_get(from, shown[i]))));
	return o;
}

static json_t *make(const struct found_record *record)
{
	json_t *state = json_loadb(record->state.ptr, record->state.len, 0, NULL);
	json_t *o = json_object();

	(void)json_object_set_new(o, "at", json_integer((json_int_t)record->at));
	(void)json_object_set_new(o, "error", output_string(record->error));
	(void)json_object_set_new(o, "shows", shows_of(json_object_get(state, "shows")));
	for (size_t i = 0; i < LISTS; i++)
		(void)json_object_set_new(o, lists[i].name,
			list_of(&lists[i], json_object_get(state, lists[i].name)));
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		(void)json_object_set_new(
			o, counts[i], number(json_object_get(state, counts[i])));
	json_decref(state);
	return o;
}

int found_view_json(struct registry *r, int64_t account, json_t **ret, struct error *err)
{
	struct found_record record;
	struct arena arena;
	int code;

	arena_init(&arena);
	code = registry_found(r, account, &arena, &record, err);
	if (code == 0)
		*ret = record.at ? make(&record) : json_null();
	arena_fini(&arena);
	return code == 0 && !*ret ? error_set(err, -ENOMEM, "no memory") : code;
}

bool found_quota_bytes(const json_t *quota, uint64_t *ret_used, uint64_t *ret_limit)
{
	json_int_t used = json_integer_value(json_object_get(quota, "used"));
	json_int_t limit = json_integer_value(json_object_get(quota, "limit"));

	if (!str_ieq(output_text(quota, "resource"), STR_LIT("STORAGE")))
		return false;
	*ret_used = (uint64_t)(used < INT64_MAX / 1024 ? used * 1024 : INT64_MAX);
	*ret_limit = (uint64_t)(limit < INT64_MAX / 1024 ? limit * 1024 : INT64_MAX);
	return true;
}

/* ---- for people ---- */

static void put_rights(const json_t *row, FILE *to)
{
	if (!output_text(row, "rights").len)
		return;
	(void)fputs(" (", to);
	output_text_clean(row, "rights", to);
	(void)fputc(')', to);
}

static void print_folder(const json_t *row, FILE *to)
{
	bool is_shared = str_eq(output_text(row, "kind"), STR_LIT("shared"));

	(void)fprintf(to, "  %s ", is_shared ? "shared folder" : "another user's folder");
	output_text_clean(row, "name", to);
	put_rights(row, to);
	if (json_is_true(json_object_get(row, "without_right")))
		(void)fputs(
			": a shared folder without the right to read; it is not here\n",
			to);
	else
		(void)fputs(json_is_true(json_object_get(row, "copied"))
				    ? ": a copy of it is here, for this user alone\n"
				    : ": stays there\n",
			to);
}

static void print_share(const json_t *row, FILE *to)
{
	(void)fputs("  ", to);
	output_text_clean(row, "folder", to);
	(void)fputs(" is shared with ", to);
	output_text_clean(row, "who", to);
	put_rights(row, to);
	(void)fputs(": here nobody else sees it\n", to);
}

static void print_withheld(const json_t *row, FILE *to)
{
	(void)fputs("  ", to);
	output_text_clean(row, "folder", to);
	(void)fputs(": the source does not say who else sees it", to);
	if (output_text(row, "rights").len)
		(void)fputs("; the user's own rights", to);
	put_rights(row, to);
	(void)fputc('\n', to);
}

static void print_quota(const json_t *row, FILE *to)
{
	uint64_t used, limit;
	struct buf text;

	(void)fputs("  quota at the source: ", to);
	if (!found_quota_bytes(row, &used, &limit)) {
		(void)fprintf(to, "%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " ",
			json_integer_value(json_object_get(row, "used")),
			json_integer_value(json_object_get(row, "limit")));
		output_text_clean(row, "resource", to);
		(void)fputc('\n', to);
		return;
	}
	buf_init(&text, 0);
	if (human_bytes(&text, used) == 0 && buf_append_c(&text, " of ") == 0 &&
		human_bytes(&text, limit) == 0)
		(void)fprintf(to, "%.*s\n", STR_ARG(buf_view(&text)));
	buf_fini(&text);
}

static const struct printed {
	const char *list, *total; /* NULL: all of them are kept */
	void (*print)(const json_t *row, FILE *to);
} printed[] = {
	{ "folders", "folders_total", print_folder },
	{ "shares", "shares_total", print_share },
	{ "withheld", "withheld_total", print_withheld },
	{ "quota", NULL, print_quota },
};

static void print_list(const json_t *found, const struct printed *p, FILE *to)
{
	const json_t *list = json_object_get(found, p->list);
	size_t n = json_array_size(list);
	json_int_t total =
		p->total ? json_integer_value(json_object_get(found, p->total)) : 0;

	for (size_t i = 0; i < n; i++)
		p->print(json_array_get(list, i), to);
	if (total > (json_int_t)n)
		(void)fprintf(to, "  and %" JSON_INTEGER_FORMAT " more such\n",
			total - (json_int_t)n);
}

/* What cannot be seen is said, since nothing is no proof; and what a look that failed has
   not heard of may be shown. */
static void print_unseen(const json_t *found, FILE *to)
{
	static const char *const what[] = { "shared folders", "who sees its folders",
		"a quota" };
	static const char *const by[] = { " (no NAMESPACE)", " (no ACL)", " (no QUOTA)" };
	const json_t *shows = json_object_get(found, "shows");
	bool failed = output_text(found, "error").len, any = false;

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		if (json_is_true(json_object_get(shows, shown[i])))
			continue;
		(void)fprintf(to, "%s%s%s",
			any      ? ", "
			: failed ? "  not known: "
				 : "  the source does not show: ",
			what[i], failed ? "" : by[i]);
		any = true;
	}
	if (any)
		(void)fputc('\n', to);
}

void found_view_print(const json_t *found, const struct settings *s, FILE *to)
{
	bool has_quota = json_array_size(json_object_get(found, "quota")) > 0;

	if (json_is_null(found))
		return;
	(void)fputs("\nbesides its mail, at the source\n", to);
	if (output_text(found, "error").len) {
		(void)fputs("  the last look failed: ", to);
		output_text_clean(found, "error", to);
		(void)fputc('\n', to);
	}
	for (size_t i = 0; i < sizeof(printed) / sizeof(printed[0]); i++)
		print_list(found, &printed[i], to);
	if (has_quota && !s->quota.bytes && !s->quota.messages)
		(void)fputs("  it does not come along, and `quota` is not set here: "
			    "mailferry quota USER --set SIZE\n",
			to);
	print_unseen(found, to);
	(void)fputs("  rules (vacation, forwards, filters): not looked for\n", to);
}
