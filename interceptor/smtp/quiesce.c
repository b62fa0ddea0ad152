/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An account switches, or goes back: no mail may reach it at the source after the last
 * look there, nor here after the last look here. Its route is `busy` by now, so no new
 * recipient of that account is accepted, and no message for it goes to the mailstore
 * (all_live_here()); what is under way is ended.
 *
 *   recipient accepted, no message yet   421: the client comes again, and is told better
 *   message on its way                   a moment to finish, then 421
 *   final dot sent, no answer yet        longer: cut off, the source might take it
 *   being staged or delivered here       the mailstore answers soon
 *   taken by the source a moment ago     its queue gets that moment (recently_relayed.h)
 */
#include "base/log.h"
#include "interceptor/smtp/smtp.h"
#include "registry/alias.h"

/* Together below what the transfer waits for an answer (10 s): during it the account is
   out of service. */
#define MESSAGE_MS 3000
#define ANSWER_MS 8000

static bool remember(
	struct smtp_session *f, struct str local, struct str domain, struct str account)
{
	struct smtp_at_source *r = NULL;

	if (f->arena.used <= SMTP_TRANSACTION_MAX)
		r = arena_alloc(&f->arena, sizeof(*r));
	if (!r)
		return false;
	r->local = arena_str(&f->arena, local);
	r->domain = arena_str(&f->arena, domain);
	r->account = arena_str(&f->arena, account);
	if (!r->local.ptr || !r->domain.ptr || !r->account.ptr)
		return false;
	r->next = f->at_source;
	f->at_source = r;
	return true;
}

bool smtp_remember_at_source(struct session *s, const struct recipient *to)
{
	const struct settings *settings = s->host->settings;
	struct smtp_session *f = smtp_of(s);
	const struct smtp_address *a = &to->address;
	struct str account = STR_LIT("");
	bool ok = true;

	if (to->is == RECIPIENT_ANYBODY)
		return remember(f, STR_LIT(""), STR_LIT(""), account);
	if (to->is == RECIPIENT_KNOWN)
		account = str_from(to->account.name);
	if (a->domain.len || !settings->n_domains)
		return remember(f, a->local, a->domain, account);
	for (size_t i = 0; i < settings->n_domains && ok; i++)
		ok = remember(f, a->local, str_from(settings->domains[i]), account);
	return ok;
}

void smtp_forget_at_source(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	if (!f->at_source)
		return;
	for (const struct smtp_at_source *r = f->at_source; r; r = r->next)
		s->host->ops->note_relayed(s->host, r->local, r->domain);
	f->at_source = NULL;
	arena_fini(&f->arena);
	arena_init(&f->arena);
}

/* An account may have become known since its recipient was accepted. */
static void look_again(struct session *s, struct str account)
{
	struct smtp_session *f = smtp_of(s);
	struct account_route route;

	for (struct smtp_at_source *r = f->at_source; r; r = r->next) {
		if (r->account.len ||
			registry_address(s->host->registry, r->local, r->domain, &route,
				NULL) < 0 ||
			!str_eq(str_from(route.name), account))
			continue;
		r->account = arena_str(&f->arena, account);
	}
}

bool smtp_goes_to_source(const struct session *s, struct str account)
{
	for (const struct smtp_at_source *r = smtp_of(s)->at_source; r; r = r->next)
		if (str_eq(r->account, account) || (!r->local.len && !r->domain.len))
			return true;
	return false;
}

/* With the mailstore: asked, and not yet known to be delivered. */
static bool is_with_mailstore(const struct smtp_session *f, struct str account)
{
	if (!smtp_proxy_is_deciding(&f->proxy))
		return false;
	for (const struct smtp_recipient *r = f->proxy.transaction.local.first; r;
		r = r->next)
		if (str_eq(r->account, account))
			return true;
	/* a content filter may have added some */
	return f->staging && staging_is_for(f->staging, account);
}

bool smtp_is_ending(const struct session *s, struct str account)
{
	return smtp_goes_to_source(s, account) || is_with_mailstore(smtp_of(s), account);
}

/* A message whose fate is being decided is not left in doubt. */
void smtp_kick(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	if (!smtp_proxy_is_deciding(&f->proxy)) {
		smtp_say_bye(s, CLOSE_KICKED);
		return;
	}
	session_set_deadline(s, ANSWER_MS);
	f->must_end = f->is_kicked = true;
}

enum quiesce smtp_quiesce(struct session *s, struct str account, bool force)
{
	struct smtp_session *f = smtp_of(s);
	enum smtp_proxy_state state = f->proxy.state;
	char id[SESSION_ID_MAX];

	(void)force;
	look_again(s, account);
	if (!smtp_is_ending(s, account))
		return QUIESCE_NOTHING;
	log_info(session_id(s, id), "quiesce", "account=%.*s in=\"%s\"", STR_ARG(account),
		smtp_proxy_state_name(state));
	if (smtp_proxy_is_deciding(&f->proxy))
		session_set_deadline(s, ANSWER_MS);
	else if (smtp_proxy_is_receiving(&f->proxy))
		session_set_deadline(s, MESSAGE_MS);
	else
		smtp_say_bye(s, CLOSE_MOVED);
	if (!session_is_handled(s))
		return QUIESCE_NOTHING;
	f->must_end = true;
	return QUIESCE_ENDING;
}
