/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/protocols/offer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FACT_NAME_MAX 32 /* "submission.capability" */

enum offer_kind offer_other_kind(enum source_tls_mode source_tls)
{
	switch (source_tls) {
	case SOURCE_TLS_STARTTLS:
		return OFFER_CLEAR;
	case SOURCE_TLS_CLIENT:
		return OFFER_TLS;
	case SOURCE_TLS_NONE:
	case SOURCE_TLS_IMPLICIT:
		break;
	}
	return OFFER_OURS;
}

static struct str fact_name(enum service_id service, enum offer_kind kind,
	const char *what, char name[static FACT_NAME_MAX])
{
	static const char *const kinds[OFFER_KIND_COUNT] = {
		[OFFER_OURS] = "",
		[OFFER_CLEAR] = "clear.",
		[OFFER_TLS] = "tls.",
	};

	(void)snprintf(
		name, FACT_NAME_MAX, "%s.%s%s", service_name(service), kinds[kind], what);
	return str_from(name);
}

/* An absent fact is an empty one. */
static int read_fact(struct registry *r, struct str name, struct arena *arena,
	struct str *ret, struct error *err)
{
	int code = registry_fact(r, name, arena, ret, err);

	if (code == -ENOENT) {
		*ret = STR_LIT("");
		return 0;
	}
	return code;
}

static int write_fact(struct registry *r, struct str name, struct str value,
	bool *changed, struct error *err)
{
	struct arena arena;
	struct str old;
	int code;

	arena_init(&arena);
	code = read_fact(r, name, &arena, &old, err);
	if (code == 0 && !str_eq(old, value)) {
		*changed = true;
		code = registry_set_fact(r, name, value, err);
	}
	arena_fini(&arena);
	return code;
}

static int read_learnt(struct registry *r, enum service_id service, enum offer_kind kind,
	struct arena *arena, struct learnt *ret, struct error *err)
{
	char name[FACT_NAME_MAX];
	int code = read_fact(r, fact_name(service, kind, "greeting", name), arena,
		&ret->greeting, err);

	if (code == 0)
		code = read_fact(r, fact_name(service, kind, "capability", name), arena,
			&ret->capability, err);
	if (code == 0)
		code = read_fact(
			r, fact_name(service, kind, "id", name), arena, &ret->id, err);
	return code;
}

/* Whoever may not begin TLS here is shown what lets them in: it is said to them in the
   place of the source, which we reach inside TLS. */
static int show(struct offer *o, enum service_id service, enum offer_kind kind,
	const struct learnt *ours, const struct learnt *other)
{
	const struct protocol *p = protocol_of(service);
	const struct learnt *clear = ours, *secure = ours;
	int r;

	if (kind == OFFER_CLEAR && other->greeting.len && o->tls != SERVICE_TLS_HIDE) {
		clear = other;
		o->tls_first = other->capability.len > 0;
	}
	if (kind == OFFER_TLS && other->greeting.len)
		secure = other;
	r = p->show(clear, o->tls, &o->arena, &o->shown);
	return r < 0 ? r : p->show(secure, SERVICE_TLS_HIDE, &o->arena, &o->secure);
}

static struct offer *make(enum service_tls tls)
{
	struct offer *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->refs = 1;
	o->tls = tls;
	arena_init(&o->arena);
	return o;
}

int offer_load(struct registry *r, enum service_id service,
	const struct service_settings *s, enum service_tls tls, struct offer **ret,
	struct error *err)
{
	enum offer_kind kind = offer_other_kind(s->source_tls);
	struct offer *o = make(tls);
	struct learnt ours = { 0 }, other = { 0 };
	char name[FACT_NAME_MAX];
	int code = o ? 0 : -ENOMEM;

	if (code < 0)
		return error_errno(err, code, "cannot keep what the source shows");
	code = read_learnt(r, service, OFFER_OURS, &o->arena, &ours, err);
	if (code == 0 && kind != OFFER_OURS)
		code = read_learnt(r, service, kind, &o->arena, &other, err);
	if (code == 0)
		code = read_fact(r, fact_name(service, OFFER_OURS, "refusal", name),
			&o->arena, &o->refusal, err);
	if (code == 0 && !ours.greeting.len)
		code = -ENOENT;
	if (code == 0)
		code = show(o, service, kind, &ours, &other);
	if (code < 0) {
		offer_unref(o);
		return code;
	}
	*ret = o;
	return 0;
}

static int copy_shown(struct offer *o, struct str greeting, const struct learnt *from,
	struct learnt *ret)
{
	int r = protocol_shown(&o->arena, greeting, from->capability, from->id, ret);

	if (r == 0)
		ret->after = arena_str(&o->arena, from->after);
	return r < 0 || ret->after.ptr ? r : -ENOMEM;
}

int offer_make(struct str greeting, const struct offer *common, struct offer **ret)
{
	struct offer *o = make(common->tls);
	int code;

	if (!o)
		return -ENOMEM;
	o->tls_first = common->tls_first;
	o->refusal = arena_str(&o->arena, common->refusal);
	code = o->refusal.ptr ? copy_shown(o, greeting, &common->shown, &o->shown)
	                      : -ENOMEM;
	if (code == 0)
		code = copy_shown(o, greeting, &common->secure, &o->secure);
	if (code < 0) {
		offer_unref(o);
		return code;
	}
	*ret = o;
	return 0;
}

struct offer *offer_ref(struct offer *o)
{
	o->refs++;
	return o;
}

void offer_unref(struct offer *o)
{
	if (!o || --o->refs)
		return;
	arena_fini(&o->arena);
	free(o);
}

int offer_store(struct registry *r, enum service_id service, enum offer_kind kind,
	const struct learnt *learnt, bool *ret_changed, struct error *err)
{
	const struct {
		const char *what;
		struct str value;
	} facts[] = { { "greeting", learnt->greeting },
		{ "capability", learnt->capability }, { "id", learnt->id } };
	char name[FACT_NAME_MAX];
	bool changed = false;
	int code = 0;

	for (size_t i = 0; code == 0 && i < sizeof(facts) / sizeof(facts[0]); i++)
		code = write_fact(r, fact_name(service, kind, facts[i].what, name),
			facts[i].value, &changed, err);
	if (code == 0 && learnt->refusal.ptr)
		code = write_fact(r, fact_name(service, OFFER_OURS, "refusal", name),
			learnt->refusal, &changed, err);
	if (code == 0)
		*ret_changed = changed;
	return code;
}

int offer_store_refusal(
	struct registry *r, enum service_id service, struct str text, struct error *err)
{
	char name[FACT_NAME_MAX];
	bool changed;

	return write_fact(
		r, fact_name(service, OFFER_OURS, "refusal", name), text, &changed, err);
}

int offer_store_probe(struct registry *r, enum service_id service, enum offer_kind kind,
	struct str result, struct error *err)
{
	char name[FACT_NAME_MAX];
	bool changed;

	return write_fact(
		r, fact_name(service, kind, "probe", name), result, &changed, err);
}
