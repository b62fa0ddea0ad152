/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/files.h"
#include "dashboard/page.h"
#include "dashboard/web_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOON_MS 100u  /* so long a page waits for what is new, when it has something */
#define WAIT_MS 8000u /* and so long when it has nothing */
#define OWN_MS 25000u /* for a command of its own: longer than it may run */
#define HTML_TYPE "text/html; charset=utf-8"
#define JSON_TYPE "application/json"

/* ── answers ───────────────────────────────────────────────────────────────────────── */

/* Nothing but what this server sends itself, in no other page, remembered by nobody. */
static const struct {
	const char *name, *value;
} headers[] = {
	{ "Content-Security-Policy",
		"default-src 'none'; style-src 'self'; script-src 'self'; "
		"img-src 'self'; connect-src 'self'; form-action 'self'; "
		"base-uri 'none'; frame-ancestors 'none'" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Cache-Control", "no-store" },
	{ "Connection", "close" },
};

/* Takes the response; NULL: there is no memory for it. */
static enum MHD_Result queue(
	struct visit *v, unsigned status, const char *type, struct MHD_Response *r)
{
	enum MHD_Result result;

	v->state = VISIT_ANSWERED;
	if (!r)
		return MHD_NO;
	(void)MHD_add_response_header(r, "Content-Type", type);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		(void)MHD_add_response_header(r, headers[i].name, headers[i].value);
	result = MHD_queue_response(v->connection, status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result respond(
	struct visit *v, unsigned status, const char *type, struct str bytes)
{
	/* copied, and not changed, whatever the prototype says */
	return queue(v, status, type,
		MHD_create_response_from_buffer(
			bytes.len, (void *)(uintptr_t)bytes.ptr, MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result respond_html(struct visit *v, unsigned status, struct html *h)
{
	enum MHD_Result result =
		h->code < 0 ? MHD_NO : respond(v, status, HTML_TYPE, buf_view(&h->out));

	html_fini(h);
	return result;
}

static enum MHD_Result respond_error(struct visit *v, unsigned status, const char *why)
{
	struct html h;

	html_init(&h);
	page_error(&h, why);
	return respond_html(v, status, &h);
}

static enum MHD_Result redirect(struct visit *v, const char *where, const char *cookie)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);

	if (r)
		(void)MHD_add_response_header(r, "Location", where);
	if (r && cookie)
		(void)MHD_add_response_header(r, "Set-Cookie", cookie);
	return queue(v, MHD_HTTP_SEE_OTHER, HTML_TYPE, r);
}

/* ── views ─────────────────────────────────────────────────────────────────────────── */

static struct page page_of(const struct visit *v)
{
	struct web *w = v->web;
	struct page p = { .admin = w->admin,
		.session = v->judgement.session,
		.search = form_value(&v->request.query, "search"),
		.show = form_value(&v->request.query, "show") };
	uint32_t from;

	for (int q = 0; q < QUESTION_WHOLE_COUNT; q++) {
		const struct answer *a = &w->answers.of[q].last;

		p.of[q] = a->json;
		if (a->at)
			p.says[q] = answer_why(a);
	}
	if (str_to_u32(form_value(&v->request.query, "from"), &from))
		p.from = from;
	return p;
}

static enum MHD_Result show_main(struct visit *v)
{
	struct page p = page_of(v);
	struct html h;

	html_init(&h);
	page_main(&h, &p);
	return respond_html(v, MHD_HTTP_OK, &h);
}

static enum MHD_Result show_account(struct visit *v)
{
	struct page p = page_of(v);
	struct html h;

	html_init(&h);
	page_account(&h, &p, v->judgement.argument, v->own.json, answer_why(&v->own));
	return respond_html(v, v->own.json ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND, &h);
}

static enum MHD_Result show_confirm(struct visit *v)
{
	struct page p = page_of(v);
	struct html h;

	html_init(&h);
	page_confirm(&h, &p, v->judgement.question, v->judgement.argument);
	return respond_html(v, MHD_HTTP_OK, &h);
}

/* What it says is on one of two outputs. */
static struct str says_of(const struct visit *v, bool done)
{
	if (!v->own.at || v->own.exit_code == QUESTION_UNFINISHED)
		return STR_LIT(
			"It has begun and takes longer; the account's page says how "
			"it goes.");
	return done ? str_trim(str_of(v->own.text, v->own.len)) : answer_why(&v->own);
}

static enum MHD_Result show_done(struct visit *v)
{
	struct page p = page_of(v);
	bool goes_on = !v->own.at || v->own.exit_code == QUESTION_UNFINISHED;
	bool done = goes_on || v->own.exit_code == 0;
	struct html h;

	answers_forget(&v->web->answers);
	html_init(&h);
	page_done(&h, &p, v->judgement.question, v->judgement.argument, done,
		says_of(v, done));
	return respond_html(v,
		goes_on ? MHD_HTTP_ACCEPTED
		: done  ? MHD_HTTP_OK
			: MHD_HTTP_CONFLICT,
		&h);
}

static enum MHD_Result show_json(struct visit *v)
{
	enum question q = v->judgement.question;
	const struct answer *a =
		q < QUESTION_WHOLE_COUNT ? &v->web->answers.of[q].last : &v->own;
	enum MHD_Result result;
	json_t *error;
	char *text;

	if (a->json)
		return respond(v, MHD_HTTP_OK, JSON_TYPE, str_of(a->text, a->len));
	error = json_pack("{s:s%}", "error", answer_why(a).ptr, answer_why(a).len);
	if (!error) /* it repeats a name that is not UTF-8 */
		error = json_pack("{s:s}", "error", "it has failed");
	text = json_dumps(error, JSON_COMPACT);
	result = respond(v, MHD_HTTP_BAD_GATEWAY, JSON_TYPE, str_from(text));
	json_decref(error);
	free(text);
	return result;
}

static enum MHD_Result show_login(struct visit *v)
{
	struct html h;

	html_init(&h);
	page_login(&h, "");
	return respond_html(v, MHD_HTTP_OK, &h);
}

static enum MHD_Result log_in(struct visit *v)
{
	struct session *session = NULL;
	char cookie[128];
	struct html h;
	enum login_result result = login_try(&v->web->logins,
		str_trim(form_value(&v->request.body, "token")), clock_monotonic_ms(),
		&session);

	if (result == LOGIN_RIGHT) {
		log_info(NULL, "login", "ok=yes");
		(void)snprintf(cookie, sizeof(cookie),
			COOKIE_NAME "=%s; Path=/; HttpOnly; SameSite=Strict",
			session->id);
		return redirect(v, "/", cookie);
	}
	log_stranger(NULL, "login", "ok=no");
	html_init(&h);
	page_login(&h, login_why(result));
	return respond_html(v,
		result == LOGIN_WRONG ? MHD_HTTP_FORBIDDEN : MHD_HTTP_TOO_MANY_REQUESTS,
		&h);
}

static enum MHD_Result log_out(struct visit *v)
{
	session_end(v->judgement.session);
	return redirect(v, "/login",
		COOKIE_NAME "=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
}

static enum MHD_Result show_file(struct visit *v)
{
	const struct file *f = file_by_name(str_skip(v->request.path, 1));

	return f ? respond(v, MHD_HTTP_OK, f->type, f->bytes)
	         : respond_error(v, MHD_HTTP_NOT_FOUND, "there is no such page");
}

static const struct {
	enum MHD_Result (*show)(struct visit *v);
	bool asks; /* and is shown when answers have come */
} views[] = {
	[VIEW_NONE] = { NULL, false },
	[VIEW_MAIN] = { show_main, true },
	[VIEW_ACCOUNT] = { show_account, true },
	[VIEW_CONFIRM] = { show_confirm, false },
	[VIEW_DO] = { show_done, true },
	[VIEW_LOGIN] = { show_login, false },
	[VIEW_LOG_IN] = { log_in, false },
	[VIEW_LOG_OUT] = { log_out, false },
	[VIEW_JSON] = { show_json, true },
	[VIEW_FILE] = { show_file, false },
};

/* ── waiting ───────────────────────────────────────────────────────────────────────── */

static bool is_of_whole(const struct visit *v, enum question q)
{
	return v->judgement.view == VIEW_MAIN || v->judgement.question == q;
}

/* A page is shown soon with what it has. */
static bool is_ready_for(const struct visit *v, enum question q, uint64_t waited)
{
	enum answer_state state = answers_state(&v->web->answers, q, v->began + waited);

	if (state == ANSWER_FRESH || waited >= WAIT_MS)
		return true;
	if (v->judgement.view != VIEW_MAIN || waited < SOON_MS)
		return false;
	return state == ANSWER_STALE || question_rows[q].is_slow;
}

static bool is_ready(const struct visit *v, uint64_t now)
{
	uint64_t waited = now - v->began;

	if (v->id)
		return v->own.at || waited >= OWN_MS;
	for (int q = 0; q < QUESTION_WHOLE_COUNT; q++)
		if (is_of_whole(v, (enum question)q) &&
			!is_ready_for(v, (enum question)q, waited))
			return false;
	return true;
}

static void ask_whole(struct visit *v, uint64_t now)
{
	struct web *w = v->web;

	for (int q = 0; q < QUESTION_WHOLE_COUNT; q++)
		if (is_of_whole(v, (enum question)q) &&
			answers_ask(&w->answers, (enum question)q, now) &&
			web_ask(w, (enum question)q, STR_LIT(""), (uint64_t)q) < 0)
			answers_take(&w->answers, (enum question)q, -1, 1,
				STR_LIT("mailferry does not answer"), now);
}

static void ask(struct visit *v, uint64_t now)
{
	struct web *w = v->web;

	if (v->judgement.view == VIEW_MAIN ||
		v->judgement.question < QUESTION_WHOLE_COUNT) {
		ask_whole(v, now);
		return;
	}
	v->id = w->next_id++;
	if (web_ask(w, v->judgement.question, v->judgement.argument, v->id) < 0)
		answer_read(&v->own, -1, 1, STR_LIT("mailferry does not answer"), now);
}

static enum MHD_Result show_or_wait(struct visit *v, uint64_t now)
{
	if (views[v->judgement.view].asks)
		ask(v, now);
	if (!views[v->judgement.view].asks || is_ready(v, now))
		return views[v->judgement.view].show(v);
	v->state = VISIT_WAITING;
	MHD_suspend_connection(v->connection);
	return MHD_YES;
}

void visits_look(struct web *w, uint64_t now)
{
	struct visit *v;

	LIST_FOREACH(v, &w->visits, next)
	{
		if (v->state != VISIT_WAITING)
			continue;
		/* what was asked before something was changed is asked once more */
		if (!v->id)
			ask_whole(v, now);
		if (is_ready(v, now)) {
			v->state = VISIT_READY;
			MHD_resume_connection(v->connection);
		}
	}
}

void visits_take(
	struct web *w, uint64_t id, int fd, int exit_code, struct str says, uint64_t now)
{
	struct visit *v;

	LIST_FOREACH(v, &w->visits, next)
	if (v->id == id)
		answer_read(&v->own, fd, exit_code, says, now);
}

/* ── a request ─────────────────────────────────────────────────────────────────────── */

void *visit_begin(void *web, const char *uri, struct MHD_Connection *connection)
{
	struct web *w = web;
	struct visit *v = calloc(1, sizeof(*v));
	char *copy = v ? strdup(uri) : NULL;

	if (!copy) {
		free(v);
		return NULL;
	}
	*v = (struct visit){ .web = w,
		.connection = connection,
		.uri = copy,
		.began = clock_monotonic_ms() };
	buf_init(&v->body, BODY_MAX);
	LIST_INSERT_HEAD(&w->visits, v, next);
	return v;
}

void visit_end(void *web, struct MHD_Connection *connection, void **visit,
	enum MHD_RequestTerminationCode code)
{
	struct visit *v = *visit;

	(void)web;
	(void)connection;
	(void)code;
	if (!v)
		return;
	LIST_REMOVE(v, next);
	answer_fini(&v->own);
	buf_wipe(&v->body); /* the token was in it */
	buf_fini(&v->body);
	free(v->uri);
	free(v);
	*visit = NULL;
}

static struct str header(struct MHD_Connection *connection, const char *name)
{
	return str_from(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name));
}

/* False: what stands in it is no form. */
static bool read_request(struct visit *v, const char *method)
{
	struct str rest = str_from(v->uri), body = buf_view(&v->body);
	struct str path = str_split(&rest, '?');
	char *query = v->uri + (rest.len ? (size_t)(rest.ptr - v->uri) : 0);

	v->request = (struct request){ .method = str_from(method),
		.path = path,
		.host = header(v->connection, MHD_HTTP_HEADER_HOST),
		.cookie = header(v->connection, MHD_HTTP_HEADER_COOKIE),
		.authorization = header(v->connection, MHD_HTTP_HEADER_AUTHORIZATION),
		.fetch_site = header(v->connection, "Sec-Fetch-Site") };
	return form_read(query, rest.len, &v->request.query) &&
	       form_read(v->body.data ? v->body.data + v->body.start : NULL, body.len,
		       &v->request.body);
}

static enum MHD_Result judge(struct visit *v, const char *method)
{
	uint64_t now = clock_monotonic_ms();

	if (!read_request(v, method))
		return respond_error(v, MHD_HTTP_BAD_REQUEST, "this is no request");
	v->judgement = request_judge(&v->request, &v->web->logins, v->web->admin, now);
	if (v->judgement.status == MHD_HTTP_SEE_OTHER)
		return redirect(v, "/login", NULL);
	if (v->judgement.status != MHD_HTTP_OK)
		return respond_error(v, v->judgement.status, v->judgement.why);
	return show_or_wait(v, now);
}

/* Nobody waits for what is refused anyway. */
static bool is_too_long(struct MHD_Connection *connection)
{
	struct str length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t n = 0;

	return header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING).len ||
	       (length.len && (!str_to_u64(length, &n) || n > BODY_MAX));
}

enum MHD_Result visit_go_on(void *web, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *body, size_t *body_len,
	void **visit)
{
	struct visit *v = *visit;

	(void)web;
	(void)url;
	(void)version;
	if (!v)
		return MHD_NO;
	switch (v->state) {
	case VISIT_NEW: /* its head: MHD calls again with the body, and without */
		v->state = VISIT_READING;
		return is_too_long(connection)
		               ? respond_error(v, MHD_HTTP_CONTENT_TOO_LARGE,
					 "this is longer than any form here")
		               : MHD_YES;
	case VISIT_READING:
		if (!*body_len)
			return judge(v, method);
		if (buf_append(&v->body, str_of(body, *body_len)) < 0)
			return MHD_NO;
		break;
	case VISIT_READY:
		return views[v->judgement.view].show(v);
	case VISIT_WAITING:
	case VISIT_ANSWERED:
		break;
	}
	*body_len = 0;
	return MHD_YES;
}
