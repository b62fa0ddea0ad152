/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/senders_tls.h"

#include "wire/smtp/reply.h"

#define FACT "smtp.capability" /* the source's answer to EHLO */

static bool source_offers_it(struct registry *r)
{
	struct arena arena;
	struct str reply, args;
	bool is;

	arena_init(&arena);
	is = registry_fact(r, STR_LIT(FACT), &arena, &reply, NULL) == 0 &&
	     smtp_ehlo_has(reply, STR_LIT("STARTTLS"), &args);
	arena_fini(&arena);
	return is;
}

bool senders_lack_tls(struct control *c, struct registry *r)
{
	const struct service_settings *smtp = &c->settings.services[SERVICE_SMTP];
	bool any = false;

	return smtp->enabled && smtp->tls == SERVICE_TLS_AUTO &&
	       !settings_ends_tls(&c->settings, SERVICE_SMTP) &&
	       registry_any_local(r, &any, NULL) == 0 && any && source_offers_it(r);
}
