/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/watch/trouble.h"

#include "control/check/certificate_view.h"
#include "control/check/destination_probe.h"
#include "control/check/port_probe.h"
#include "control/check/senders_tls.h"
#include "control/check/smart_host_probe.h"
#include "control/running/alarms.h"
#include "source/destination.h"

#include "source/leg.h"
#include "source/reports.h"

#include "base/clock.h"
#include "messages/alarms.h"
#include "registry/masters.h"
#include "registry/pause.h"
#include "registry/recipients.h"
#include "registry/rescue.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

#define MEGABYTE ((uint64_t)1 << 20)
#define DOMAINS_NAMED_MAX 3
#define STRANGE_LEAST 5         /* addresses outside `domains` */
#define REPORTS_LATE_MS 3600000 /* a smart host may be started again, or grey-list */
#define REPORTS_MANY (REPORTS_MAX / 2)

/* ── the disk ──────────────────────────────────────────────────────────────────────── */

static void look_at_disk(struct control *c, struct status *s)
{
	const char *path = c->settings.state_dir;
	uint64_t reserve = c->settings.limits.disk_reserve, room;
	struct statvfs fs;

	if (statvfs(path, &fs) < 0)
		return; /* there is none yet */
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (fs.f_flag & ST_RDONLY)
		status_attend(s,
			"the file system of %s is read-only: nothing is delivered or "
			"moved; the kernel's log says why (dmesg), then: mount -o "
			"remount,rw",
			path);
	else if (room < reserve)
		status_attend(s,
			"the disk of %s has %" PRIu64
			" MB left, less than the reserve of "
			"%" PRIu64 " MB: mail is put off and no account is copied; make "
			"room",
			path, room / MEGABYTE, reserve / MEGABYTE);
	if (fs.f_files && fs.f_favail < 1000)
		status_attend(s,
			"the file system of %s has only %" PRIu64
			" inodes left: make room, or give it more",
			path, (uint64_t)fs.f_favail);
}

/* ── the source ────────────────────────────────────────────────────────────────────── */

static void look_at_pause(struct registry *r, struct status *s)
{
	uint64_t since, now = clock_wall_ms();

	if (registry_paused(r, &since, NULL) < 0 || !since)
		return;
	status_attend(s,
		"all transfers are paused, for %" PRIu64
		" minutes now; mailferry transfer --resume",
		now > since ? (now - since) / 60000 : 0);
}

static int attend_master(void *context, const struct refused_master *m)
{
	uint64_t now = clock_wall_ms();

	if (!m->accounts)
		return 0;
	status_attend(context,
		"the source refuses the master user \"%.*s\" (%" PRIu64
		" times in a row, last for %.*s): %" PRIu64
		" accounts wait, the next is tried in %" PRIu64
		" minutes; let it in there, or import them again with the right password "
		"(`mailferry import accounts USERS --master FILE`), or pin who does not "
		"exist there (`mailferry route USER source`)",
		STR_ARG(m->login), m->refusals, STR_ARG(m->refused_for), m->accounts,
		m->next_try_at > now ? (m->next_try_at - now + 59999) / 60000 : 0);
	return 0;
}

static bool is_asked(const struct settings *s, int service)
{
	return s->services[service].enabled;
}

/* One that refuses was never there, as long as another one answers. */
static void attend_services(
	struct status *s, const struct port_probe *k, const char *where)
{
	for (int i = 0; i < SERVICE_COUNT; i++)
		if (k->asked[i] && k->code[i] < 0 && k->code[i] != -ECONNREFUSED)
			status_attend(s,
				"the source %s does not answer on its port for %s", where,
				service_name((enum service_id)i));
}

/* Mail that waits because it may not go to the source from our own address. */
static void attend_legs(struct control *c, struct registry *r, struct status *s,
	const struct port_probe *k)
{
	struct legs legs;

	if (!r)
		return;
	(void)legs_read(&c->settings, r, &legs);
	for (int i = 0; i < SERVICE_COUNT; i++)
		if (k->asked[i] && k->code[i] == 0 && legs.of[i].from == LEG_NONE)
			status_attend(s,
				"no mail goes to the source by %s: when `mailferry up` "
				"began it was not proven that it does not relay for our "
				"address (source_leg = \"own\"); see `mailferry check`, "
				"then start `mailferry up` again",
				service_name((enum service_id)i));
}

/* What each port said, for who wants to see more than what needs attention. */
static void add_ports(struct control *c, struct status *s, const struct port_probe *k)
{
	for (int i = 0; i < SERVICE_COUNT; i++)
		if (k->asked[i])
			(void)json_array_append_new(s->ports,
				json_pack("{s:s, s:i, s:b, s:s}", "service",
					service_name((enum service_id)i), "port",
					c->settings.services[i].upstream_port, "answers",
					k->code[i] == 0, "error",
					k->code[i] ? strerror(-k->code[i]) : ""));
}

/* Whether anything of it can be connected to from this host. */
static bool look_at_source(struct control *c, struct registry *r, struct status *s)
{
	struct port_probe k = { 0 };
	size_t answered = 0;
	int code = 0;
	struct sockaddr_storage upstream;
	uint64_t began = clock_monotonic_ms();
	char where[ADDRESS_TEXT_MAX];

	if (s->retired_at || !s->runs[STATUS_INTERCEPTOR])
		return true;
	for (int i = 0; i < SERVICE_COUNT; i++)
		k.asked[i] = is_asked(&c->settings, i);
	port_probe_run(&c->settings, &k);
	s->ports_ms = clock_monotonic_ms() - began;
	add_ports(c, s, &k);
	for (int i = 0; i < SERVICE_COUNT; i++) {
		answered += k.asked[i] && k.code[i] == 0;
		code = k.asked[i] && !code ? k.code[i] : code;
	}
	upstream = settings_upstream(&c->settings);
	address_text(&upstream, where);
	if (answered) {
		attend_services(s, &k, where);
		attend_legs(c, r, s, &k);
	} else
		status_attend(s,
			"the source %s is away (%s): accounts that have not moved cannot "
			"be used; start it, or repair the way to it",
			where, strerror(-code));
	return answered > 0;
}

static void look_at_smart_host(struct control *c, struct status *s)
{
	struct smart_host_view v;
	struct error err;

	if (*c->settings.smart_host && s->runs[STATUS_INTERCEPTOR] &&
		smart_host_probe(&c->settings, SMART_HOST_AS_INTERCEPTOR,
			SMART_HOST_STATUS_MS, &v, &err) < 0)
		status_attend(s,
			"the smart host %s is away (%s): users here cannot send "
			"elsewhere by it; `mailferry check` tries it, too",
			c->settings.smart_host, err.text);
}

static void look_at_destination(struct control *c, struct status *s)
{
	char home[ADDRESS_TEXT_MAX];
	struct destination_view v;
	struct error err;

	destination_home(&c->settings, home);
	if (*home && s->runs[STATUS_INTERCEPTOR] &&
		destination_probe(
			&c->settings, SERVICE_IMAP, DESTINATION_STATUS_MS, &v, &err) < 0)
		status_attend(s,
			"the destination %s is away (%s): accounts that have moved there "
			"cannot be used; `mailferry check` tries it, too",
			home, err.text);
}

static void look_at_reports(struct control *c, struct status *s)
{
	struct reports_view v;
	uint64_t now = clock_wall_ms();

	if (reports_look(&c->settings, &v) < 0 || !v.n ||
		(v.n < REPORTS_MANY && now < v.oldest_at + REPORTS_LATE_MS))
		return;
	if (*c->settings.smart_host)
		status_attend(s,
			"%u delivery reports wait for the smart host %s, the oldest for "
			"%" PRIu64 " minutes; the log says what it answers "
			"(report-waits); after five days they are dropped, and %d are "
			"kept",
			v.n, c->settings.smart_host,
			now > v.oldest_at ? (now - v.oldest_at) / 60000 : 0, REPORTS_MAX);
	else
		status_attend(s,
			"%u delivery reports wait, and there is no `smart_host` to send "
			"them by: set it, or remove the files in %s/%s",
			v.n, c->settings.state_dir, REPORTS_DIRECTORY);
}

/* ── domains ───────────────────────────────────────────────────────────────────────── */

struct domains {
	const struct settings *settings;
	struct arena arena;
	struct str named[DOMAINS_NAMED_MAX]; /* others than ours */
	size_t n;
	uint64_t ours, others; /* addresses */
};

static bool is_named(const struct domains *d, struct str domain)
{
	for (size_t i = 0; i < d->n; i++)
		if (str_ieq(d->named[i], domain))
			return true;
	return false;
}

static void take_domain(struct domains *d, struct str address)
{
	size_t at = str_index(address, '@');
	struct str domain = str_skip(address, at + 1);

	if (at >= address.len || !domain.len)
		return;
	if (settings_has_domain(d->settings, domain)) {
		d->ours++;
		return;
	}
	d->others++;
	if (d->n == DOMAINS_NAMED_MAX || is_named(d, domain))
		return;
	domain = arena_str(&d->arena, domain);
	if (domain.ptr)
		d->named[d->n++] = domain;
}

static int take_login(void *context, struct str login)
{
	take_domain(context, login);
	return 0;
}

static int take_recipient(void *context, const struct recipients_row *row)
{
	take_domain(context, row->address);
	return 0;
}

static void look_at_logins(struct registry *r, struct domains *d, struct status *s)
{
	(void)registry_each_login(r, take_login, d, NULL);
	for (size_t i = 0; i < d->n; i++)
		status_attend(s,
			"users log in with @%.*s, which is not one of `domains`: mail to "
			"that domain would go to their old mailboxes after the move; add "
			"it to `domains`",
			STR_ARG(d->named[i]));
}

/* The source relays mail to other domains as well; but when none at all is for ours, they
   are hardly ours. */
static void look_at_recipients(struct registry *r, struct domains *d, struct status *s)
{
	(void)registry_each_recipients(
		r, clock_wall_ms() / DAY_MS, take_recipient, d, NULL);
	if (d->ours || d->others < STRANGE_LEAST)
		return;
	status_attend(s,
		"the source took mail for %" PRIu64 " addresses today, and none is in "
		"`domains`; they are in %.*s%s: is `domains` right?",
		d->others, STR_ARG(d->named[0]), d->n > 1 ? " and others" : "");
}

static void look_at_domains(struct control *c, struct registry *r, struct status *s)
{
	static void (*const looks[])(struct registry * r, struct domains * d,
		struct status * s) = { look_at_logins, look_at_recipients };

	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		struct domains d = { .settings = &c->settings };

		arena_init(&d.arena);
		looks[i](r, &d, s);
		arena_fini(&d.arena);
	}
}

/* ── certificates ──────────────────────────────────────────────────────────────────── */

static void look_at_certificates(struct control *c, struct status *s)
{
	for (size_t i = 0; i < c->settings.tls.certificates.n; i++) {
		const char *file = c->settings.tls.certificates.paths[i];
		struct certificate_view v;
		struct error err;
		char left[64];

		if (certificate_view_read(file, &v, &err) < 0) {
			status_attend(s, "%s", err.text);
			continue;
		}
		certificate_view_left(&v, left, sizeof(left));
		(void)json_array_append_new(s->certificates,
			json_pack("{s:s, s:s, s:I, s:I}", "file", file, "names", v.names,
				"expires_at", (json_int_t)v.expires_at, "days_left",
				(json_int_t)v.days_left));
		if (v.days_left < CERTIFICATE_SOON_DAYS)
			status_attend(s,
				"the certificate in %s (%s): %s; renew it, it is taken by "
				"itself",
				file, v.names, left);
	}
}

/* ── what the programs have seen ───────────────────────────────────────────────────── */

static const struct alarm_kind {
	const char *name;
	uint64_t least;   /* fewer in ten minutes are every day's business */
	uint64_t keep_ms; /* it is no news any more after that */
	const char *cure;
} kinds[] = {
	{ "refused-logins", 12, 600000,
		"logins were refused in the last minutes (wrong passwords); the log has "
		"each with its client (event \"refused\")" },
	{ "clear-mail", 1, 600000,
		"mails for users here came in clear: the old server offers STARTTLS on "
		"smtp, and we hold no key for it; give the key "
		"(tls { certificate, key })" },
	{ "filter", 1, 600000,
		"mails for users here got no verdict of a content filter (`milter`): it "
		"cannot be reached, breaks off or is too slow, and `milter_default` "
		"decides; the log has each (event \"milter\")" },
	{ "blocked", 1, 60000,
		"new connections were diverted and did not reach the interceptor: a "
		"firewall of this host drops them; `mailferry check` names it and the "
		"statement that cures it" },
	{ "full", 1, 600000,
		"that many new connections got no room here and went as `fail` says; see "
		"`mailferry status` and the log of `mailferry up` (event \"load\")" },
	{ ALARM_DAMAGE, 1, 86400000, /* behind the command, with the account's name */
		"transfers anew what is damaged; what the source has not, a backup has "
		"(`mailferry store backup`)" },
	{ HUNG_ALARM, 1, 86400000,
		"it was killed, and started again; its sessions ended, the others went "
		"on. If that comes again, the log says when, and we want to know" },
	{ "disk-full", 1, 600000, "make room on the disk" },
	{ "read-only", 1, 600000,
		"the file system or its rights do not let us write; see the kernel's log "
		"(dmesg)" },
};
#define UNANSWERED_KIND "unanswered"
#define UNANSWERED_LEAST 3
#define LATELY_MS 600000

static const struct alarm_kind *kind_of(struct str name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (str_eq(name, str_from(kinds[i].name)))
			return &kinds[i];
	return NULL;
}

struct alarm_look {
	struct status *status;
	bool source_answers;
	uint64_t now; /* wall clock */
};

static bool is_damage(const struct message *m)
{
	return str_eq(m->service, STR_LIT(ALARM_DAMAGE));
}

static void attend_alarm(void *context, const struct message *m)
{
	const struct alarm_look *look = context;
	const struct alarm_kind *kind = kind_of(m->service);
	uint64_t ago = look->now > m->number2 ? look->now - m->number2 : 0;

	if (str_eq(m->service, STR_LIT(UNANSWERED_KIND))) {
		if (look->source_answers && m->number >= UNANSWERED_LEAST &&
			ago < LATELY_MS)
			status_attend(look->status,
				"the source answers this host, but not connections from "
				"clients' addresses (%" PRIu64 " lately): its answers do "
				"not come back through this router; make it the source's "
				"gateway, or set `source_leg`",
				m->number);
		return;
	}
	if (!kind || m->number < kind->least || ago >= kind->keep_ms)
		return;
	if (m->account.len && is_damage(m))
		status_attend(look->status,
			"%.*s: %.*s (%" PRIu64 " times); `mailferry account %.*s "
			"--again` %s",
			STR_ARG(m->account), STR_ARG(m->text), m->number,
			STR_ARG(m->account), kind->cure);
	else if (m->account.len)
		status_attend(look->status, "%.*s: %.*s (%" PRIu64 " times); %s",
			STR_ARG(m->account), STR_ARG(m->text), m->number, kind->cure);
	else
		status_attend(look->status, "%" PRIu64 " %s", m->number, kind->cure);
}

void trouble_gather(struct control *c, struct registry *r, struct status *s)
{
	struct error err = { 0 };
	struct alarm_look look = { .status = s, .now = clock_wall_ms() };

	if (r && registry_check(r, &err) == -EUCLEAN)
		status_attend(s, "%s", err.text);
	look_at_disk(c, s);
	look_at_certificates(c, s);
	look_at_smart_host(c, s);
	look_at_destination(c, s);
	look_at_reports(c, s);
	look.source_answers = look_at_source(c, r, s);
	if (r)
		look_at_domains(c, r, s);
	if (r)
		look_at_pause(r, s);
	if (r)
		(void)registry_each_refused_master(r, attend_master, s, NULL);
	if (r && senders_lack_tls(c, r))
		status_attend(s,
			"senders that insist on TLS cannot deliver: the old server offers "
			"STARTTLS on smtp, and we hold no key for it; give the key "
			"(tls { certificate, key })");
	alarms_each(&c->settings, r, attend_alarm, &look);
}
