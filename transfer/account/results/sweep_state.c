/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/results/sweep_state.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

static uint64_t number_of(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

static struct sweep_folder *folder_of(struct sweep *s, const json_t *o)
{
	const json_t *name = json_object_get(o, "name");

	return json_is_string(name) ? sweep_folder(s, str_of(json_string_value(name),
							      json_string_length(name)))
	                            : NULL;
}

/* As it was proven. */
static bool read_proven(struct sweep *s, const json_t *o)
{
	const char *result = json_string_value(json_object_get(o, "result"));
	struct sweep_folder *f = folder_of(s, o);

	if (!f || !result)
		return false;
	/* of a folder that was left unread nothing is known */
	if (str_eq(str_from(result), STR_LIT("equal"))) {
		f->uidvalidity = (uint32_t)number_of(o, "uidvalidity");
		f->next = f->base = (uint32_t)number_of(o, "uidnext");
	}
	return true;
}

static struct str text_of(struct sweep *s, const json_t *o, const char *key)
{
	const json_t *text = json_object_get(o, key);

	return json_is_string(text)
	               ? arena_str(&s->arena, str_of(json_string_value(text),
						      json_string_length(text)))
	               : (struct str){ 0 };
}

/* A maildrop's end, as it was proven. */
static void read_drop(struct sweep *s, const json_t *uidls)
{
	struct str last = text_of(s, uidls, "last");
	struct sweep_folder *f = last.ptr ? sweep_folder(s, STR_LIT("INBOX")) : NULL;

	if (!f)
		return;
	f->is_drop = true;
	f->base_count = (uint32_t)number_of(uidls, "messages");
	f->last = last;
}

static bool read_since(struct sweep *s, const json_t *o)
{
	struct sweep_folder *f = folder_of(s, o);
	uint32_t next = (uint32_t)number_of(o, "uidnext");

	if (!f)
		return false;
	if (f->uidvalidity && next > f->next) {
		f->next = next;
		if (f->is_drop)
			f->last = text_of(s, o, "last");
	}
	f->messages = number_of(o, "messages");
	f->last_at = number_of(o, "last_at");
	f->change.at = number_of(o, "changed_at");
	(void)snprintf(f->change.text, sizeof(f->change.text), "%.*s",
		STR_ARG(text_of(s, o, "change")));
	return true;
}

/* As put_looks() writes it. */
static bool read_looks(struct sweep *s, const json_t *o)
{
	struct sweep_folder *f = folder_of(s, o);

	if (!f)
		return false;
	f->was = (struct sweep_was){ .is_known = true,
		.looks = { .uidvalidity = (uint32_t)number_of(o, "v"),
			.uidnext = (uint32_t)number_of(o, "n"),
			.messages = (uint32_t)number_of(o, "m"),
			.unseen = (uint32_t)number_of(o, "u"),
			.highestmodseq = number_of(o, "q") } };
	return true;
}

static const char *time_of(const json_t *certificate)
{
	const char *at = json_string_value(json_object_get(certificate, "time"));

	return at ? at : "";
}

static int read_folders(struct sweep *s, const json_t *list,
	bool (*read)(struct sweep *s, const json_t *o), struct error *err)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!read(s, json_array_get(list, i)))
			return error_set(
				err, -EUCLEAN, "what is noted of its folders is damaged");
	return 0;
}

int sweep_state_read(
	struct sweep *s, struct str certificate, struct str state, struct error *err)
{
	json_t *proven = json_loadb(certificate.ptr, certificate.len, 0, NULL);
	json_t *since = state.len ? json_loadb(state.ptr, state.len, 0, NULL) : NULL;
	const char *at = json_string_value(json_object_get(since, "certificate"));
	/* one that has moved once more begins anew */
	bool is_since = at && str_eq(str_from(at), str_from(time_of(proven)));
	int r = json_is_array(json_object_get(proven, "folders"))
	                ? 0
	                : error_set(err, -ENODATA, "it has no certificate");

	if (r == 0)
		r = read_folders(s, json_object_get(proven, "folders"), read_proven, err);
	if (r == 0)
		read_drop(s, json_object_get(proven, "uidls"));
	if (r == 0 && is_since)
		r = read_folders(s, json_object_get(since, "folders"), read_since, err);
	if (r == 0 && is_since)
		r = read_folders(s, json_object_get(since, "looks"), read_looks, err);
	json_decref(proven);
	json_decref(since);
	return r;
}

static bool has_news(const struct sweep_folder *f)
{
	return f->messages || *f->note || f->next != f->base || f->change.at;
}

static int put_folder(json_t *list, const struct sweep_folder *f)
{
	json_t *o = json_pack("{s:s%, s:I, s:I, s:I, s:I, s:s}", "name", f->name.ptr,
		f->name.len, "uidvalidity", (json_int_t)f->uidvalidity, "uidnext",
		(json_int_t)f->next, "messages", (json_int_t)f->messages, "last_at",
		(json_int_t)f->last_at, "note", "");
	json_t *note = json_string(f->note);

	/* what is no UTF-8 is not kept: such a name is a new folder each time, and taken
	   from by nobody */
	if (!o)
		return 0;
	if (note)
		(void)json_object_set_new(o, "note", note);
	if (f->is_drop)
		(void)json_object_set_new(
			o, "last", json_stringn(f->last.ptr, f->last.len));
	if (f->change.at)
		(void)json_object_set_new(
			o, "changed_at", json_integer((json_int_t)f->change.at));
	if (f->change.at)
		(void)json_object_set_new(o, "change", json_string(f->change.text));
	return json_array_append_new(list, o);
}

/* Of each folder, so in few letters. */
static int put_looks(json_t *list, const struct sweep_folder *f)
{
	const struct source_status *is = &f->was.looks;
	json_t *o = json_pack("{s:s%, s:I, s:I, s:I, s:I, s:I}", "name", f->name.ptr,
		f->name.len, "v", (json_int_t)is->uidvalidity, "n",
		(json_int_t)is->uidnext, "m", (json_int_t)is->messages, "u",
		(json_int_t)is->unseen, "q", (json_int_t)is->highestmodseq);

	return o ? json_array_append_new(list, o) : 0;
}

char *sweep_state_write(const struct sweep *s, struct str certificate)
{
	json_t *proven = json_loadb(certificate.ptr, certificate.len, 0, NULL);
	json_t *list = json_array(), *looks = json_array();
	json_t *all = json_pack("{s:s, s:o, s:o}", "certificate", time_of(proven),
		"folders", list, "looks", looks);
	char *text;

	for (size_t i = 0; all && i < s->count; i++) {
		if (has_news(&s->at[i]))
			(void)put_folder(list, &s->at[i]);
		if (s->at[i].was.is_known)
			(void)put_looks(looks, &s->at[i]);
	}
	text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	json_decref(all);
	json_decref(proven);
	return text;
}
