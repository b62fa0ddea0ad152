/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/check_refusals.h"

#include "registry/registry.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static void say_refusal(struct findings *f, const char *name, struct str words)
{
	if (words.len)
		finding(f, FINDING_OK, "source", name,
			"it refuses unknown recipients with \"%.*s\": such a refusal "
			"is not one of the client",
			STR_ARG(words));
	else
		finding(f, FINDING_NOTE, "source", name,
			"how it refuses unknown recipients is not known (it accepts "
			"all, or has not been asked yet): a refusal without a clear "
			"code or words counts as one of the client");
}

static void check_service(struct control *c, struct registry *r, struct findings *f,
	enum service_id service)
{
	const char *name = service_name(service);
	struct str greeting, words;
	struct arena arena;
	char fact[32];

	arena_init(&arena);
	(void)snprintf(fact, sizeof(fact), "%s.greeting", name);
	/* before the first probe there is nothing to say */
	if (registry_fact(r, str_from(fact), &arena, &greeting, &c->err) == 0) {
		(void)snprintf(fact, sizeof(fact), "%s.refusal", name);
		if (registry_fact(r, str_from(fact), &arena, &words, &c->err) < 0)
			words = STR_LIT("");
		say_refusal(f, name, words);
	}
	arena_fini(&arena);
}

void check_refusals(struct control *c, struct findings *f)
{
	struct registry *r = NULL;
	char path[PATH_MAX];

	if (!c->settings.services[SERVICE_SMTP].enabled ||
		c->settings.smtp_policy != SMTP_POLICY_SOURCE ||
		settings_state_path(&c->settings, REGISTRY_FILE, path, sizeof(path)) <
			0 ||
		access(path, F_OK) < 0 || registry_open(path, &r, &c->err) < 0)
		return; /* no question, or check_files() has said what is wrong */
	check_service(c, r, f, SERVICE_SMTP);
	registry_close(r);
}
