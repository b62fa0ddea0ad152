/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/offer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FACT_NAME_MAX 32 /* "submission.capability" */

static struct str fact_name(
	enum service_id service, const char *what, char name[static FACT_NAME_MAX])
{
	(void)snprintf(name, FACT_NAME_MAX, "%s.%s", service_name(service), what);
	return str_from(name);
}

/* An absent fact is an empty one. */
static int read_fact(struct registry *r, enum service_id service, const char *what,
	struct arena *arena, struct str *ret, struct error *err)
{
	char name[FACT_NAME_MAX];
	int code = registry_fact(r, fact_name(service, what, name), arena, ret, err);

	if (code == -ENOENT) {
		*ret = STR_LIT("");
		return 0;
	}
	return code;
}

static int write_fact(struct registry *r, enum service_id service, const char *what,
	struct str value, bool *changed, struct error *err)
{
	char name[FACT_NAME_MAX];
	struct arena arena;
	struct str old;
	int code;

	arena_init(&arena);
	code = read_fact(r, service, what, &arena, &old, err);
	if (code == 0 && !str_eq(old, value)) {
		*changed = true;
		code = registry_set_fact(r, fact_name(service, what, name), value, err);
	}
	arena_fini(&arena);
	return code;
}

static int read_learnt(struct registry *r, enum service_id service, struct arena *arena,
	struct learnt *ret, struct error *err)
{
	int code = read_fact(r, service, "greeting", arena, &ret->greeting, err);

	if (code == 0)
		code = read_fact(r, service, "capability", arena, &ret->capability, err);
	if (code == 0)
		code = read_fact(r, service, "id", arena, &ret->id, err);
	return code;
}

static int show(struct offer *o, enum service_id service, const struct learnt *learnt)
{
	const struct protocol *p = protocol_of(service);
	int r = p->show(learnt, o->tls, &o->arena, &o->shown);

	return r < 0 ? r : p->show(learnt, SERVICE_TLS_HIDE, &o->arena, &o->secure);
}

int offer_load(struct registry *r, enum service_id service, enum service_tls tls,
	struct offer **ret, struct error *err)
{
	struct offer *o = calloc(1, sizeof(*o));
	struct learnt learnt = { 0 };
	int code = o ? 0 : -ENOMEM;

	if (code < 0)
		return error_errno(err, code, "cannot keep what the source shows");
	o->refs = 1;
	o->tls = tls;
	arena_init(&o->arena);
	code = read_learnt(r, service, &o->arena, &learnt, err);
	if (code == 0)
		code = read_fact(r, service, "refusal", &o->arena, &o->refusal, err);
	if (code == 0 && !learnt.greeting.len)
		code = -ENOENT;
	if (code == 0)
		code = show(o, service, &learnt);
	if (code < 0) {
		offer_unref(o);
		return code;
	}
	*ret = o;
	return 0;
}

int offer_make(enum service_id service, const struct learnt *learnt,
	const struct offer *common, struct offer **ret)
{
	struct offer *o = calloc(1, sizeof(*o));
	int code;

	if (!o)
		return -ENOMEM;
	o->refs = 1;
	o->tls = common->tls;
	arena_init(&o->arena);
	o->refusal = arena_str(&o->arena, common->refusal);
	code = o->refusal.ptr ? show(o, service, learnt) : -ENOMEM;
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

int offer_store(struct registry *r, enum service_id service, const struct learnt *learnt,
	bool *ret_changed, struct error *err)
{
	bool changed = false;
	int code = write_fact(r, service, "greeting", learnt->greeting, &changed, err);

	if (code == 0)
		code = write_fact(
			r, service, "capability", learnt->capability, &changed, err);
	if (code == 0)
		code = write_fact(r, service, "id", learnt->id, &changed, err);
	if (code == 0 && learnt->refusal.ptr)
		code = write_fact(r, service, "refusal", learnt->refusal, &changed, err);
	if (code == 0)
		*ret_changed = changed;
	return code;
}

int offer_store_refusal(
	struct registry *r, enum service_id service, struct str text, struct error *err)
{
	bool changed;

	return write_fact(r, service, "refusal", text, &changed, err);
}

int offer_store_probe(
	struct registry *r, enum service_id service, struct str result, struct error *err)
{
	bool changed;

	return write_fact(r, service, "probe", result, &changed, err);
}
