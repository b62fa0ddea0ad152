/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/views/transfers_view.h"

#include "control/views/account_view.h"

#include "base/clock.h"

#include <errno.h>

#define LEAST_MS 1000 /* between two looks that a rate is made of */
#define SMOOTH 0.3    /* of the newest */

static const struct column columns[] = {
	{ "name", "account", COLUMN_TEXT, 0, 0 },
	{ "stage", "stage", COLUMN_TEXT, 0, 0 },
	{ "percent", "%", COLUMN_NUMBER, 0, 0 },
	{ "messages_copied", "copied", COLUMN_NUMBER, 0, 0 },
	{ "messages_total", "messages", COLUMN_NUMBER, 0, 0 },
	{ "bytes_copied", "bytes", COLUMN_BYTES, 0, 0 },
	{ "bytes_per_s", "per s", COLUMN_BYTES, 0, 0 },
	{ "eta_s", "left", COLUMN_SPAN, 0, 0 },
	{ "attempts", "attempts", COLUMN_NUMBER, 0, 0 },
	{ "waits_for", "waits for", COLUMN_TEXT, 0, 0 },
	{ "last_error", "last error", COLUMN_TEXT, 0, 0 },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* ── rates ─────────────────────────────────────────────────────────────────────────── */

static double smooth(double before, double now)
{
	return before > 0 ? before + (now - before) * SMOOTH : now;
}

void transfer_seen_update(
	struct transfer_seen *s, uint64_t now_ms, uint64_t messages, uint64_t bytes)
{
	double seconds = (double)(now_ms - s->at) / 1000;

	if (!s->at || messages < s->messages || bytes < s->bytes) {
		*s = (struct transfer_seen){ .account = s->account,
			.at = now_ms,
			.messages = messages,
			.bytes = bytes };
		return;
	}
	if (now_ms - s->at < LEAST_MS)
		return;
	s->messages_s = smooth(s->messages_s, (double)(messages - s->messages) / seconds);
	s->bytes_s = smooth(s->bytes_s, (double)(bytes - s->bytes) / seconds);
	s->at = now_ms;
	s->messages = messages;
	s->bytes = bytes;
}

static struct transfer_seen *seen_of(struct transfers *t, int64_t account)
{
	struct transfer_seen *s;

	for (size_t i = 0; i < t->n_seen; i++)
		if (t->seen[i].account == account)
			return &t->seen[i];
	s = &t->seen[t->n_seen < TRANSFER_SEEN_MAX ? t->n_seen++ : 0];
	*s = (struct transfer_seen){ .account = account };
	return s;
}

/* ── rows ──────────────────────────────────────────────────────────────────────────── */

static bool is_on_its_way(const struct account *a)
{
	return a->stage == STAGE_DUE || a->stage == STAGE_COPYING ||
	       a->stage == STAGE_CATCHING_UP || a->stage == STAGE_SWITCHING ||
	       a->stage == STAGE_FAILED;
}

static json_t *eta_of(const struct account *a, const struct transfer_seen *s)
{
	uint64_t left = a->messages_total > a->messages_copied
	                        ? a->messages_total - a->messages_copied
	                        : 0;

	if (a->stage != STAGE_COPYING || s->messages_s <= 0.01)
		return json_null();
	return json_integer((json_int_t)((double)left / s->messages_s + 0.5));
}

struct gathering {
	struct transfers *transfers;
	json_t *rows;
	uint64_t now;
};

static int add(void *context, const struct account *a)
{
	struct gathering *g = context;
	struct transfer_seen *s;
	uint64_t percent;

	if (!is_on_its_way(a))
		return 0;
	s = seen_of(g->transfers, a->id);
	transfer_seen_update(s, g->now, a->messages_copied, a->bytes_copied);
	percent = a->messages_total ? a->messages_copied * 100 / a->messages_total : 0;
	return json_array_append_new(g->rows,
		       json_pack(
			       "{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:o, s:o}",
			       "name", output_string(a->name), "stage",
			       stage_name(a->stage), "percent",
			       (json_int_t)(percent < 100 ? percent : 100),
			       "messages_copied", (json_int_t)a->messages_copied,
			       "messages_total", (json_int_t)a->messages_total,
			       "bytes_copied", (json_int_t)a->bytes_copied, "bytes_per_s",
			       (json_int_t)s->bytes_s, "eta_s", eta_of(a, s), "attempts",
			       (json_int_t)a->attempts, "waits_for",
			       output_string(account_waits_for(a)), "last_error",
			       output_string(a->last_error))) < 0
	               ? -ENOMEM
	               : 0;
}

json_t *transfers_gather(void *transfers, struct error *err)
{
	struct gathering g = { transfers, json_array(), clock_monotonic_ms() };
	struct control *c = g.transfers->control;
	struct registry *r = NULL;
	int code = control_registry(c, &r);

	if (code == -ENOENT) /* nobody has logged in yet */
		return g.rows;
	if (code == 0)
		code = registry_each(r, add, &g, &c->err);
	registry_close(r);
	if (code == 0)
		return g.rows;
	json_decref(g.rows);
	*err = c->err;
	return NULL;
}

struct view transfers_view(struct transfers *t)
{
	return (struct view){ .title = "transfers",
		.columns = columns,
		.n_columns = COLUMNS,
		.row_name = "name",
		.sort = 2,
		.descending = true,
		.gather = transfers_gather,
		.context = t };
}
