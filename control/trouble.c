/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/trouble.h"

#include "base/clock.h"
#include "base/fd.h"
#include "messages/ask.h"
#include "registry/recipients.h"
#include "registry/rescue.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>

#define MEGABYTE ((uint64_t)1 << 20)
#define SOURCE_MS 2000
#define DOMAINS_NAMED_MAX 3
#define STRANGE_LEAST 5 /* addresses outside `domains` */

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

struct knock {
	struct pollfd poll;
	enum service_id service;
	int code; /* -EINPROGRESS: no answer so far */
};

static void begin_knock(struct control *c, enum service_id service, struct knock *k)
{
	struct sockaddr_storage to = c->settings.sources[0];
	socklen_t len = to.ss_family == AF_INET ? sizeof(struct sockaddr_in)
	                                        : sizeof(struct sockaddr_in6);
	uint16_t port = htons(c->settings.services[service].upstream_port);

	if (to.ss_family == AF_INET)
		((struct sockaddr_in *)&to)->sin_port = port;
	else
		((struct sockaddr_in6 *)&to)->sin6_port = port;
	*k = (struct knock){ .service = service,
		.poll = { .events = POLLOUT,
			.fd = socket(to.ss_family,
				SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) } };
	if (k->poll.fd < 0 || (connect(k->poll.fd, (struct sockaddr *)&to, len) < 0))
		k->code = -errno;
}

static void end_knock(struct knock *k)
{
	int failed = 0;
	socklen_t size = sizeof(failed);

	if (k->code == -EINPROGRESS && k->poll.revents &&
		getsockopt(k->poll.fd, SOL_SOCKET, SO_ERROR, &failed, &size) == 0)
		k->code = -failed;
	fd_closep(&k->poll.fd);
}

static void wait_for_all(struct knock *knocks, size_t n)
{
	uint64_t end = clock_monotonic_ms() + SOURCE_MS, now;
	bool waits = true;

	while (waits && (now = clock_monotonic_ms()) < end) {
		struct pollfd fds[SERVICE_COUNT];
		size_t waiting = 0;

		for (size_t i = 0; i < n; i++)
			if (knocks[i].code == -EINPROGRESS && !knocks[i].poll.revents)
				fds[waiting++] = knocks[i].poll;
		waits = waiting && poll(fds, waiting, (int)(end - now)) >= 0;
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < waiting; j++)
				if (fds[j].fd == knocks[i].poll.fd)
					knocks[i].poll.revents = fds[j].revents;
	}
}

/* Whether anything of it can be connected to from this host. */
static bool look_at_source(struct control *c, struct status *s)
{
	struct knock knocks[SERVICE_COUNT];
	size_t n = 0, answered = 0;
	char where[ADDRESS_TEXT_MAX];

	if (s->retired_at || !s->runs[STATUS_INTERCEPTOR])
		return true;
	for (int i = 0; i < SERVICE_COUNT; i++)
		if (c->settings.services[i].enabled)
			begin_knock(c, (enum service_id)i, &knocks[n++]);
	wait_for_all(knocks, n);
	for (size_t i = 0; i < n; i++) {
		end_knock(&knocks[i]);
		answered += knocks[i].code == 0;
	}
	address_text(&c->settings.sources[0], where);
	for (size_t i = 0; i < n && answered; i++)
		if (knocks[i].code != 0 && knocks[i].service != SERVICE_SMTP &&
			knocks[i].code != -ECONNREFUSED)
			status_attend(s,
				"the source %s does not answer on its port for %s", where,
				service_name(knocks[i].service));
	if (n && !answered)
		status_attend(s,
			"the source %s is away (%s): accounts that have not moved cannot "
			"be used; start it, or repair the way to it",
			where,
			knocks[0].code == -EINPROGRESS ? "no answer"
						       : strerror(-knocks[0].code));
	return answered > 0;
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

static int take_account(void *context, const struct account *a)
{
	take_domain(context, a->login);
	return 0;
}

static int take_recipient(void *context, const struct recipients_row *row)
{
	take_domain(context, row->address);
	return 0;
}

static void look_at_logins(struct registry *r, struct domains *d, struct status *s)
{
	(void)registry_each(r, take_account, d, NULL);
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
	{ "damage", 1, 86400000,
		"restore it from a backup, or move the folder away and transfer the "
		"account again" },
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

static void attend_alarm(
	struct status *s, const struct message *m, uint64_t ago, bool source_answers)
{
	const struct alarm_kind *kind = kind_of(m->service);

	if (str_eq(m->service, STR_LIT(UNANSWERED_KIND))) {
		if (source_answers && m->number >= UNANSWERED_LEAST && ago < LATELY_MS)
			status_attend(s,
				"the source answers this host, but not connections from "
				"clients' addresses (%" PRIu64 " lately): its answers do "
				"not come back through this router; make it the source's "
				"gateway, or set `source_leg`",
				m->number);
		return;
	}
	if (!kind || m->number < kind->least || ago >= kind->keep_ms)
		return;
	if (m->account.len)
		status_attend(s, "%.*s: %.*s (%" PRIu64 " times); %s",
			STR_ARG(m->account), STR_ARG(m->text), m->number, kind->cure);
	else
		status_attend(s, "%" PRIu64 " %s", m->number, kind->cure);
}

static void ask_for_alarms(
	struct control *c, const char *socket_name, struct status *s, bool source_answers)
{
	struct message question = { .type = MESSAGE_ALARMS }, m;
	char bytes[IPC_MESSAGE_MAX];
	uint64_t now = clock_wall_ms();
	CLEANUP(fd_closep)
	int fd = ask_begin(c->settings.run_dir, socket_name, &question, NULL);

	while (fd >= 0 && ask_receive(fd, bytes, &ask_patience, &m, NULL) == 0 &&
		m.type == MESSAGE_ALARM)
		attend_alarm(
			s, &m, now > m.number2 ? now - m.number2 : 0, source_answers);
}

void trouble_gather(struct control *c, struct registry *r, struct status *s)
{
	struct error err = { 0 };
	bool source_answers;

	if (r && registry_check(r, &err) == -EUCLEAN)
		status_attend(s, "%s", err.text);
	look_at_disk(c, s);
	source_answers = look_at_source(c, s);
	if (r)
		look_at_domains(c, r, s);
	if (s->runs[STATUS_INTERCEPTOR])
		ask_for_alarms(c, INTERCEPTOR_SOCKET, s, source_answers);
	if (s->runs[STATUS_MAILSTORE])
		ask_for_alarms(c, MAILSTORE_SOCKET, s, source_answers);
}
