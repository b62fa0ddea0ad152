/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A worker as scripts need one (script.h), and the accounts they are about. */
#include "interceptor/session/mail_hold.h"
#include "interceptor/session/quiesce.h"
#include "interceptor/session/script_parts.h"

static struct script *script_of(const struct host *h)
{
	return (struct script *)(uintptr_t)h;
}

/* ---- the host ---- */

static uint64_t host_now(const struct host *h)
{
	return script_of(h)->now;
}

static int host_connect(struct host *h, struct session *session, struct stream **ret)
{
	struct script *s = script_of(h);

	(void)session;
	if (s->connect_fails)
		return -ENETUNREACH;
	*ret = odd_memory_new(s->way.oddity);
	odd_attach(*ret, &s->source, &s->source_heard);
	if (s->connects_slowly)
		odd_connecting(*ret);
	return 0;
}

static int resume(struct script *s, const struct session *session, struct str tag,
	struct str ticket, const struct resumption *r)
{
	(void)snprintf(s->handed, sizeof(s->handed),
		"%s idle=%.*s ticket=%.*s %s %.*s %u uids=%.*s enabled=%.*s",
		session->account, STR_ARG(tag), STR_ARG(ticket),
		!r->is_selected ? "none"
		: r->read_only  ? "examine"
				: "select",
		STR_ARG(r->mailbox), r->uidvalidity, STR_ARG(r->uids),
		STR_ARG(r->enabled));
	return 0;
}

static int host_hand_off(struct host *h, struct session *session, struct str tag,
	struct str ticket, const struct resumption *resumed)
{
	struct script *s = script_of(h);
	struct buf unread;

	if (s->hand_off_fails)
		return -ECONNREFUSED;
	if (resumed)
		return resume(s, session, tag, ticket, resumed);
	buf_init(&unread, 0);
	assert_int_equal(buf_append(&unread, buf_view(&session->memory->from_client)), 0);
	odd_unread(s->client, &unread); /* travels with the socket */
	(void)snprintf(s->handed, sizeof(s->handed),
		"%s tag=%.*s ticket=%.*s unread=%.*s", session->account, STR_ARG(tag),
		STR_ARG(ticket), (int)str_trim(buf_view(&unread)).len,
		unread.data ? unread.data : "");
	buf_fini(&unread);
	return 0;
}

static enum crowd host_crowd(struct host *h, const struct session *session)
{
	(void)session;
	return script_of(h)->is_crowded  ? CROWD_NETWORK
	       : script_of(h)->is_many   ? CROWD_ALL
	       : script_of(h)->is_filled ? CROWD_MEMORY
	                                 : CROWD_NONE;
}

static void host_count_connection(struct host *h, const struct session *s, int change)
{
	(void)s;
	script_of(h)->connections += change;
}

static void host_count_waiting(struct host *h, const struct session *s, int change)
{
	(void)s;
	script_of(h)->waiting += change;
}

static void host_count_places(struct host *h, const struct session *s, int change)
{
	(void)s;
	script_of(h)->places += change;
}

static void host_note_attempt(struct host *h, struct session *s, bool right)
{
	(void)s;
	if (right)
		script_of(h)->right++;
	else
		script_of(h)->failed++;
}

static void host_report_live(struct host *h, const struct session *s, bool live)
{
	(void)s;
	script_of(h)->live += live ? 1 : -1;
}

static bool host_foresee(
	struct host *h, const struct proven_login *login, struct account_route *ret)
{
	return registry_route(h->registry, login->name, ret, NULL) == 0;
}

static int host_learn(struct host *h, struct session *session,
	const struct proven_login *login, struct account_route *ret)
{
	struct script *s = script_of(h);

	(void)session;
	s->learned++;
	(void)snprintf(s->learned_password, sizeof(s->learned_password), "%.*s",
		STR_ARG(login->password.ptr ? login->password : login->why));
	return registry_route(h->registry, login->name, ret, NULL);
}

static bool host_knows(struct host *h, const struct session *session,
	const struct account_route *route, struct str password)
{
	(void)session;
	(void)route;
	return script_of(h)->knows && str_eq(password, STR_LIT("secret"));
}

static void host_verify(struct host *h, struct session *session, const struct question *q,
	void (*done)(struct session *s, enum verdict verdict, struct str ticket))
{
	(void)session;
	(void)snprintf(script_of(h)->box, sizeof(script_of(h)->box), "%.*s",
		(int)q->box.len, q->box.ptr ? q->box.ptr : "");
	script_of(h)->verified = done;
}

static void host_forget(struct host *h, struct session *session)
{
	(void)session;
	script_of(h)->verified = NULL;
}

static int host_close_password(
	struct host *h, const struct session *s, struct str password, struct buf *out)
{
	(void)s;
	if (script_of(h)->hand_off_fails)
		return -ENOTCONN;
	return buf_printf(out, "box of %zu", password.len);
}

static void host_note_crossing(struct host *h, const struct session *s, bool handed)
{
	(void)s;
	script_of(h)->noted += handed ? 1 : 100;
}

static bool host_is_slow(struct host *h, int64_t account)
{
	(void)account;
	return script_of(h)->is_slow;
}

static void host_remember_slow(struct host *h, int64_t account)
{
	(void)account;
	script_of(h)->is_slow = true;
}

static void host_follow_login(struct host *h, const struct session *s)
{
	(void)s;
	script_of(h)->followed++;
}

static bool host_is_retired(struct host *h)
{
	return script_of(h)->is_retired;
}

static struct offer *host_offer(struct host *h, enum service_id service)
{
	return script_of(h)->offers[service];
}

/* A session of LMTP has the name of the SMTP service. */
enum service_id script_offer_of(enum service_id service)
{
	return service == SERVICE_LMTP ? SERVICE_SMTP : service;
}

/* As a worker does it: the offer is what the registry knows. */
void script_load_offer(struct script *s, enum service_id service)
{
	offer_unref(s->offers[service]);
	s->offers[service] = NULL;
	(void)offer_load(s->host.registry, service, &s->host.settings->services[service],
		SERVICE_TLS_PASS, &s->offers[service], &s->registry->err);
}

static void host_learnt(
	struct host *h, enum service_id service, const struct learnt *learnt)
{
	bool changed;

	assert_int_equal(
		offer_store(h->registry, service, OFFER_OURS, learnt, &changed, NULL), 0);
	script_load_offer(script_of(h), service);
}

static void host_offer_is_stale(struct host *h, enum service_id service)
{
	(void)service;
	script_of(h)->stale++;
}

static void host_learnt_refusal(struct host *h, enum service_id service, struct str text)
{
	assert_int_equal(offer_store_refusal(h->registry, service, text, NULL), 0);
	script_load_offer(script_of(h), service);
}

static bool host_recently_relayed(struct host *h, struct str account)
{
	(void)account;
	return script_of(h)->recently_relayed;
}

static void host_quiesced(
	struct host *h, struct str account, uint64_t request, bool settled)
{
	(void)account;
	(void)request;
	script_of(h)->settled = settled;
}

static int host_tls_context(
	struct host *h, const struct session *s, const char *name, SSL_CTX **ret)
{
	(void)s;
	return script_tls_context(script_of(h), name, ret);
}

static int host_pass_unseen(struct host *h, struct session *s, const char *name)
{
	(void)s;
	if (script_of(h)->is_registry_busy)
		return -EBUSY;
	script_of(h)->unseen++;
	(void)snprintf(script_of(h)->asked_name, sizeof(script_of(h)->asked_name), "%s",
		*name ? name : "-");
	return 0;
}

static void host_unseen_over(struct host *h, struct session *s)
{
	(void)h;
	(void)s;
}

static int host_connect_destination(struct host *h, struct stream **ret)
{
	(void)h;
	(void)ret;
	fail_msg("mail goes to the destination");
	return -ECONNREFUSED;
}

const struct host_ops script_host_ops = {
	.now = host_now,
	.connect = host_connect,
	.connect_destination = host_connect_destination,
	.hand_off = host_hand_off,
	.crowd = host_crowd,
	.count_connection = host_count_connection,
	.count_waiting = host_count_waiting,
	.count_places = host_count_places,
	.note_attempt = host_note_attempt,
	.report_live = host_report_live,
	.foresee = host_foresee,
	.learn = host_learn,
	.knows = host_knows,
	.verify = host_verify,
	.forget = host_forget,
	.close_password = host_close_password,
	.note_crossing = host_note_crossing,
	.is_slow = host_is_slow,
	.remember_slow = host_remember_slow,
	.follow_login = host_follow_login,
	.is_retired = host_is_retired,
	.offer = host_offer,
	.learnt = host_learnt,
	.learnt_refusal = host_learnt_refusal,
	.reach_mailstore = script_reach_mailstore,
	.tell_mailstore = script_tell_mailstore,
	.count_recipient = script_count_recipient,
	.note_relayed = script_note_relayed,
	.source_agreed = script_source_agreed,
	.note_source_agreed = script_note_source_agreed,
	.forget_source_agreed = script_forget_source_agreed,
	.offer_is_stale = host_offer_is_stale,
	.tls_context = host_tls_context,
	.pass_unseen = host_pass_unseen,
	.unseen_over = host_unseen_over,
	.recently_relayed = host_recently_relayed,
	.quiesced = host_quiesced,
};

/* ---- a switch ---- */

static void quiesce(struct script *s, enum switch_manner manner)
{
	s->settled = -1;
	quiesce_begin(&s->host, str_from(s->row->account), manner, 1);
}

void script_quiesce(struct script *s)
{
	quiesce(s, SWITCH_LOGGED_OFF);
}

void script_quiesce_by_force(struct script *s)
{
	quiesce(s, SWITCH_FORCED);
}

void script_quiesce_live(struct script *s)
{
	quiesce(s, SWITCH_LIVE);
}

void script_ask_for_live(struct script *s)
{
	quiesce(s, SWITCH_LIVE_ASKED);
}

void script_quiesce_soon(struct script *s)
{
	quiesce(s, SWITCH_SOON);
}

void script_route_changed(struct script *s)
{
	quiesce_route_changed(&s->host, str_from(s->row->account));
}

void script_second_passes(struct script *s)
{
	s->now += 1000;
}

void script_hold_passes(struct script *s)
{
	s->now += s->settings.hold_s * UINT64_C(1000);
}

void script_switches_end(struct script *s)
{
	quiesce_check(&s->host);
	mail_hold_end_all(&s->host);
}

/* ---- accounts ---- */

void script_account(struct script *s, const char *name, enum account_event event)
{
	struct test *t = s->registry;
	struct account_route route;

	NO_ERROR(registry_route(t->r, str_from(name), &route, &t->err));
	NO_ERROR(registry_transition(
		t->r, route.id, event, STR_LIT("test"), STR_LIT(""), &t->err));
}

/* From wherever it is to the route and stage it begins with. */
static void begins(struct script *s, const char *name, enum route wanted, bool is_moving)
{
	struct test *t = s->registry;
	struct account_route route;

	for (int i = 0; i < 12; i++) {
		NO_ERROR(registry_route(t->r, str_from(name), &route, &t->err));
		if (route.route == wanted &&
			(wanted == ROUTE_LOCAL ||
				route.stage == (wanted == ROUTE_BUSY ? STAGE_SWITCHING
						       : is_moving   ? STAGE_COPYING
								     : STAGE_IDLE)))
			return;
		if (route.route == ROUTE_LOCAL)
			script_account(s, name, EVENT_LEAVE);
		else if (route.route == ROUTE_BUSY && wanted == ROUTE_LOCAL)
			script_account(s, name,
				route.stage == STAGE_DONE ? EVENT_STAY : EVENT_ARRIVE);
		else if (route.route == ROUTE_BUSY)
			script_account(s, name,
				route.stage == STAGE_DONE ? EVENT_RETURN
							  : EVENT_SWITCH_BACK);
		else if (!is_moving && wanted == ROUTE_SOURCE)
			script_account(s, name, EVENT_CANCEL);
		else if (route.stage == STAGE_IDLE)
			script_account(s, name, EVENT_DUE);
		else if (route.stage == STAGE_DUE)
			script_account(s, name, EVENT_COPY);
		else if (route.stage == STAGE_COPYING)
			script_account(s, name, EVENT_CATCH_UP);
		else if (is_moving)
			script_account(s, name, EVENT_COPY);
		else
			script_account(s, name, EVENT_SWITCH);
	}
	fail_msg("%s does not get where it begins", name);
}

void script_destination(struct script *s, const char *text)
{
	assert_int_equal(destination_parse(text, &s->settings.destination), 0);
}

void script_capture(struct script *s, const char *name)
{
	struct test *t = s->registry;
	int64_t id = capture(t, name, "secret");

	if (!s->setup->elsewhere)
		return;
	script_destination(s, "imap://192.0.2.30");
	NO_ERROR(registry_set_home(t->r, id, STR_LIT("192.0.2.30"), &t->err));
}

void script_accounts_begin(struct script *s)
{
	begins(s, "alice", ROUTE_SOURCE, false);
	if (s->setup->nobody_here) {
		begins(s, "bob", ROUTE_SOURCE, false);
		begins(s, "carol", ROUTE_SOURCE, false);
		begins(s, "dora", ROUTE_SOURCE, false);
		return;
	}
	begins(s, "bob", ROUTE_BUSY, false);
	begins(s, "carol", ROUTE_LOCAL, false);
	begins(s, "dora", ROUTE_SOURCE, true);
}

static int finds_secret(const struct buf *b)
{
	static const char secret[] = "AHNlY3JldA"; /* "\0secret" in base64 */

	return b->data && memmem(b->data, b->cap, secret, sizeof(secret) - 1);
}

int script_secrets(const struct script *s)
{
	const struct session_memory *m = s->session ? s->session->memory : NULL;

	return m ? finds_secret(&m->from_client) + finds_secret(&m->to_source) : 0;
}
