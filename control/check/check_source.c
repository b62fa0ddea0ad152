/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/check_source.h"

#include "control/check/dial.h"
#include "control/check/source_leg.h"
#include "control/check/source_probe.h"

#include <errno.h>

#define SLOW_MS 5000 /* clients notice, some give up */

static void note_slow(
	struct findings *f, const char *name, const char *where, const struct offer *o)
{
	if (o->took_ms >= SLOW_MS)
		finding(f, FINDING_NOTE, "source", name,
			"%s is slow: it took %llu s to say what it offers. Clients and "
			"transfers wait for it; a reverse look-up of their addresses, or "
			"a "
			"tarpit, is often the reason",
			where, (unsigned long long)(o->took_ms / 1000));
}

/* Only what it shows before a login is seen here. */
static void note_vanishing(
	struct findings *f, const char *name, const char *where, const struct offer *o)
{
	struct str words = buf_view(&o->vanishing);

	if (words.len)
		finding(f, FINDING_NOTE, "source", name, "%s shows %s: %.*s. %s", where,
			offer_vanishing(o), STR_ARG(words), offer_vanishing_hint(o));
}

/* Without a key for it, senders' TLS would bring mail for users here unseen. */
static const char *starttls_goes(const struct settings *s, enum service_id id)
{
	return settings_ends_tls(s, id) ? "; STARTTLS ends here"
	       : id == SERVICE_SMTP && s->services[id].tls == SERVICE_TLS_AUTO
	               ? "; STARTTLS goes to the source unseen, and is not shown once a "
	                 "user lives here, for want of a key"
	               : "; STARTTLS goes to the source unseen";
}

static void print_offer(struct findings *f, const struct settings *s, enum service_id id,
	const char *where, const struct offer *o)
{
	struct str greeting = buf_view(&o->greeting), yes = buf_view(&o->capturable);
	struct str no = buf_view(&o->not_capturable);
	bool useless = offer_wants_login(o) && !yes.len;

	finding(f,
		useless  ? FINDING_PROBLEM
		: no.len ? FINDING_NOTE
			 : FINDING_OK,
		"source", service_name(id),
		"%s \"%.*s\"; logins that can be captured: %.*s; not: %.*s%s%s", where,
		STR_ARG(greeting), STR_ARG(yes.len ? yes : STR_LIT("none")),
		STR_ARG(no.len ? no : STR_LIT("none")),
		o->starttls ? starttls_goes(s, id) : "",
		useless ? "; it takes no password before TLS, so nobody here can be moved"
			: "");
}

/* Whether it answers. *ret_reached is set when it takes logins, too. */
static bool probe_one(const struct settings *s, struct findings *f,
	const struct sockaddr_storage *address, enum service_id id, bool *ret_reached)
{
	struct sockaddr_storage to = *address;
	char where[ADDRESS_TEXT_MAX];
	struct error err;
	struct offer o;
	int code;

	if (offer_init(&o, id) < 0)
		return false;
	o.reports = *s->smart_host;
	dial_set_port(&to, s, id);
	address_port_text(&to, where);
	code = source_probe(s, id, &to, &o, &err);
	if (code == 0) {
		print_offer(f, s, id, where, &o);
		note_slow(f, service_name(id), where, &o);
		note_vanishing(f, service_name(id), where, &o);
	} else {
		finding(f, code == -ECONNREFUSED ? FINDING_NOTE : FINDING_PROBLEM,
			"source", service_name(id), "%s: %s", where, err.text);
	}
	*ret_reached = *ret_reached || (code == 0 && offer_wants_login(&o));
	offer_fini(&o);
	return code == 0;
}

static void note_leg(void *context, enum finding_level level, const char *sentence)
{
	finding(context, level, "source", "source_leg", "%s", sentence);
}

void check_leg(struct control *c, struct findings *f)
{
	struct registry *r = NULL;
	struct legs legs;

	(void)control_registry(c, &r);
	(void)source_leg_find(&c->settings, r, note_leg, f, &legs, &c->err);
	registry_close(r);
}

void check_source(struct control *c, struct findings *f)
{
	struct sockaddr_storage all[SETTINGS_SOURCES_MAX];
	size_t n = settings_upstreams(&c->settings, all);
	bool answers[SERVICE_COUNT] = { false }, reached = false;

	for (size_t i = 0; i < n; i++)
		for (int id = 0; id < SERVICE_COUNT; id++)
			if (c->settings.services[id].enabled &&
				probe_one(&c->settings, f, &all[i], (enum service_id)id,
					&reached))
				answers[id] = true;
	if (answers[SERVICE_POP3] && !answers[SERVICE_IMAP])
		finding(f, FINDING_NOTE, "source", "mailboxes",
			"POP3 answers and IMAP does not: INBOX is all that can be moved, "
			"and without flags");
	if (!reached)
		finding(f, FINDING_PROBLEM, "source", "mailboxes",
			"neither IMAP nor POP3 answers, so nobody can be moved; is "
			"`source` the old server's address, and is it up?");
}
