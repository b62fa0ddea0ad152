/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/up/up_rules.h"

#include "control/check/source_leg.h"
#include "control/running/counts_keep.h"
#include "control/running/events.h"
#include "control/running/rules_wanted.h"
#include "control/up/kernel_settings.h"

#include "base/clock.h"
#include "base/log.h"
#include "nft-rules/flow_probe.h"
#include "nft-rules/watch.h"
#include "registry/admission.h"
#include "registry/retire.h"

#include <stdlib.h>

#define REPAIR_EVENT "rules-repaired"
#define PROBE_EVENT "flow-probe-failed"
/* Between two repairs: another program that insists is not fought with at full speed, and
   an account's user still meets rules within a second. */
#define REPAIR_PAUSE_MS 100
#define COUNTS_MS 2000 /* what is lost when others flush the table, at most */

struct up_rules {
	const struct settings *settings;
	struct registry *registry;
	struct rules_watch *watch;
	struct watch *watches[RULES_WATCH_FDS]; /* NULL: not watched */
	bool is_in;                             /* installed at least once */
	bool looks;                             /* something of ours was changed */
	enum fail_mode fail;                    /* as in the kernel now */
	uint64_t admissions;                    /* likewise: their stamp */
	uint64_t repaired_at;
	uint64_t counts_at; /* the next time that counters are kept */
	struct ruleset in;  /* once is_in */
};

int up_rules_new(const struct settings *settings, struct registry *registry,
	struct up_rules **ret_rules, struct error *err)
{
	struct up_rules *u = calloc(1, sizeof(*u));

	if (!u)
		return error_errno(err, -ENOMEM, "the rules");
	u->settings = settings;
	u->registry = registry;
	*ret_rules = u;
	return 0;
}

void up_rules_free(struct up_rules **rules)
{
	if (!*rules)
		return;
	rules_watch_free(&(*rules)->watch);
	free(*rules);
	*rules = NULL;
}

/* Whom it is not known of lives here: a registry that cannot be read opens nothing. */
static enum fail_mode wanted_fail(struct up_rules *u, bool *ret_any)
{
	struct error err;

	*ret_any = true;
	if (registry_any_local(u->registry, ret_any, &err) < 0)
		log_error(NULL, "rules", "fail=closed error=\"%s\"", err.text);
	return settings_effective_fail(u->settings, *ret_any);
}

static int install(struct up_rules *u, bool *ret_changed, struct error *err)
{
	struct ruleset rules;
	bool any;
	enum fail_mode fail = wanted_fail(u, &any);
	uint64_t admissions = 0;
	int code = registry_admissions_stamp(u->registry, &admissions, err);

	if (code == 0)
		code = rules_wanted(u->settings, u->registry, any, &rules, err);
	if (code == 0 && ruleset_admits_direct(&rules))
		kernel_settings_begin_direct(u->settings);
	if (code == 0)
		code = counts_install(u->registry, &rules, ret_changed, err);
	if (code < 0)
		return code;
	u->fail = fail;
	u->admissions = admissions;
	u->in = rules;
	u->is_in = true;
	return 0;
}

static int put_in(struct up_rules *u, struct error *err)
{
	bool changed;
	int code = install(u, &changed, err);

	if (code == 0)
		log_info(NULL, "rules-in", "fail=%s changed=%s", fail_mode_name(u->fail),
			changed ? "yes" : "no");
	return code;
}

int up_rules_begin(struct up_rules *u, struct error *err)
{
	bool any;

	(void)wanted_fail(u, &any);
	return any ? put_in(u, err) : 0;
}

void up_rules_await(struct up_rules *u)
{
	struct error err;

	if (!u->is_in && up_rules_begin(u, &err) < 0) /* at the next tick again */
		log_error(NULL, "rules", "error=\"%s\"", err.text);
}

/* ── somebody else changed them ────────────────────────────────────────────────────── */

static void repair(struct up_rules *u)
{
	struct error err;
	bool changed = false;

	u->repaired_at = clock_monotonic_ms();
	u->looks = false;
	if (install(u, &changed, &err) < 0) {
		u->looks = true; /* again at the next tick */
		log_error(NULL, "rules", "error=\"%s\"", err.text);
		return;
	}
	if (!changed)
		return; /* it was our own change, or one that changed nothing */
	log_warning(NULL, REPAIR_EVENT, "fail=%s", fail_mode_name(u->fail));
	if (event_note(u->settings, REPAIR_EVENT,
		    "somebody removed or changed our rules in the kernel (nft flush "
		    "ruleset, a restart of nftables or firewalld, ip rule); they were "
		    "put back at once") < 0)
		log_error(NULL, "event", "kind=" REPAIR_EVENT " not written");
}

static void repair_soon(struct up_rules *u)
{
	if (u->looks && clock_monotonic_ms() >= u->repaired_at + REPAIR_PAUSE_MS)
		repair(u);
}

static void on_change(void *context, int events, int error)
{
	struct up_rules *u = context;

	(void)events;
	(void)error;
	if (rules_watch_read(u->watch))
		u->looks = true;
	repair_soon(u);
}

static void end_watch(struct up_rules *u)
{
	for (size_t i = 0; i < RULES_WATCH_FDS; i++) {
		if (u->watches[i])
			(void)watch_take(u->watches[i]); /* u->watch closes it */
		u->watches[i] = NULL;
	}
}

static int begin_watch(struct up_rules *u, struct loop *loop, struct error *err)
{
	int fds[RULES_WATCH_FDS];
	int code = rules_watch_new(u->settings->route_table, &u->watch, err);

	if (code < 0)
		return code;
	rules_watch_fds(u->watch, fds);
	for (size_t i = 0; i < RULES_WATCH_FDS; i++) {
		code = watch_new(loop, fds[i], on_change, u, &u->watches[i]);
		if (code < 0)
			break;
		watch_want(u->watches[i], UV_READABLE);
	}
	if (code == 0)
		return 0;
	end_watch(u);
	rules_watch_free(&u->watch);
	return error_errno(err, code, "cannot watch the rules");
}

/* Nobody is diverted into a black hole. Those who live here stay refused: past us they
   would meet their old mailboxes. */
static int unanswered(
	struct up_rules *u, bool any, const char *said, const struct error *err)
{
	bool changed;

	log_error(NULL, PROBE_EVENT, "error=\"%s\"", said);
	if (!any) {
		(void)rules_remove(u->settings->route_table, &changed, NULL);
		u->is_in = false;
		return err->code;
	}
	(void)event_note(u->settings, PROBE_EVENT, said);
	return 0;
}

#define LEG_EVENT "source-leg"

static void say_leg(void *context, enum finding_level level, const char *sentence)
{
	struct up_rules *u = context;

	if (level == FINDING_OK) {
		log_info(NULL, LEG_EVENT, "text=\"%s\"", sentence);
		return;
	}
	log_warning(NULL, LEG_EVENT, "text=\"%s\"", sentence);
	if (level == FINDING_PROBLEM)
		(void)event_note(u->settings, LEG_EVENT, sentence);
}

/* Those of an `up` before this one: after an upgrade, or a crash. */
static bool are_in(void)
{
	struct rules_count counts[RULES_COUNTS_MAX];
	size_t n;

	return rules_counters(counts, &n, NULL) == 0;
}

bool up_rules_need_no_leg(struct up_rules *u)
{
	bool any;

	(void)wanted_fail(u, &any);
	return any || are_in();
}

/* Before the rules: from which address do workers connect to the source? Where mail must
   not go there it is refused; nobody begins so, but who lives here, or is served already,
   goes on. */
static int find_leg(struct up_rules *u, struct error *err)
{
	struct error why;
	struct legs legs;
	uint64_t retired = 0;
	int code;

	if (registry_retired(u->registry, &retired, &why) == 0 && retired)
		return 0;
	(void)event_forget(u->settings, LEG_EVENT);
	code = source_leg_find(u->settings, u->registry, say_leg, u, &legs, err);
	if (legs_write(u->registry, &legs, &why) < 0)
		log_error(NULL, LEG_EVENT, "not written error=\"%s\"", why.text);
	return up_rules_need_no_leg(u) ? 0 : code;
}

/* Whether what was found out before is enough to serve all that is enabled. */
static bool has_leg(const struct up_rules *u)
{
	struct legs legs;

	(void)legs_read(u->settings, u->registry, &legs);
	for (int i = 0; i < SERVICE_COUNT; i++)
		if (u->settings->services[i].enabled && legs.of[i].from == LEG_NONE)
			return false;
	return true;
}

/* A client's connection is tried, through all that this host does with one. */
static int try_flow(struct up_rules *u, struct error *err)
{
	char said[FLOW_PROBE_TEXT_MAX];
	struct ruleset rules;
	bool any;
	int code;

	(void)wanted_fail(u, &any);
	code = rules_wanted(u->settings, u->registry, any, &rules, err);
	if (code == 0)
		code = flow_probe(&rules, said, err);
	if (code == -EHOSTUNREACH)
		return unanswered(u, any, said, err);
	if (code < 0)
		log_warning(NULL, PROBE_EVENT, "not tried error=\"%s\"", err->text);
	else
		log_info(NULL, "flow-probe", "answered=yes");
	return 0;
}

/* Sessions of the one before are served meanwhile. */
int up_rules_find_leg(struct up_rules *u, bool is_resumed, struct error *err)
{
	return is_resumed && has_leg(u) ? 0 : find_leg(u, err);
}

/* The watch first: what happens in between is then seen, too. */
int up_rules_open(struct up_rules *u, struct loop *loop, struct error *err)
{
	int code = u->watch ? 0 : begin_watch(u, loop, err);

	if (code == 0)
		code = put_in(u, err);
	return code < 0 ? code : try_flow(u, err);
}

/* What cannot be read is as it was. */
static bool follows_registry(struct up_rules *u)
{
	uint64_t admissions = u->admissions;
	bool any;

	(void)registry_admissions_stamp(u->registry, &admissions, NULL);
	return wanted_fail(u, &any) == u->fail && admissions == u->admissions;
}

static void keep_counts(struct up_rules *u)
{
	struct error err;
	uint64_t now = clock_monotonic_ms();

	if (!u->is_in || now < u->counts_at)
		return;
	u->counts_at = now + COUNTS_MS;
	if (counts_save(u->registry, &err) < 0)
		log_warning(NULL, "counters", "not kept error=\"%s\"", err.text);
}

void up_rules_tick(struct up_rules *u)
{
	struct error err;

	repair_soon(u);
	keep_counts(u);
	if (!u->is_in || follows_registry(u))
		return;
	if (put_in(u, &err) <
		0) /* at the next tick again; the old rules hold meanwhile */
		log_error(NULL, "rules", "error=\"%s\"", err.text);
}

const struct ruleset *up_rules_in(const struct up_rules *u)
{
	return u->is_in ? &u->in : NULL;
}

/* ── the end ───────────────────────────────────────────────────────────────────────── */

static int take_out(struct up_rules *u, struct error *err)
{
	bool changed;
	int code = rules_remove(u->settings->route_table, &changed, err);

	if (code == 0)
		log_info(NULL, "rules-out", "changed=%s", changed ? "yes" : "no");
	return code;
}

static int leave_closed(struct up_rules *u, struct error *err)
{
	int code = put_in(u, err);

	if (code == 0)
		log_warning(NULL, "rules-stay",
			"reason=\"accounts live here: nobody gets past to the source; "
			"mailferry rules remove would let them\"");
	return code;
}

void up_rules_leave(struct up_rules *u)
{
	end_watch(u);
	u->counts_at = 0;
	keep_counts(u);
}

int up_rules_end(struct up_rules *u, struct error *err)
{
	bool any;

	up_rules_leave(u);
	/* even if ours never went in: those of an `up` that was killed may be there */
	return wanted_fail(u, &any) == FAIL_CLOSED && any ? leave_closed(u, err)
	                                                  : take_out(u, err);
}
