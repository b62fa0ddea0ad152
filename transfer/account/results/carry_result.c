/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/results/carry_result.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

/* Names are bytes: what is no UTF-8 is shown as "?". */
static json_t *text(struct str s)
{
	json_t *value = json_stringn(s.len ? s.ptr : "", s.len);

	return value ? value : json_string("?");
}

static json_t *names(const struct carry_names *n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n->n && i < CARRY_NAMES_MAX; i++)
		(void)json_array_append_new(list, text(n->at[i]));
	return list;
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *losses(const struct carry_losses *l)
{
	json_t *o = json_object();

	(void)json_object_set_new(o, "uids", number(l->uids));
	(void)json_object_set_new(o, "uidls", number(l->uidls));
	(void)json_object_set_new(o, "dates", number(l->dates));
	(void)json_object_set_new(o, "sizes", number(l->sizes));
	(void)json_object_set_new(o, "flags", number(l->flags));
	(void)json_object_set_new(o, "expunges", number(l->expunges));
	(void)json_object_set_new(o, "not_shown", number(l->not_shown));
	(void)json_object_set_new(o, "keywords", names(&l->keywords));
	(void)json_object_set_new(o, "folders", names(&l->folders));
	(void)json_object_set_new(o, "subscriptions", names(&l->unsubscribed));
	return o;
}

char *carry_result_json(const struct carry *c, const char *result, const char *reason)
{
	const struct carry_sums *s = &c->sums;
	json_t *o = json_object();
	char *shown;

	(void)json_object_set_new(o, "result", json_string(result));
	(void)json_object_set_new(o, "reason", text(str_from(reason)));
	(void)json_object_set_new(o, "messages", number(s->messages));
	(void)json_object_set_new(o, "bytes", number(s->bytes));
	(void)json_object_set_new(o, "put_back", number(s->put_back));
	(void)json_object_set_new(o, "flags", number(s->flags));
	(void)json_object_set_new(o, "expunged", number(s->expunged));
	(void)json_object_set_new(o, "folders", number(s->folders));
	(void)json_object_set_new(o, "renamed", number(s->renamed));
	(void)json_object_set_new(o, "subscriptions", number(s->subscriptions));
	(void)json_object_set_new(o, "not_kept", losses(&c->lost));
	shown = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return shown;
}

void carry_result_line(const struct carry *c, char *line, size_t size)
{
	const struct carry_sums *s = &c->sums;

	if (!(s->messages + s->flags + s->expunged + s->folders + s->renamed +
		    s->subscriptions))
		(void)snprintf(line, size, "nothing was new here");
	else
		(void)snprintf(line, size,
			"carried back: %" PRIu64 " message(s), flags of %" PRIu64
			", %" PRIu64 " expunged, %" PRIu64 " folder(s) made, %" PRIu64
			" renamed, %" PRIu64 " subscription(s)",
			s->messages, s->flags, s->expunged, s->folders, s->renamed,
			s->subscriptions);
}
