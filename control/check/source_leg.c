/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/source_leg.h"

#include "control/check/leg_probe.h"
#include "control/check/proxy_probe.h"
#include "control/check/relay_probe.h"

#include <errno.h>
#include <stdarg.h>

#define SENTENCE_MAX (ERROR_TEXT_MAX + 512) /* what failed, and what helps */

struct finding_leg {
	const struct settings *settings;
	struct registry *registry;
	source_leg_say_fn *say;
	void *context;
	struct leg_probe probe;
	struct legs *legs;
	struct error *err;
	int code; /* -EHOSTUNREACH: `up` must not begin */
};

__attribute__((format(printf, 3, 4))) static void say(
	struct finding_leg *f, enum finding_level level, const char *format, ...)
{
	char text[SENTENCE_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	f->say(f->context, level, text);
}

/* The same, and `up` does not begin. */
__attribute__((format(printf, 2, 3))) static void refuse(
	struct finding_leg *f, const char *format, ...)
{
	char text[SENTENCE_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	f->say(f->context, FINDING_PROBLEM, text);
	f->code = error_set(f->err, -EHOSTUNREACH, "%s", text);
}

static bool is_own(const struct settings *s)
{
	return s->source_leg_explicit && s->source_leg == SOURCE_LEG_OWN;
}

/* ---- mailboxes ---- */

#define SEEN_AS_US                                                                       \
	"the source then sees %s for every login: let its fail2ban and its limits "      \
	"for one address leave that one alone"

static bool has_proxy(const struct finding_leg *f, enum service_id service)
{
	return f->settings->services[service].source_proxy != SOURCE_PROXY_NO;
}

/* Whether somebody reads mail by a service in which the source is not told who it is. */
static bool hides_a_client(const struct finding_leg *f)
{
	for (int i = 0; i < SERVICE_COUNT; i++)
		if (!leg_is_smtp((enum service_id)i) &&
			f->settings->services[i].enabled &&
			!has_proxy(f, (enum service_id)i))
			return true;
	return false;
}

static bool takes_proxy(struct finding_leg *f, enum service_id service, struct error *why)
{
	return proxy_probe(f->settings, service, why) == 0;
}

#define HOW_TO_TAKE_PROXY                                                                \
	"let that port expect it from %s (Dovecot: haproxy = yes in its inet_listener, " \
	"haproxy_trusted_networks; Postfix: smtpd_upstream_proxy_protocol = haproxy), "  \
	"or set source_proxy = \"no\""

/* A client that reaches such a port without us sends no header, and is not served. */
static void note_port(struct finding_leg *f, enum service_id service)
{
	const struct service_settings *s = &f->settings->services[service];

	if (s->upstream_port == s->port && !*f->settings->source_moved_to)
		say(f, FINDING_NOTE,
			"%s: clients that reach port %u of the source past us (fail = "
			"\"open\", admit direct) send no PROXY header and are not served "
			"there; give us a port of our own (upstream)",
			service_name(service), s->port);
}

static void judge_proxies(struct finding_leg *f)
{
	for (int i = 0; i < SERVICE_COUNT; i++) {
		enum service_id service = (enum service_id)i;
		struct error why = { 0 };

		if (leg_is_smtp(service) || !has_proxy(f, service) ||
			!f->settings->services[i].enabled ||
			f->probe.of[i] == LEG_WAY_UNKNOWN)
			continue;
		note_port(f, service);
		if (takes_proxy(f, service, &why))
			say(f, FINDING_OK,
				"%s: the source takes each client's address by the PROXY "
				"protocol",
				service_name(service));
		else
			say(f, FINDING_PROBLEM,
				"%s: the source does not take the PROXY protocol: %s; " HOW_TO_TAKE_PROXY,
				service_name(service), why.text, f->probe.own);
	}
}

static void judge_mailboxes(struct finding_leg *f)
{
	const struct settings *s = f->settings;
	char names[LEG_SERVICES_MAX];
	bool elsewhere = leg_probe_names(s, &f->probe, false, names);
	bool hides = is_own(s) && hides_a_client(f);

	for (int i = 0; i < SERVICE_COUNT; i++)
		if (!leg_is_smtp((enum service_id)i) && f->probe.of[i] != LEG_WAY_UNKNOWN)
			f->legs->of[i].from =
				is_own(s) || (!s->source_leg_explicit &&
						     f->probe.of[i] == LEG_WAY_ELSEWHERE)
					? LEG_OWN
					: LEG_CLIENT;
	if (!elsewhere && hides && f->probe.own[0])
		say(f, FINDING_NOTE,
			"source_leg = \"own\": " SEEN_AS_US
			". Its answers to clients' own "
			"addresses do come back through this host, so \"client\" would work",
			f->probe.own);
	else if (elsewhere && hides)
		say(f, FINDING_NOTE, "source_leg = \"own\": " SEEN_AS_US, f->probe.own);
	else if (elsewhere && !s->source_leg_explicit)
		say(f, FINDING_NOTE,
			"the source's answers to clients' own addresses do not come back "
			"through this host (%s), so we connect from ours, as with source_leg "
			"= \"own\"; " SEEN_AS_US
			". With this host as its gateway it sees "
			"the clients themselves",
			names, f->probe.own);
	else if (elsewhere && !is_own(s))
		say(f, FINDING_PROBLEM,
			"source_leg = \"client\", but the source's answers to clients' own "
			"addresses do not come back through this host (%s): every login "
			"would time out; make this host its gateway, or leave source_leg out",
			names);
}

/* ---- mail ---- */

static void say_taken(
	struct finding_leg *f, enum service_id service, enum leg_introduction how)
{
	static const char *const seen[INTRODUCE_COUNT] = {
		[INTRODUCE_NOT] =
			" for every sender, and does not relay for it; its SPF, "
			"grey-listing, bans and limits by address mean nothing "
			"any more",
		[INTRODUCE_XCLIENT] = ", which tells it each client's address by XCLIENT",
		[INTRODUCE_ID] = "",
		[INTRODUCE_PROXY] = ", which tells it each client's address by the PROXY "
				    "protocol",
	};

	say(f, FINDING_NOTE, "%s: source_leg = \"own\": the source sees %s%s",
		service_name(service), f->probe.own, seen[how]);
}

static void judge_relaying(struct finding_leg *f, enum service_id service)
{
	struct relay_view v;
	struct error why = { 0 };
	struct leg *leg = &f->legs->of[service];
	bool by_proxy = has_proxy(f, service);
	int code = 0;

	if (by_proxy)
		note_port(f, service);
	leg->from = LEG_NONE;
	if (by_proxy && !takes_proxy(f, service, &why)) {
		refuse(f,
			"%s: the source does not take the PROXY protocol: %s; " HOW_TO_TAKE_PROXY,
			service_name(service), why.text, f->probe.own);
		return;
	}
	code = relay_probe(f->settings, f->registry, service, f->probe.own, &v, &why);
	if (code < 0) {
		refuse(f,
			"%s: with source_leg = \"own\" it must be known whether the source "
			"relays for %s, and it could not be asked: %s",
			service_name(service), f->probe.own, why.text);
	} else if (relay_allows(&v, &leg->introduction)) {
		leg->from = LEG_OWN;
		say_taken(f, service, leg->introduction);
	} else if (by_proxy && v.own == RELAY_ACCEPTS) {
		refuse(f,
			"%s: the source relays for an address that is nobody's, which it "
			"was told by the PROXY protocol (\"%s\"): strangers could send "
			"through it",
			service_name(service), v.words);
	} else if (v.own == RELAY_ACCEPTS) {
		refuse(f,
			"%s: the source relays for %s (\"%s\"): with source_leg = \"own\" "
			"strangers could send through it. Take that address out of its "
			"trusted networks (mynetworks, relay_from_hosts), or let it take "
			"XCLIENT from there (smtpd_authorized_xclient_hosts)",
			service_name(service), f->probe.own, v.words);
	} else {
		refuse(f,
			"%s: whether the source relays for %s is not clear from what it says "
			"(\"%s\"), so with source_leg = \"own\" no mail may go there",
			service_name(service), f->probe.own, v.words);
	}
}

static void judge_mail(struct finding_leg *f)
{
	const struct settings *s = f->settings;
	char names[LEG_SERVICES_MAX];

	for (int i = 0; i < SERVICE_COUNT && is_own(s); i++)
		if (s->services[i].enabled && leg_is_smtp((enum service_id)i) &&
			f->probe.of[i] != LEG_WAY_UNKNOWN)
			judge_relaying(f, (enum service_id)i);
	if (is_own(s) || !leg_probe_names(s, &f->probe, true, names))
		return;
	if (s->source_leg_explicit)
		say(f, FINDING_PROBLEM,
			"source_leg = \"client\", but the source's answers to clients' own "
			"addresses do not come back through this host (%s): mail would time "
			"out",
			names);
	else
		refuse(f,
			"the source's answers to clients' own addresses do not come back "
			"through this host (%s): mail would time out. Make this host its "
			"gateway; or set source_leg = \"own\", with which the source sees %s "
			"for every sender (and is asked first whether it would relay for "
			"it); or source_leg = \"client\" if you know that they do",
			names, f->probe.own);
}

static void judge(struct finding_leg *f)
{
	const struct settings *s = f->settings;
	char names[LEG_SERVICES_MAX];

	judge_mailboxes(f);
	judge_proxies(f);
	judge_mail(f);
	if (!is_own(s) && f->probe.own[0] &&
		!leg_probe_names(s, &f->probe, false, names) &&
		!leg_probe_names(s, &f->probe, true, names))
		say(f, FINDING_OK,
			"its answers to clients' own addresses come back through this host");
}

/* Its logins are from clients' own addresses (transfer/pop_logins.h). */
static void judge_pop_before_smtp(struct finding_leg *f)
{
	bool is_ours = false;

	for (int i = 0; i < SERVICE_COUNT; i++)
		is_ours = is_ours || (f->settings->services[i].enabled &&
					     !leg_is_smtp((enum service_id)i) &&
					     f->legs->of[i].from == LEG_OWN);
	if (f->settings->pop_before_smtp && is_ours)
		say(f, FINDING_PROBLEM,
			"pop_before_smtp is of no use where we connect from our own "
			"address (source_leg = \"own\"): answers to a login from the "
			"client's address do not come back through this host, so nobody "
			"who has moved may send mail after it");
}

int source_leg_find(const struct settings *s, struct registry *r,
	source_leg_say_fn *say_fn, void *context, struct legs *ret, struct error *err)
{
	struct finding_leg f = { .settings = s,
		.registry = r,
		.say = say_fn,
		.context = context,
		.legs = ret,
		.err = err };
	struct error why = { 0 };

	(void)legs_read(s, r, ret); /* what does not answer now is as it was */
	if (leg_probe_run(s, &f.probe, &why) == 0)
		judge(&f);
	else
		say(&f, FINDING_NOTE,
			"whether the source's answers to clients come back through this host "
			"could not be tried: %s",
			why.text);
	judge_pop_before_smtp(&f);
	return f.code;
}
