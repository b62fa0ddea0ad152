/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry check: would it work? Changes nothing, but for --trust-source. */
#include "control/check/check_dashboard.h"
#include "control/check/check_destination.h"
#include "control/check/check_files.h"
#include "control/check/check_filters.h"
#include "control/check/check_lmtp.h"
#include "control/check/check_refusals.h"
#include "control/check/check_smart_host.h"
#include "control/check/check_source.h"
#include "control/check/check_tls.h"
#include "control/check/check_unit.h"
#include "control/check/findings.h"
#include "control/check/ownership.h"
#include "control/check/sieve_probe.h"
#include "control/running/rights.h"
#include "control/running/rules_wanted.h"
#include "control/terminal/control.h"

#include "base/fd.h"
#include "messages/ask.h"
#include "nft-rules/collisions.h"
#include "nft-rules/flow_probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

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
	char said[FLOW_PROBE_TEXT_MAX];
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
		code = flow_probe(&wanted, said, &err);
	finding(f,
		code == 0               ? FINDING_OK
		: code == -EHOSTUNREACH ? FINDING_PROBLEM
					: FINDING_NOTE,
		"kernel", "path", "%s",
		code == -EHOSTUNREACH ? said
		: code < 0            ? err.text
				      : "a client's connection reaches us");
}

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
