/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry check: would it work? Changes nothing, but for --trust-source. */
#include "control/check/check_dashboard.h"
#include "control/check/check_destination.h"
#include "control/check/check_filters.h"
#include "control/check/check_lmtp.h"
#include "control/check/check_refusals.h"
#include "control/check/check_smart_host.h"
#include "control/check/check_tls.h"
#include "control/check/check_unit.h"
#include "control/check/dial.h"
#include "control/check/findings.h"
#include "control/check/leg_probe.h"
#include "control/check/ownership.h"
#include "control/check/sieve_probe.h"
#include "control/check/source_leg.h"
#include "control/check/source_probe.h"
#include "control/running/part.h"
#include "control/running/rights.h"
#include "control/running/rules_wanted.h"
#include "control/running/vault.h"
#include "control/terminal/control.h"

#include "base/fd.h"
#include "messages/ask.h"
#include "nft-rules/collisions.h"
#include "nft-rules/flow_probe.h"
#include "source/reports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file means what it says last; its author may have meant the other one. */
static void check_configuration(struct control *c, struct findings *f)
{
	for (size_t i = 0; i < c->settings.n_repeats; i++) {
		const struct settings_repeat *r = &c->settings.repeats[i];

		finding(f, FINDING_NOTE, "configuration", r->key,
			"%s: `%s`%s%s is set in line %u and again in line %u, which "
			"counts",
			c->config, r->key, *r->section ? " of " : "", r->section,
			r->first, r->again);
	}
}

static void check_rights(struct findings *f)
{
	for (size_t i = 0; i < right_count; i++)
		finding(f, right_is_there(&rights[i]) ? FINDING_OK : FINDING_PROBLEM,
			"rights", rights[i].name, "%s%s", rights[i].what_for,
			right_is_there(&rights[i]) ? "" : "; missing: run it as root");
}

/* With what the registry says, when there is one. */
static int wanted_rules(struct control *c, struct ruleset *ret, struct error *err)
{
	struct registry *r = NULL;
	bool any = false;
	int code = control_registry(c, &r);

	code = code == -ENOENT ? 0 : code;
	if (code == 0 && r)
		code = registry_any_local(r, &any, err);
	if (code == 0)
		code = rules_wanted(&c->settings, r, any, ret, err);
	registry_close(r);
	return code;
}

static void note_collision(void *context, enum collision kind, const char *sentence)
{
	finding(context,
		kind == COLLISION_CONNECTION_MARK ? FINDING_NOTE : FINDING_PROBLEM,
		"kernel", kind == COLLISION_ROUTE_TABLE ? "route_table" : "marks", "%s",
		sentence);
}

static void check_queue(struct control *c, struct findings *f)
{
	static const char *const texts[] = {
		[RULES_QUEUE_NONE] =
			"none: new connections are judged by prefix alone, not "
			"by our load; load nft_queue or xt_NFQUEUE",
		[RULES_QUEUE_NFT] = "nft's own `queue` expression",
		[RULES_QUEUE_XT] = "the xt target NFQUEUE through nft_compat",
	};
	enum rules_queue queue = RULES_QUEUE_NONE;
	bool has_room = false;

	if (rules_probe_queue(&queue, &c->err) < 0)
		return;
	finding(f, queue == RULES_QUEUE_NONE ? FINDING_NOTE : FINDING_OK, "kernel",
		"queue", "%s", texts[queue]);
	if (queue != RULES_QUEUE_NONE && rules_probe_room(&has_room, &c->err) == 0)
		finding(f, has_room ? FINDING_OK : FINDING_NOTE, "kernel", "room", "%s",
			has_room ? "while there is room the kernel lets new connections "
				   "in by itself"
				 : "each new connection is judged by a program, also "
				   "while there is room; load nft_limit");
}

static void check_kernel(struct control *c, struct findings *f)
{
	struct rules_feature features[RULES_FEATURES_MAX];
	struct ruleset wanted;
	size_t n = 0;

	if (rules_probe(features, &n, &c->err) < 0) {
		finding(f, FINDING_PROBLEM, "kernel", "features", "%s", c->err.text);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (rules_feature_is_wanted(&c->settings, features[i].name))
			finding(f, features[i].code ? FINDING_PROBLEM : FINDING_OK,
				"kernel", features[i].name, "%s", features[i].text);
	check_queue(c, f);
	if (wanted_rules(c, &wanted, &c->err) < 0 || rules_dry_run(&wanted, &c->err) < 0)
		finding(f, FINDING_PROBLEM, "kernel", "rules", "%s", c->err.text);
	else
		finding(f, FINDING_OK, "kernel", "rules",
			"the kernel takes them (nothing was installed)");
	if (ruleset_from_settings(&c->settings, &wanted, &c->err) < 0 ||
		collisions_find(&wanted, note_collision, f, &c->err) < 0)
		finding(f, FINDING_NOTE, "kernel", "marks", "%s", c->err.text);
}

/* Rules and a listener must be there for it. */
static void check_path(struct control *c, struct findings *f)
{
	struct ruleset wanted;
	struct error err;
	int code;

	if (!ask_runs(c->settings.run_dir, INTERCEPTOR_SOCKET)) {
		finding(f, FINDING_NOTE, "kernel", "path",
			"whether a client's connection reaches us is tried by `mailferry "
			"up`, and by `check` while it runs");
		return;
	}
	code = wanted_rules(c, &wanted, &err);
	if (code == 0)
		code = flow_probe(&wanted, &err);
	finding(f,
		code == 0               ? FINDING_OK
		: code == -EHOSTUNREACH ? FINDING_PROBLEM
					: FINDING_NOTE,
		"kernel", "path", "%s",
		code < 0 ? err.text : "a client's connection reaches us");
}

/* ── files ─────────────────────────────────────────────────────────────────────────── */

static int writable_directory(const char *path)
{
	struct stat about;

	if (stat(path, &about) < 0)
		return -errno;
	if (!S_ISDIR(about.st_mode))
		return -ENOTDIR;
	return access(path, R_OK | W_OK | X_OK) < 0 ? -errno : 0;
}

static void to_parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		slash[slash == path ? 1 : 0] = '\0';
}

/* The nearest parent that exists decides whether `up` can make the rest. */
static void existing_part(const char *path, char part[static PATH_MAX])
{
	(void)snprintf(part, PATH_MAX, "%s", path);
	while (access(part, F_OK) < 0 && errno == ENOENT)
		to_parent(part);
}

static int writable(const char *path)
{
	char part[PATH_MAX];

	existing_part(path, part);
	return writable_directory(part);
}

static void check_directory(struct findings *f, const char *name, const char *path)
{
	int code = writable(path);

	finding(f, code < 0 ? FINDING_PROBLEM : FINDING_OK, "files", name, "%s%s%s", path,
		code < 0 ? ": " : "", code < 0 ? strerror(-code) : "");
}

/* The key is made in a directory that must be there; but state_dir is made by `up`. */
static int key_can_be_made(const struct settings *s)
{
	char directory[PATH_MAX];

	(void)snprintf(directory, sizeof(directory), "%s", s->key_file);
	to_parent(directory);
	return strcmp(directory, s->state_dir) == 0 ? writable(directory)
	                                            : writable_directory(directory);
}

static int open_registry(struct control *c, bool *ret_any_password)
{
	char path[PATH_MAX];
	struct registry *r;
	int code = settings_state_path(&c->settings, REGISTRY_FILE, path, sizeof(path));

	*ret_any_password = false;
	if (code < 0)
		return error_errno(&c->err, code, "%s", c->settings.state_dir);
	if (access(path, F_OK) < 0)
		return 0;
	code = registry_open(path, &r, &c->err);
	if (code < 0)
		return code;
	code = registry_any_password(r, ret_any_password, &c->err);
	registry_close(r);
	return code;
}

/* As `up` would, but nothing is made. 1: the key would be. */
static int try_registry(struct control *c)
{
	const struct settings *s = &c->settings;
	bool needed;
	int code = open_registry(c, &needed);

	if (code == 0 && !needed && access(s->key_file, F_OK) < 0) {
		code = key_can_be_made(s);
		return code < 0 ? error_errno(&c->err, code,
					  "cannot make the key file %s", s->key_file)
		                : 1;
	}
	return code < 0 ? code : vault_task(c, "check");
}

static void check_registry(struct control *c, struct findings *f)
{
	int code = try_registry(c);

	if (code < 0)
		finding(f, FINDING_PROBLEM, "files", "key_file", "%s", c->err.text);
	else
		finding(f, FINDING_OK, "files", "key_file", "%s%s", c->settings.key_file,
			code ? ", made at the first start" : "");
}

/* With a smart host DSN is offered (interceptor/smtp), and reports wait in state_dir. */
static void check_reports(const struct settings *s, struct findings *f)
{
	char path[PATH_MAX], part[PATH_MAX];

	if (!*s->smart_host ||
		settings_state_path(s, REPORTS_DIRECTORY, path, sizeof(path)) < 0)
		return;
	existing_part(path, part);
	if (reports_try(part) == -EOPNOTSUPP)
		finding(f, FINDING_NOTE, "files", "reports",
			"%s: its file system knows no files without a name (O_TMPFILE), "
			"so delivery reports cannot be kept there. Senders who ask for "
			"one (DSN, NOTIFY=SUCCESS) get none; their mail is delivered. "
			"Put `state_dir` on ext4, XFS, Btrfs or tmpfs",
			part);
}

static void check_files(struct control *c, struct findings *f)
{
	check_directory(f, "state_dir", c->settings.state_dir);
	check_reports(&c->settings, f);
	check_directory(f, "run_dir", c->settings.run_dir);
	check_registry(c, f);
}

/* ── our own ports ─────────────────────────────────────────────────────────────────── */

static int try_port(int family, uint16_t port)
{
	CLEANUP(fd_closep) int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const struct sockaddr *address = family == AF_INET ? (const struct sockaddr *)&v4
	                                                   : (const struct sockaddr *)&v6;
	int on = 1;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	return bind(fd, address, family == AF_INET ? sizeof(v4) : sizeof(v6)) < 0 ||
	                       listen(fd, 1) < 0
	               ? -errno
	               : 0;
}

static void check_port(struct findings *f, const char *name, int family, uint16_t port)
{
	int code = try_port(family, port);

	if (code < 0)
		finding(f, FINDING_PROBLEM, "port", name,
			"%u cannot be listened on here: %s", port, strerror(-code));
	else
		finding(f, FINDING_OK, "port", name, "%u is free here", port);
}

static void check_ports(struct control *c, struct findings *f)
{
	bool ours = ask_runs(c->settings.run_dir, INTERCEPTOR_SOCKET);
	int family = settings_source(&c->settings, AF_INET) ? AF_INET : AF_INET6;

	for (int id = 0; id < SERVICE_COUNT; id++) {
		const struct service_settings *service = &c->settings.services[id];
		const char *name = service_name((enum service_id)id);
		uint16_t port = settings_listen_port(&c->settings, (enum service_id)id);

		if (!service->enabled)
			continue;
		if (ours)
			finding(f, FINDING_OK, "port", name, "%u is ours, mailferry runs",
				port);
		else
			check_port(f, name, family, port);
	}
}

/* ── the source ────────────────────────────────────────────────────────────────────── */

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

/* With the pins and what `up` has found out, when there is a registry. */
static void check_leg(struct control *c, struct findings *f)
{
	struct registry *r = NULL;
	struct legs legs;

	(void)control_registry(c, &r);
	(void)source_leg_find(&c->settings, r, note_leg, f, &legs, &c->err);
	registry_close(r);
}

static void check_source(struct control *c, struct findings *f)
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

static int print_config(const struct control *c)
{
	char *text = NULL;
	size_t len;
	FILE *memory;
	int code;

	if (!c->json) {
		settings_print_reference(&c->settings, stdout);
		return 0;
	}
	memory = open_memstream(&text, &len);
	if (!memory)
		return -ENOMEM;
	settings_print_reference(&c->settings, memory);
	(void)fclose(memory);
	code = output_json(
		json_pack("{s:o}", "configuration", output_string(str_from(text))),
		stdout);
	free(text);
	return code;
}

static int print(struct control *c, struct findings *f)
{
	char *text = NULL;
	size_t len;
	FILE *memory = c->json ? open_memstream(&text, &len) : NULL;
	int code;

	if (!c->json) {
		findings_print(f, stdout);
		(void)printf("%zu problem%s\n", f->problems, f->problems == 1 ? "" : "s");
		return 0;
	}
	if (!memory)
		return -ENOMEM;
	settings_print(&c->settings, memory);
	(void)fclose(memory);
	code = output_json(json_pack("{s:o, s:O, s:I}", "configuration",
				   output_string(str_from(text)), "findings", f->all,
				   "problems", (json_int_t)f->problems),
		stdout);
	free(text);
	return code;
}

enum exit_code cmd_check(struct control *c)
{
	struct findings f;
	int code;

	if (c->print_config)
		return print_config(c) < 0 ? control_fail(c) : EXIT_DONE;
	code = findings_init(&f);
	if (code == 0) {
		check_configuration(c, &f);
		check_destination(c, &f);
		check_rights(&f);
		check_units(c, &f);
		check_kernel(c, &f);
		check_path(c, &f);
		check_files(c, &f);
		check_ownership(c, &f);
		check_ports(c, &f);
		check_dashboard(c, &f);
		check_source(c, &f);
		check_sieve(&c->settings, &f);
		check_leg(c, &f);
		check_refusals(c, &f);
		check_tls(c, &f);
		check_smart_host(c, &f);
		check_filters(c, &f);
		check_lmtp(&c->settings, &f);
		code = print(c, &f);
	}
	if (code < 0)
		return control_fail(c);
	code = f.problems ? EXIT_FAILED : EXIT_DONE;
	findings_fini(&f);
	return (enum exit_code)code;
}
