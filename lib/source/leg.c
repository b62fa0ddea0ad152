/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "source/leg.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>

#define FACT STR_LIT("source-leg")
#define FACT_MAX 256

static const char *const address_names[] = { "client", "own", "none" };
static const char *const introduction_names[] = { "-", "xclient", "id", "proxy" };
_Static_assert(sizeof(address_names) / sizeof(address_names[0]) == LEG_ADDRESS_COUNT,
	"a name for each");
_Static_assert(
	sizeof(introduction_names) / sizeof(introduction_names[0]) == INTRODUCE_COUNT,
	"a name for each");

bool leg_is_smtp(enum service_id service)
{
	return service == SERVICE_SMTP || service == SERVICE_SMTPS ||
	       service == SERVICE_SUBMISSION;
}

/* "imap:own:id smtp:client:- …" */
int legs_write(struct registry *r, const struct legs *found, struct error *err)
{
	struct buf text;
	int code = 0;

	buf_init(&text, FACT_MAX);
	for (int i = 0; i < SERVICE_COUNT && code == 0; i++)
		code = buf_printf(&text, "%s:%s:%s ", service_name((enum service_id)i),
			address_names[found->of[i].from],
			introduction_names[found->of[i].introduction]);
	code = code < 0 ? error_errno(err, code, "the way to the source")
	                : registry_set_fact(r, FACT, buf_view(&text), err);
	buf_fini(&text);
	return code;
}

static bool find(const char *const *names, size_t n, struct str name, unsigned *ret)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(name, str_from(names[i]))) {
			*ret = (unsigned)i;
			return true;
		}
	return false;
}

/* false: nothing was found out about that service. */
static bool find_service(struct str text, enum service_id service, struct leg *ret)
{
	while (text.len) {
		struct str row = str_split(&text, ' ');
		struct str name = str_split(&row, ':'), from = str_split(&row, ':');
		unsigned address, introduction;

		if (str_eq(name, str_from(service_name(service))) &&
			find(address_names, LEG_ADDRESS_COUNT, from, &address) &&
			find(introduction_names, INTRODUCE_COUNT, row, &introduction)) {
			*ret = (struct leg){ (enum leg_address)address,
				(enum leg_introduction)introduction };
			return true;
		}
	}
	return false;
}

static enum leg_introduction introduction_of_mailbox(
	const struct settings *s, enum service_id service)
{
	if (s->services[service].source_proxy != SOURCE_PROXY_NO)
		return INTRODUCE_PROXY;
	return service == SERVICE_IMAP || service == SERVICE_IMAPS ? INTRODUCE_ID
	                                                           : INTRODUCE_NOT;
}

/* What was proven, as long as the settings are those that it was proven with. */
static bool is_proven(
	const struct settings *s, enum service_id service, const struct leg *found)
{
	bool by_proxy = s->services[service].source_proxy != SOURCE_PROXY_NO;

	return found && found->from == LEG_OWN &&
	       (found->introduction == INTRODUCE_PROXY) == by_proxy;
}

static struct leg settle(
	const struct settings *s, enum service_id service, const struct leg *found)
{
	struct leg own = { LEG_OWN, introduction_of_mailbox(s, service) };
	bool wants_own = s->source_leg_explicit && s->source_leg == SOURCE_LEG_OWN;

	if (leg_is_smtp(service)) {
		if (wants_own)
			return is_proven(s, service, found) ? *found
			                                    : (struct leg){ LEG_NONE, 0 };
		return (struct leg){ LEG_CLIENT, INTRODUCE_NOT };
	}
	if (wants_own || (!s->source_leg_explicit && found && found->from == LEG_OWN))
		return own;
	return (struct leg){ LEG_CLIENT, INTRODUCE_NOT };
}

int legs_read(const struct settings *s, struct registry *r, struct legs *ret)
{
	struct str text = STR_LIT("");
	struct arena arena;
	int code;

	arena_init(&arena);
	code = r ? registry_fact(r, FACT, &arena, &text, NULL) : -ENOENT;
	if (code < 0)
		text = STR_LIT("");
	for (int i = 0; i < SERVICE_COUNT; i++) {
		struct leg found;
		bool is_found = find_service(text, (enum service_id)i, &found);

		ret->of[i] = settle(s, (enum service_id)i, is_found ? &found : NULL);
	}
	arena_fini(&arena);
	return code == -ENOENT ? 0 : code;
}
