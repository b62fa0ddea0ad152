/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/results/found_state.h"

#include "base/utf8.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

/* ---- what is kept ---- */

static bool is_short(struct str name)
{
	return name.len <= FOUND_NAME_MAX;
}

static int kept(struct found *f, struct str from, struct str *ret)
{
	*ret = arena_str(&f->arena, from);
	return ret->ptr ? 0 : -ENOMEM;
}

int found_add_folder(
	struct found *f, struct str name, bool is_shared, enum found_copy copy)
{
	struct found_folder *is = &f->folders[f->n_folders];

	for (size_t i = 0; i < f->n_folders; i++)
		if (str_eq(f->folders[i].name, name))
			return 0;
	f->folders_total++;
	if (f->n_folders == FOUND_FOLDERS_MAX || !is_short(name))
		return 0;
	*is = (struct found_folder){
		.is_shared = is_shared, .copy = copy, .rights = STR("")
	};
	if (kept(f, name, &is->name) < 0)
		return -ENOMEM;
	f->n_folders++;
	return 0;
}

int found_add_share(struct found *f, struct str folder, struct str who, struct str rights)
{
	struct found_share *is = &f->shares[f->n_shares];

	for (size_t i = 0; i < f->n_shares; i++)
		if (str_eq(f->shares[i].folder, folder) && str_eq(f->shares[i].who, who))
			return 0;
	f->shares_total++;
	if (f->n_shares == FOUND_SHARES_MAX || !is_short(folder) || !is_short(who))
		return 0;
	if (kept(f, folder, &is->folder) < 0 || kept(f, who, &is->who) < 0 ||
		kept(f, str_take(rights, FOUND_RIGHTS_MAX), &is->rights) < 0)
		return -ENOMEM;
	f->n_shares++;
	return 0;
}

int found_add_withheld(struct found *f, struct str folder)
{
	struct found_withheld *is = &f->withheld[f->n_withheld];

	f->withheld_total++;
	if (f->n_withheld == FOUND_WITHHELD_MAX || !is_short(folder))
		return 0;
	*is = (struct found_withheld){ .rights = STR("") };
	if (kept(f, folder, &is->folder) < 0)
		return -ENOMEM;
	f->n_withheld++;
	return 0;
}

int found_add_quota(struct found *f, const struct found_quota *q)
{
	struct found_quota *is = &f->quotas[f->n_quotas];

	for (size_t i = 0; i < f->n_quotas; i++)
		if (str_eq(f->quotas[i].root, q->root) &&
			str_ieq(f->quotas[i].resource, q->resource))
			return 0;
	if (f->n_quotas == FOUND_QUOTAS_MAX || !is_short(q->root) ||
		q->resource.len > FOUND_RIGHTS_MAX)
		return 0;
	*is = *q;
	if (kept(f, q->root, &is->root) < 0 || kept(f, q->resource, &is->resource) < 0)
		return -ENOMEM;
	f->n_quotas++;
	return 0;
}

static struct str *rights_of(struct found *f, struct str folder)
{
	for (size_t i = 0; i < f->n_folders; i++)
		if (str_eq(f->folders[i].name, folder))
			return &f->folders[i].rights;
	for (size_t i = 0; i < f->n_withheld; i++)
		if (str_eq(f->withheld[i].folder, folder))
			return &f->withheld[i].rights;
	return NULL;
}

int found_set_rights(struct found *f, struct str folder, struct str rights)
{
	struct str *to = rights_of(f, folder);

	/* the first word counts, so that repeating it costs nothing */
	return !to || to->len ? 0 : kept(f, str_take(rights, FOUND_RIGHTS_MAX), to);
}

/* ---- as JSON ---- */

/* What is no UTF-8 is shown as "?". A letter takes two bytes at the most ("\""), which
   bounds the whole. */
static json_t *text(struct str s)
{
	char clean[FOUND_NAME_MAX];
	struct str part = str_take(s, sizeof(clean));
	json_t *value;

	if (part.len)
		memcpy(clean, part.ptr, part.len);
	utf8_make_harmless(clean, part.len);
	value = json_stringn(clean, part.len);
	return value ? value : json_string("?");
}

static json_t *number(uint64_t n)
{
	return json_integer(n < INT64_MAX ? (json_int_t)n : INT64_MAX);
}

static json_t *folders(const struct found *f)
{
	json_t *all = json_array();

	for (size_t i = 0; i < f->n_folders; i++) {
		const struct found_folder *is = &f->folders[i];

		(void)json_array_append_new(all,
			json_pack("{s:o, s:s, s:o, s:b, s:b}", "name", text(is->name),
				"kind", is->is_shared ? "shared" : "others", "rights",
				text(is->rights), "copied", is->copy == FOUND_COPIED,
				"without_right", is->copy == FOUND_WITHOUT_RIGHT));
	}
	return all;
}

static json_t *shares(const struct found *f)
{
	json_t *all = json_array();

	for (size_t i = 0; i < f->n_shares; i++)
		(void)json_array_append_new(all,
			json_pack("{s:o, s:o, s:o}", "folder", text(f->shares[i].folder),
				"who", text(f->shares[i].who), "rights",
				text(f->shares[i].rights)));
	return all;
}

static json_t *withheld(const struct found *f)
{
	json_t *all = json_array();

	for (size_t i = 0; i < f->n_withheld; i++)
		(void)json_array_append_new(all,
			json_pack("{s:o, s:o}", "folder", text(f->withheld[i].folder),
				"rights", text(f->withheld[i].rights)));
	return all;
}

static json_t *quotas(const struct found *f)
{
	json_t *all = json_array();

	for (size_t i = 0; i < f->n_quotas; i++) {
		const struct found_quota *is = &f->quotas[i];

		(void)json_array_append_new(
			all, json_pack("{s:o, s:o, s:o, s:o}", "root", text(is->root),
				     "resource", text(is->resource), "used",
				     number(is->used), "limit", number(is->limit)));
	}
	return all;
}

char *found_state_write(const struct found *f)
{
	json_t *o = json_pack(
		"{s:{s:b, s:b, s:b}, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "shows",
		"namespace", f->has_namespace, "acl", f->has_acl, "quota", f->has_quota,
		"folders", folders(f), "folders_total", number(f->folders_total),
		"shares", shares(f), "shares_total", number(f->shares_total), "withheld",
		withheld(f), "withheld_total", number(f->withheld_total), "unasked",
		number(f->unasked), "quota", quotas(f));
	char *shown = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	return shown;
}
