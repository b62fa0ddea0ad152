/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the numbers come from. */
#include "control/check/certificate_view.h"
#include "control/check/port_probe.h"
#include "control/running/alarms.h"
#include "control/running/counts_keep.h"
#include "control/running/judged.h"
#include "control/watch/metrics_page.h"
#include "control/watch/status.h"

#include "base/clock.h"
#include "registry/retire.h"
#include "source/reports.h"

#include <errno.h>
#include <sys/statvfs.h>

struct gathering {
	struct control *control;
	struct page *page;
	struct registry *registry; /* NULL: none yet */
	bool runs[STATUS_PROGRAM_COUNT];
};

/* ── what programs count ───────────────────────────────────────────────────────────── */

/* As the registry keeps it: a row of its own for each, and none of a time: `counters` has
   packets. */
#define KEPT_ROUTE "program"

static const struct kept {
	const char *name; /* in the program's answer, and of the row */
	enum metric_id id;
	const char *label, *value;
} kept[] = {
	{ "accepted", METRIC_ACCEPTED, NULL, NULL },
	{ "logins_source", METRIC_LOGINS, "result", "source" },
	{ "logins_local", METRIC_LOGINS, "result", "local" },
	{ "logins_failed", METRIC_LOGINS, "result", "failed" },
	{ "diverted", METRIC_VERDICTS, "verdict", "diverted" },
	{ "refused", METRIC_VERDICTS, "verdict", "refused" },
	{ "left", METRIC_VERDICTS, "verdict", "left" },
	{ "queue_dropped", METRIC_QUEUE_DROPPED, NULL, NULL },
	{ "queue_overruns", METRIC_QUEUE_OVERRUNS, NULL, NULL },
	/* of the histogram of holds */
	{ "held_1", METRIC_COUNT, NULL, NULL },
	{ "held_3", METRIC_COUNT, NULL, NULL },
	{ "held_10", METRIC_COUNT, NULL, NULL },
	{ "held_30", METRIC_COUNT, NULL, NULL },
	{ "held_60", METRIC_COUNT, NULL, NULL },
	{ "held_more", METRIC_COUNT, NULL, NULL },
	{ "held_s", METRIC_COUNT, NULL, NULL },
};
#define KEPT (sizeof(kept) / sizeof(kept[0]))
#define HELD_FIRST (KEPT - 7)
#define HELD_ENDS 5

struct tallies {
	json_t *told; /* of all programs, by name */
	struct count rows[KEPT];
	uint64_t totals[KEPT];
};

/* One that does not run has told nothing new. */
static int read_tallies(
	void *context, const struct count **ret, size_t *ret_n, struct error *err)
{
	struct tallies *t = context;
	size_t n = 0;

	(void)err;
	for (size_t i = 0; i < KEPT; i++) {
		const json_t *value = json_object_get(t->told, kept[i].name);

		if (value)
			t->rows[n++] = (struct count){ .service = str_from(kept[i].name),
				.route = STR_LIT(KEPT_ROUTE),
				.n = { (uint64_t)json_integer_value(value) } };
	}
	*ret = t->rows;
	*ret_n = n;
	return 0;
}

static int take_total(void *context, const struct count *c)
{
	struct tallies *t = context;

	for (size_t i = 0; i < KEPT; i++)
		if (str_eq(c->route, STR_LIT(KEPT_ROUTE)) &&
			str_eq(c->service, str_from(kept[i].name)))
			t->totals[i] = c->n[COUNT_PACKETS_IN];
	return 0;
}

static void write_tallies(struct gathering *g, const struct tallies *t)
{
	static const double ends[HELD_ENDS] = { 1, 3, 10, 30, 60 };

	for (size_t i = 0; i < HELD_FIRST; i++)
		page_number(
			g->page, kept[i].id, kept[i].label, kept[i].value, t->totals[i]);
	page_histogram(g->page, METRIC_HELD, ends, HELD_ENDS, &t->totals[HELD_FIRST],
		(double)t->totals[KEPT - 1]);
}

static int gather_tallies(struct gathering *g, struct tallies *t)
{
	json_t *judged = judged_ask(&g->control->settings);
	json_t *tally = tally_ask(&g->control->settings);
	int code;

	(void)json_object_update(t->told, judged);
	(void)json_object_update(t->told, tally);
	/* accepted is in both, and the interceptor's own is right */
	if (judged && !tally)
		(void)json_object_del(t->told, "accepted");
	if (judged) {
		page_number(g->page, METRIC_QUEUE_WAITING, NULL, NULL,
			judged_number(judged, "queue_waiting"));
		page_number(g->page, METRIC_QUEUE_LIMIT, NULL, NULL,
			judged_number(judged, "queue_limit"));
	}
	if (tally)
		page_number(g->page, METRIC_CONNECTIONS, NULL, NULL,
			judged_number(tally, "connections"));
	json_decref(judged);
	json_decref(tally);
	if (!g->registry)
		return 0;
	code = registry_keep_counts(g->registry, 0, read_tallies, t, &g->control->err);
	if (code == 0)
		code = registry_each_count(
			g->registry, COUNT_TOTAL, 0, take_total, t, &g->control->err);
	if (code == 0)
		write_tallies(g, t);
	return code;
}

/* ── accounts ──────────────────────────────────────────────────────────────────────── */

#define OUT_ENDS 6
static const double out_ends[OUT_ENDS] = { 0.1, 0.3, 1, 3, 10, 60 };

struct accounts {
	uint64_t out[OUT_ENDS + 1], messages, bytes;
	double out_sum;
};

static int add_account(void *context, const struct account *a)
{
	struct accounts *all = context;
	double seconds = (double)a->out_of_service_ms / 1000;
	size_t bucket = 0;

	all->messages += a->messages_copied;
	all->bytes += a->bytes_copied;
	if (a->route != ROUTE_LOCAL)
		return 0;
	while (bucket < OUT_ENDS && seconds > out_ends[bucket])
		bucket++;
	all->out[bucket]++;
	all->out_sum += seconds;
	return 0;
}

static int gather_accounts(struct gathering *g)
{
	struct registry_counts counts;
	struct accounts all = { .out_sum = 0 };
	int code = registry_counts(g->registry, &counts, &g->control->err);

	if (code == 0)
		code = registry_each(g->registry, add_account, &all, &g->control->err);
	if (code < 0)
		return code;
	for (int i = 0; i < ROUTE_COUNT; i++)
		page_number(g->page, METRIC_ACCOUNTS, "route", route_name((enum route)i),
			counts.routes[i]);
	for (int i = 0; i < STAGE_COUNT; i++)
		page_number(g->page, METRIC_ACCOUNT_STAGES, "stage",
			stage_name((enum stage)i), counts.stages[i]);
	page_number(g->page, METRIC_UNCAPTURABLE, NULL, NULL, counts.uncapturable);
	page_histogram(
		g->page, METRIC_OUT_OF_SERVICE, out_ends, OUT_ENDS, all.out, all.out_sum);
	page_number(g->page, METRIC_COPIED_MESSAGES, NULL, NULL, all.messages);
	page_number(g->page, METRIC_COPIED_BYTES, NULL, NULL, all.bytes);
	return 0;
}

/* ── the kernel ────────────────────────────────────────────────────────────────────── */

static void add_count(struct page *p, const struct rules_count *c, const char *direction,
	uint64_t packets, uint64_t bytes)
{
	char labels[PAGE_LABELS_MAX] = "";

	page_label(labels, "service", c->service);
	page_label(labels, "route", rules_route_name(c->route));
	page_label(labels, "direction", direction);
	page_add(p, METRIC_PACKETS, "_total", labels, (double)packets);
	page_add(p, METRIC_BYTES, "_total", labels, (double)bytes);
}

static void gather_counters(struct gathering *g)
{
	struct rules_count counts[RULES_COUNTS_MAX];
	size_t n = 0;
	int code = counts_total(g->registry, counts, &n, NULL);

	if (code < 0 && code != -ENOENT)
		return; /* without the right to ask */
	page_number(g->page, METRIC_RULES, NULL, NULL, code == 0);
	for (size_t i = 0; i < n; i++) {
		add_count(g->page, &counts[i], "in", counts[i].packets_in,
			counts[i].bytes_in);
		add_count(g->page, &counts[i], "out", counts[i].packets_out,
			counts[i].bytes_out);
	}
}

/* ── the source, the disk, certificates, alarms ────────────────────────────────────── */

static void gather_source(struct gathering *g)
{
	const struct settings *s = &g->control->settings;
	struct port_probe k = { 0 };
	uint64_t retired_at = 0, began;

	if (g->registry && registry_retired(g->registry, &retired_at, NULL) == 0 &&
		retired_at)
		return;
	for (int i = 0; i < SERVICE_COUNT; i++)
		k.asked[i] = s->services[i].enabled;
	began = clock_monotonic_ms();
	port_probe_run(s, &k);
	page_add(g->page, METRIC_SOURCE_SECONDS, "", "",
		(double)(clock_monotonic_ms() - began) / 1000);
	for (int i = 0; i < SERVICE_COUNT; i++)
		if (k.asked[i])
			page_number(g->page, METRIC_SOURCE_UP, "service",
				service_name((enum service_id)i), k.code[i] == 0);
}

static void gather_disk(struct gathering *g)
{
	struct statvfs fs;

	if (statvfs(g->control->settings.state_dir, &fs) < 0)
		return;
	page_number(g->page, METRIC_DISK_FREE, NULL, NULL,
		(uint64_t)fs.f_bavail * fs.f_frsize);
	page_number(g->page, METRIC_DISK_RESERVE, NULL, NULL,
		g->control->settings.limits.disk_reserve);
}

static void gather_reports(struct gathering *g)
{
	struct reports_view v;

	if (reports_look(&g->control->settings, &v) == 0)
		page_number(g->page, METRIC_REPORTS, NULL, NULL, v.n);
}

static void gather_certificates(struct gathering *g)
{
	const struct settings *s = &g->control->settings;

	for (size_t i = 0; i < s->tls.certificates.n; i++) {
		struct certificate_view v;

		if (certificate_view_read(s->tls.certificates.paths[i], &v, NULL) == 0)
			page_number(g->page, METRIC_CERTIFICATE, "file",
				s->tls.certificates.paths[i], v.expires_at / 1000);
	}
}

static void add_alarm(void *context, const struct message *m)
{
	json_t *sums = context;
	char name[64];

	(void)snprintf(name, sizeof(name), "%.*s", STR_ARG(m->service));
	(void)json_object_set_new(sums, name,
		json_integer((json_int_t)(judged_number(sums, name) + m->number)));
}

static void gather_alarms(struct gathering *g)
{
	json_t *sums = json_object(), *sum;
	const char *kind;

	alarms_each(&g->control->settings, g->registry, add_alarm, sums);
	json_object_foreach(sums, kind, sum) page_number(
		g->page, METRIC_ALARMS, "kind", kind, (uint64_t)json_integer_value(sum));
	json_decref(sums);
}

static void gather_programs(struct gathering *g)
{
	for (int i = 0; i < STATUS_PROGRAM_COUNT; i++)
		page_number(g->page, METRIC_UP, "program",
			status_program_name((enum status_program)i),
			status_program_runs(
				&g->control->settings, (enum status_program)i));
}

/* ── all ───────────────────────────────────────────────────────────────────────────── */

static int gather_all(struct gathering *g)
{
	struct tallies t = { .told = json_object() };
	int code = g->registry ? gather_accounts(g) : 0;

	gather_programs(g);
	if (code == 0)
		code = gather_tallies(g, &t);
	json_decref(t.told);
	gather_counters(g);
	gather_source(g);
	gather_disk(g);
	gather_reports(g);
	gather_certificates(g);
	gather_alarms(g);
	return code;
}

int metrics_gather(struct control *c, struct page *p)
{
	struct gathering g = { .control = c, .page = p };
	int code = control_registry(c, &g.registry);

	if (code < 0 && code != -ENOENT)
		return code;
	code = gather_all(&g);
	registry_close(g.registry);
	return code;
}
