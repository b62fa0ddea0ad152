/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The report of a delivery that its sender has asked for (NOTIFY=SUCCESS). It is made of
   the message while there is one, and put where it survives (source/reports.h) when that
   is delivered. Mail is worth more than a report of it: one that cannot be kept is
   missing, which the log says. */
#include "base/clock.h"
#include "base/log.h"
#include "interceptor/session/unique.h"
#include "interceptor/smtp/smtp.h"
#include "source/reports.h"
#include "wire/smtp/dsn_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct smtp_report {
	char id[UNIQUE_LEN + 1];
	char to[DSN_SENDER_MAX + 1];
	size_t n; /* recipients */
	struct buf message;
};

void smtp_report_forget(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	if (f->report)
		buf_fini(&f->report->message);
	free(f->report);
	f->report = NULL;
}

static bool is_for(const struct smtp_recipient *first, struct str account)
{
	for (const struct smtp_recipient *r = first; r; r = r->next)
		if (str_eq(r->account, account))
			return true;
	return false;
}

/* The smart host's, or of an account at a destination that we tell nothing of DSN. */
static bool is_relayed(struct session *s, const struct smtp_recipient *r)
{
	const struct settings *settings = s->host->settings;
	struct account_route route;

	return !r->account.len ||
	       (settings->destination.mail.kind != SMART_HOST_LMTP &&
		       registry_route(s->host->registry, r->account, &route, NULL) == 0 &&
		       route.is_elsewhere);
}

/* A content filter may have taken some out. In the order in which they were named. */
static size_t gather(struct session *s, const struct smtp_recipient *first,
	struct dsn_report_recipient ret[static SMTP_REPORTED_MAX])
{
	const struct smtp_recipient *reported = smtp_of(s)->proxy.transaction.reported;
	struct dsn_report_recipient *at;
	size_t n = 0;

	for (const struct smtp_recipient *r = reported; r; r = r->next_reported)
		n += !r->account.len || is_for(first, r->account);
	at = ret + n;
	for (const struct smtp_recipient *r = reported; r; r = r->next_reported)
		if (!r->account.len || is_for(first, r->account))
			*--at = (struct dsn_report_recipient){ r, is_relayed(s, r) };
	return n;
}

static int write_report(
	struct session *s, struct smtp_report *report, struct dsn_report *about)
{
	struct smtp_session *f = smtp_of(s);
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm local = { 0 };
	int r = 0;

	about->message = STR_LIT("");
	if (f->staging)
		r = content_view(staging_content(f->staging), &about->message);
	(void)localtime_r(&now, &local);
	about->by = f->offer.name;
	about->to = str_from(report->to);
	about->id = str_from(report->id);
	about->params = f->proxy.transaction.mail_params;
	about->at = now;
	about->zone = (int16_t)(local.tm_gmtoff / 60);
	buf_init(&report->message, REPORT_MAX);
	return r < 0 ? r : dsn_report(about, &report->message);
}

static void log_missing(struct session *s, struct str to, const char *why)
{
	char id[SESSION_ID_MAX];

	log_warning(session_id(s, id), "report-missing", "to=<%.*s> error=\"%s\"",
		STR_ARG(str_take(to, DSN_SENDER_MAX)), why);
}

void smtp_report_make(
	struct session *s, struct str sender, const struct smtp_recipient *first)
{
	struct dsn_report_recipient recipients[SMTP_REPORTED_MAX];
	struct smtp_session *f = smtp_of(s);
	struct dsn_report about = { .recipients = recipients,
		.n = gather(s, first, recipients) };

	smtp_report_forget(s);
	if (!about.n || !sender.len)
		return;
	if (sender.len <= DSN_SENDER_MAX)
		f->report = calloc(1, sizeof(*f->report));
	if (!f->report || !unique_make(f->report->id)) {
		log_missing(
			s, sender, f->report ? "no randomness" : "too long an address");
		smtp_report_forget(s);
		return;
	}
	memcpy(f->report->to, sender.ptr, sender.len);
	f->report->n = about.n;
	if (write_report(s, f->report, &about) == 0)
		return;
	log_missing(s, sender, "too long");
	smtp_report_forget(s);
}

void smtp_report_add(struct session *s)
{
	const struct smtp_report *report = smtp_of(s)->report;
	char id[SESSION_ID_MAX];
	int r;

	if (!report)
		return;
	r = reports_add(s->host->settings, &(struct report){ .id = report->id,
						   .recipient = str_from(report->to),
						   .message = buf_view(&report->message),
						   .network = s->networks.site });
	if (r < 0)
		log_missing(s, str_from(report->to), strerror(-r));
	else
		log_info(session_id(s, id), "report", "id=%s to=<%s> recipients=%zu",
			report->id, report->to, report->n);
	smtp_report_forget(s);
}
