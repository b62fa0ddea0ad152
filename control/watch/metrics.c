/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/watch/metrics.h"

#include "control/watch/metrics_page.h"

#include <errno.h>

const struct metric metrics[METRIC_COUNT] = {
	[METRIC_UP] = { "mailferry_up", METRIC_GAUGE, "program",
		"1 when that program of ours answers" },
	[METRIC_RULES] = { "mailferry_rules_installed", METRIC_GAUGE, "",
		"1 when our rules are in the kernel" },
	[METRIC_ACCOUNTS] = { "mailferry_accounts", METRIC_GAUGE, "route",
		"accounts by who serves them: source, busy, local" },
	[METRIC_ACCOUNT_STAGES] = { "mailferry_account_stages", METRIC_GAUGE, "stage",
		"accounts by how far their move is" },
	[METRIC_UNCAPTURABLE] = { "mailferry_accounts_uncapturable", METRIC_GAUGE, "",
		"accounts whose login shows no password" },
	[METRIC_OUT_OF_SERVICE] = { "mailferry_out_of_service_seconds", METRIC_HISTOGRAM,
		"",
		"how long accounts that live here were out of service for their move" },
	[METRIC_COPIED_MESSAGES] = { "mailferry_copied_messages", METRIC_GAUGE, "",
		"messages of all accounts that were copied from the source" },
	[METRIC_COPIED_BYTES] = { "mailferry_copied_bytes", METRIC_GAUGE, "",
		"bytes of them" },
	[METRIC_CONNECTIONS] = { "mailferry_connections", METRIC_GAUGE, "",
		"clients that are connected to the interceptor, or served here" },
	[METRIC_ACCEPTED] = { "mailferry_accepted", METRIC_COUNTER, "",
		"connections that the interceptor has accepted" },
	[METRIC_LOGINS] = { "mailferry_logins", METRIC_COUNTER, "result",
		"logins: to the source, local, or failed (wrong, or none in time)" },
	[METRIC_HELD] = { "mailferry_held_seconds", METRIC_HISTOGRAM, "",
		"how long clients were held while their account switched" },
	[METRIC_PACKETS] = { "mailferry_packets", METRIC_COUNTER,
		"service, route, direction", "packets, from the kernel's counters" },
	[METRIC_BYTES] = { "mailferry_bytes", METRIC_COUNTER, "service, route, direction",
		"bytes of whole packets, likewise" },
	[METRIC_VERDICTS] = { "mailferry_verdicts", METRIC_COUNTER, "verdict",
		"new connections that were judged: diverted, refused, left to the fail "
		"mode" },
	[METRIC_QUEUE_WAITING] = { "mailferry_queue_waiting", METRIC_GAUGE, "",
		"new connections that wait in the kernel to be judged" },
	[METRIC_QUEUE_LIMIT] = { "mailferry_queue_limit", METRIC_GAUGE, "",
		"how many may wait in one queue" },
	[METRIC_QUEUE_DROPPED] = { "mailferry_queue_dropped", METRIC_COUNTER, "",
		"those that the kernel dropped there" },
	[METRIC_QUEUE_OVERRUNS] = { "mailferry_queue_overruns", METRIC_COUNTER, "",
		"those that went on unjudged because there was no room" },
	[METRIC_SOURCE_UP] = { "mailferry_source_up", METRIC_GAUGE, "service",
		"1 when the source takes a connection from this host" },
	[METRIC_SOURCE_SECONDS] = { "mailferry_source_connect_seconds", METRIC_GAUGE, "",
		"how long the slowest of its services took for that" },
	[METRIC_ALARMS] = { "mailferry_alarms", METRIC_GAUGE, "kind",
		"what programs have seen lately: damage, unanswered (by the source), "
		"refused-logins, disk-full, …" },
	[METRIC_DISK_FREE] = { "mailferry_disk_free_bytes", METRIC_GAUGE, "",
		"room that is left where state_dir is" },
	[METRIC_DISK_RESERVE] = { "mailferry_disk_reserve_bytes", METRIC_GAUGE, "",
		"below that nothing is copied or delivered" },
	[METRIC_REPORTS] = { "mailferry_reports_waiting", METRIC_GAUGE, "",
		"delivery reports that wait for the smart host" },
	[METRIC_CERTIFICATE] = { "mailferry_certificate_expiry_seconds", METRIC_GAUGE,
		"file", "when a certificate of ours expires, Unix time" },
};

const char *metric_type_name(enum metric_type type)
{
	static const char *const names[] = { "gauge", "counter", "histogram" };

	return names[type];
}

/* ── samples ───────────────────────────────────────────────────────────────────────── */

void page_add(struct page *p, enum metric_id id, const char *suffix, const char *labels,
	double value)
{
	int code = buf_printf(&p->lines[id], "%s%s%s%s%s %.15g\n", metrics[id].name,
		suffix, *labels ? "{" : "", labels, *labels ? "}" : "", value);

	p->code = p->code ? p->code : code;
}

void page_number(struct page *p, enum metric_id id, const char *label, const char *value,
	uint64_t number)
{
	char labels[PAGE_LABELS_MAX] = "";

	if (label)
		page_label(labels, label, value);
	page_add(p, id, metrics[id].type == METRIC_COUNTER ? "_total" : "", labels,
		(double)number);
}

/* A backslash, a quote or a newline in a value would end it. */
void page_label(char labels[static PAGE_LABELS_MAX], const char *name, const char *value)
{
	size_t at = strlen(labels);
	int n = snprintf(
		labels + at, PAGE_LABELS_MAX - at, "%s%s=\"", at ? "," : "", name);

	at += n > 0 ? (size_t)n : 0;
	for (; *value && at < PAGE_LABELS_MAX - 4; value++) {
		if (*value == '\\' || *value == '"')
			labels[at++] = '\\';
		labels[at++] = *value == '\n' ? ' ' : *value;
	}
	labels[at++] = '"';
	labels[at] = '\0';
}

void page_histogram(struct page *p, enum metric_id id, const double *ends, size_t n,
	const uint64_t *counts, double sum)
{
	char labels[PAGE_LABELS_MAX];
	uint64_t below = 0;

	for (size_t i = 0; i <= n; i++) {
		below += counts[i];
		if (i < n)
			(void)snprintf(labels, sizeof(labels), "le=\"%.1f\"", ends[i]);
		else
			(void)snprintf(labels, sizeof(labels), "le=\"+Inf\"");
		page_add(p, id, "_bucket", labels, (double)below);
	}
	page_add(p, id, "_sum", "", sum);
	page_add(p, id, "_count", "", (double)below);
}

/* ── the text ──────────────────────────────────────────────────────────────────────── */

static int write_metric(struct page *p, enum metric_id id, struct buf *text)
{
	const struct metric *m = &metrics[id];
	int code;

	if (!buf_len(&p->lines[id]))
		return 0;
	code = buf_printf(text, "# TYPE %s %s\n# HELP %s %s\n", m->name,
		metric_type_name(m->type), m->name, m->help);
	return code < 0 ? code : buf_append(text, buf_view(&p->lines[id]));
}

int metrics_write(struct control *c, struct buf *text)
{
	struct page p = { .code = 0 };
	int code;

	for (int i = 0; i < METRIC_COUNT; i++)
		buf_init(&p.lines[i], 0);
	code = metrics_gather(c, &p);
	if (code == 0)
		code = p.code;
	for (int i = 0; i < METRIC_COUNT; i++) {
		if (code == 0)
			code = write_metric(&p, (enum metric_id)i, text);
		buf_fini(&p.lines[i]);
	}
	return code < 0 ? code : buf_append_c(text, "# EOF\n");
}
