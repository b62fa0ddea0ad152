/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/views/sweep_view.h"

#include "registry/sweeps.h"

#include <errno.h>
#include <inttypes.h>

#define COMES_BY_ITSELF                                                                  \
	"the source itself still delivers there (alias, list, cron, webmail): see the "  \
	"Received lines"

#define BY_OTHERS                                                                        \
	", past us: somebody uses the old mailbox (webmail, a program there, a host of " \
	"its own network), or a rule there removes mail"

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *folders_of(struct str state)
{
	json_t *all = state.len ? json_loadb(state.ptr, state.len, 0, NULL) : NULL;
	json_t *list = json_incref(json_object_get(all, "folders"));

	json_decref(all);
	return list ? list : json_array();
}

static json_t *make(const struct sweep_record *record)
{
	json_t *o = json_object();

	(void)json_object_set_new(o, "messages", number(record->messages));
	(void)json_object_set_new(o, "looked_at", number(record->looked_at));
	(void)json_object_set_new(o, "last_at", number(record->last_at));
	(void)json_object_set_new(o, "next_at", number(record->next_at));
	(void)json_object_set_new(o, "changed_at", number(record->changed_at));
	(void)json_object_set_new(o, "error", output_string(record->error));
	(void)json_object_set_new(o, "folders", folders_of(record->state));
	return o;
}

int sweep_view_json(struct registry *r, int64_t account, json_t **ret, struct error *err)
{
	struct sweep_record record;
	struct arena arena;
	int code;

	arena_init(&arena);
	code = registry_sweep(r, account, &arena, &record, err);
	if (code == 0)
		*ret = record.next_at ? make(&record) : json_null();
	arena_fini(&arena);
	return code == 0 && !*ret ? -ENOMEM : code;
}

/* Names of folders and errors are the source's words: a terminal must not obey them. */
static void print_text(const char *before, const json_t *object, const char *key,
	const char *after, FILE *to)
{
	(void)fputs(before, to);
	output_text_clean(object, key, to);
	(void)fputs(after, to);
}

void sweep_view_print(const json_t *swept, FILE *to)
{
	const json_t *list = json_object_get(swept, "folders");

	if (json_is_null(swept))
		return;
	(void)fprintf(to,
		"\nstill came to the old mailbox: %" JSON_INTEGER_FORMAT " message(s)\n",
		json_integer_value(json_object_get(swept, "messages")));
	if (output_text(swept, "error").len)
		print_text("  the last look failed: ", swept, "error", "\n", to);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *f = json_array_get(list, i);
		bool noted = output_text(f, "note").len > 0;

		print_text("  ", f, "name", ": ", to);
		(void)fprintf(to, "%" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(f, "messages")));
		print_text(noted ? "; " : "", f, "note", "", to);
		print_text(json_object_get(f, "change") ? "; not by us: " : "", f,
			"change", "\n", to);
	}
}

/* ---- for the report ---- */

static int add(struct report *p, const struct report_swept *row)
{
	return row->account.ptr && row->folder.ptr && row->why.ptr
	               ? buf_append(&p->swept, str_of(row, sizeof(*row)))
	               : -ENOMEM;
}

static int add_folder(struct report *p, const struct account *a, const json_t *f)
{
	struct report_swept row = { .account = arena_str(&p->arena, a->name),
		.folder = report_text(p, f, "name"),
		.count = (uint64_t)json_integer_value(json_object_get(f, "messages")),
		.last_at = (uint64_t)json_integer_value(json_object_get(f, "last_at")),
		.why = report_text(p, f, "note") };

	if (row.count && row.why.ptr && !row.why.len)
		row.why = STR_LIT(COMES_BY_ITSELF);
	return row.why.len ? add(p, &row) : 0;
}

/* What others did to it. */
static int add_change(struct report *p, const struct account *a, const json_t *f)
{
	struct report_swept row = { .account = arena_str(&p->arena, a->name),
		.folder = report_text(p, f, "name"),
		.last_at =
			(uint64_t)json_integer_value(json_object_get(f, "changed_at")) };
	const char *change = json_string_value(json_object_get(f, "change"));
	char why[256];

	if (!row.last_at || !change)
		return 0;
	(void)snprintf(why, sizeof(why), "%s" BY_OTHERS, change);
	row.why = arena_str(&p->arena, str_from(why));
	return add(p, &row);
}

static int add_error(struct report *p, const struct account *a, const json_t *swept)
{
	struct report_swept row = { .account = arena_str(&p->arena, a->name),
		.folder = STR_LIT(""),
		.why = report_text(p, swept, "error") };

	return row.why.len ? add(p, &row) : 0;
}

int report_swept_add(
	struct registry *r, const struct account *a, struct report *p, struct error *err)
{
	json_t *swept = NULL;
	const json_t *list;
	int code = sweep_view_json(r, a->id, &swept, err);

	if (code < 0)
		return code;
	list = json_object_get(swept, "folders");
	code = json_is_null(swept) ? 0 : add_error(p, a, swept);
	for (size_t i = 0; code == 0 && i < json_array_size(list); i++) {
		code = add_folder(p, a, json_array_get(list, i));
		if (code == 0)
			code = add_change(p, a, json_array_get(list, i));
	}
	json_decref(swept);
	return code;
}
