/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry status: one screen. */
#include "control/watch/status.h"

#include "control/running/judged.h"

#include <errno.h>
#include <inttypes.h>

#define UNSEEN_SHOWN_MAX 5 /* one screen */

/* ── JSON ──────────────────────────────────────────────────────────────────────────── */

static json_t *sources_json(const struct settings *s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < s->n_sources; i++) {
		char text[ADDRESS_TEXT_MAX];

		address_text(&s->sources[i], text);
		(void)json_array_append_new(all, json_string(text));
	}
	return all;
}

static json_t *services_json(const struct settings *s)
{
	json_t *all = json_array();

	for (int i = 0; i < SERVICE_COUNT; i++) {
		const struct service_settings *service = &s->services[i];

		(void)json_array_append_new(
			all, json_pack("{s:s, s:b, s:i, s:i, s:s}", "service",
				     service_name((enum service_id)i), "enabled",
				     service->enabled, "port", service->port, "upstream",
				     service->upstream_port, "tls",
				     service_tls_name(service->tls)));
	}
	return all;
}

static json_t *programs_json(const struct status *s)
{
	json_t *all = json_object();

	for (int i = 0; i < STATUS_PROGRAM_COUNT; i++)
		(void)json_object_set_new(all,
			status_program_name((enum status_program)i),
			json_boolean(s->runs[i]));
	return all;
}

static json_t *by_route_json(const uint64_t *counts)
{
	json_t *all = json_object();

	for (int i = 0; i < ROUTE_COUNT; i++)
		(void)json_object_set_new(all, route_name((enum route)i),
			json_integer((json_int_t)counts[i]));
	return all;
}

static json_t *by_stage_json(const uint64_t *counts)
{
	json_t *all = json_object();

	for (int i = 0; i < STAGE_COUNT; i++)
		(void)json_object_set_new(all, stage_name((enum stage)i),
			json_integer((json_int_t)counts[i]));
	return all;
}

static json_t *accounts_json(const struct registry_counts *counts)
{
	return json_pack("{s:I, s:I, s:o, s:o}", "total", (json_int_t)counts->accounts,
		"not_capturable", (json_int_t)counts->uncapturable, "by_route",
		by_route_json(counts->routes), "by_stage", by_stage_json(counts->stages));
}

static json_t *flows_json(const struct status *s)
{
	json_t *all = by_route_json(s->flows);

	(void)json_object_set_new(
		all, "before_login", json_integer((json_int_t)s->flows[ROUTE_COUNT]));
	return all;
}

static json_t *old_json(const struct status *s)
{
	return json_pack("{s:O, s:I}", "programs", s->old_programs, "connections",
		(json_int_t)s->old_connections);
}

static int print_json(const struct control *c, const struct status *s)
{
	return output_json(
		json_pack("{s:o, s:b, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:O, s:O, s:O?, "
			  "s:O, s:O, s:I, s:o}",
			"source", sources_json(&c->settings), "retired",
			s->retired_at != 0, "strategy",
			strategy_name(c->settings.strategy), "rules",
			status_rules_name(s->rules), "fail", fail_mode_name(s->fail),
			"programs", programs_json(s), "services",
			services_json(&c->settings), "accounts",
			accounts_json(&s->counts), "flows", flows_json(s), "certificates",
			s->certificates, "unseen", s->unseen, "admission", s->admission,
			"attention", s->attention, "source_ports", s->ports, "source_ms",
			(json_int_t)s->ports_ms, "old", old_json(s)),
		stdout);
}

/* ── text ──────────────────────────────────────────────────────────────────────────── */

static void print_source(const struct settings *s, bool retired)
{
	(void)fputs("source      ", stdout);
	for (size_t i = 0; i < s->n_sources; i++) {
		char text[ADDRESS_TEXT_MAX];

		address_text(&s->sources[i], text);
		(void)printf("%s%s", i ? ", " : "", text);
	}
	if (s->source_moved_to[0])
		(void)printf(" (moved to %s)", s->source_moved_to);
	(void)fputs(retired ? " (retired)" : "", stdout);
	(void)printf(
		"\nstrategy    %s, hold %u s\n", strategy_name(s->strategy), s->hold_s);
}

static void print_services(const struct settings *s)
{
	(void)fputs("services   ", stdout);
	for (int i = 0; i < SERVICE_COUNT; i++)
		if (s->services[i].enabled)
			(void)printf(" %s:%u", service_name((enum service_id)i),
				s->services[i].port);
	(void)putchar('\n');
}

static void print_programs(const struct status *s)
{
	(void)fputs("programs   ", stdout);
	for (int i = 0; i < STATUS_PROGRAM_COUNT; i++)
		(void)printf(" %s %s%s", status_program_name((enum status_program)i),
			s->runs[i] ? "up" : "DOWN",
			i + 1 < STATUS_PROGRAM_COUNT ? "," : "\n");
	if (json_array_size(s->old_programs))
		(void)printf("upgrade     %zu old programs with %" PRIu64
			     " connections are left\n",
			json_array_size(s->old_programs), s->old_connections);
	(void)printf("rules       %s, fail %s\n", status_rules_name(s->rules),
		fail_mode_name(s->fail));
}

static void print_accounts(const struct registry_counts *counts)
{
	(void)printf("accounts    %" PRIu64 ":", counts->accounts);
	for (int i = 0; i < ROUTE_COUNT; i++)
		(void)printf(
			" %" PRIu64 " %s", counts->routes[i], route_name((enum route)i));
	(void)fputs("\nstages     ", stdout);
	for (int i = 0; i < STAGE_COUNT; i++)
		(void)printf(
			" %" PRIu64 " %s", counts->stages[i], stage_name((enum stage)i));
	(void)putchar('\n');
	if (counts->uncapturable)
		(void)printf("            %" PRIu64 " cannot be captured\n",
			counts->uncapturable);
}

static void print_flows(const struct status *s)
{
	if (!s->runs[STATUS_INTERCEPTOR])
		return;
	(void)fputs("flows      ", stdout);
	for (int i = 0; i < ROUTE_COUNT; i++)
		(void)printf(" %" PRIu64 " %s,", s->flows[i], route_name((enum route)i));
	(void)printf(" %" PRIu64 " before login\n", s->flows[ROUTE_COUNT]);
}

static void print_certificates(const struct status *s)
{
	for (size_t i = 0; i < json_array_size(s->certificates); i++) {
		const json_t *one = json_array_get(s->certificates, i);

		(void)fputs(i ? "            " : "TLS         ", stdout);
		output_text_clean(one, "names", stdout);
		(void)printf(", %lld days left\n",
			json_integer_value(json_object_get(one, "days_left")));
	}
}

static void print_unseen(const struct status *s)
{
	size_t n = json_array_size(s->unseen);

	for (size_t i = 0; i < n && i < UNSEEN_SHOWN_MAX; i++) {
		const json_t *u = json_array_get(s->unseen, i);

		(void)fputs(i ? "            " : "unseen      ", stdout);
		output_text_clean(u, "service", stdout);
		(void)fputs(" from ", stdout);
		output_text_clean(u, "client", stdout);
		(void)fputs(", unseen: ", stdout);
		output_text_clean(u, "why", stdout);
		(void)printf(" (%lld now, %lld in all)\n",
			json_integer_value(json_object_get(u, "open")),
			json_integer_value(json_object_get(u, "count")));
	}
	if (n > UNSEEN_SHOWN_MAX)
		(void)printf("            … and %zu more; see `mailferry report`\n",
			n - UNSEEN_SHOWN_MAX);
}

static void print_admission(const struct status *s)
{
	const char *load = json_string_value(json_object_get(s->admission, "load"));

	if (!load)
		return;
	(void)printf("admission   %" PRIu64 " diverted, %" PRIu64
		     " of them by the kernel alone, %" PRIu64 " accepted, %" PRIu64
		     " refused, %" PRIu64 " left to the fail mode; ",
		judged_number(s->admission, "diverted"),
		judged_number(s->admission, "by_kernel"),
		judged_number(s->admission, "accepted"),
		judged_number(s->admission, "refused"),
		judged_number(s->admission, "left"));
	output_clean(str_from(load), stdout);
	(void)fputs("\nqueue       ", stdout);
	judged_print_queue(s->admission, stdout);
	(void)putchar('\n');
}

static void print_attention(const struct status *s)
{
	if (!json_array_size(s->attention))
		(void)puts("attention   nothing");
	for (size_t i = 0; i < json_array_size(s->attention); i++) {
		(void)fputs(i ? "            " : "attention   ", stdout);
		output_clean(str_from(json_string_value(json_array_get(s->attention, i))),
			stdout);
		(void)putchar('\n');
	}
}

static int print_text(const struct control *c, const struct status *s)
{
	print_source(&c->settings, s->retired_at != 0);
	print_services(&c->settings);
	print_programs(s);
	print_accounts(&s->counts);
	print_flows(s);
	print_certificates(s);
	print_unseen(s);
	print_admission(s);
	print_attention(s);
	return 0;
}

enum exit_code cmd_status(struct control *c)
{
	struct status s;
	bool troubled;
	int code = status_gather(c, &s);

	if (code < 0)
		return control_fail(c);
	code = c->json ? print_json(c, &s) : print_text(c, &s);
	troubled = json_array_size(s.attention) > 0;
	status_fini(&s);
	if (code < 0)
		return control_fail(c);
	return c->exit_code && troubled ? EXIT_FAILED : EXIT_DONE;
}
