/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/request.h"

#define JSON_BEGIN STR_LIT("/json/")

enum needs {
	NEEDS_LOGIN = 1,
	NEEDS_FORM = 2,  /* the form's secret: what changes something */
	NEEDS_ADMIN = 4, /* `admin = true` */
	TAKES_TOKEN = 8, /* instead of a session: a script's */
};

static const struct route {
	const char *path;
	const char *method; /* "GET": HEAD, too */
	enum view view;
	unsigned needs;
} routes[] = {
	{ "/", "GET", VIEW_MAIN, NEEDS_LOGIN },
	{ "/account", "GET", VIEW_ACCOUNT, NEEDS_LOGIN },
	{ "/confirm", "GET", VIEW_CONFIRM, NEEDS_LOGIN | NEEDS_ADMIN },
	{ "/do", "POST", VIEW_DO, NEEDS_LOGIN | NEEDS_FORM | NEEDS_ADMIN },
	{ "/login", "GET", VIEW_LOGIN, 0 },
	{ "/login", "POST", VIEW_LOG_IN, 0 },
	{ "/logout", "POST", VIEW_LOG_OUT, NEEDS_LOGIN | NEEDS_FORM },
	{ "/json/", "GET", VIEW_JSON, NEEDS_LOGIN | TAKES_TOKEN },
	{ "/style.css", "GET", VIEW_FILE, 0 },
	{ "/page.js", "GET", VIEW_FILE, 0 },
	{ "/icon.svg", "GET", VIEW_FILE, 0 },
};
#define ROUTES (sizeof(routes) / sizeof(routes[0]))

/* ── where it comes from ───────────────────────────────────────────────────────────── */

/* Any port: an SSH tunnel has its own. */
bool request_host_is_local(struct str host)
{
	static const struct str names[] = { STR("localhost"), STR("127.0.0.1"),
		STR("[::1]") };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct str port = str_skip(host, names[i].len);
		uint32_t number;

		if (str_istarts(host, names[i]) &&
			(!port.len || (port.ptr[0] == ':' &&
					      str_to_u32(str_skip(port, 1), &number))))
			return true;
	}
	return false;
}

/* A browser says so by itself, and no page can say otherwise (Fetch Metadata). */
static bool is_from_elsewhere(const struct request *r)
{
	return r->fetch_site.len && !str_eq(r->fetch_site, STR_LIT("same-origin")) &&
	       !str_eq(r->fetch_site, STR_LIT("none"));
}

/* ── which view ────────────────────────────────────────────────────────────────────── */

static bool has_path(const struct route *route, struct str path)
{
	return route->view == VIEW_JSON ? str_starts(path, JSON_BEGIN)
	                                : str_eq(path, str_from(route->path));
}

static bool has_method(const struct route *route, struct str method)
{
	return str_eq(method, str_from(route->method)) ||
	       (str_eq(method, STR_LIT("HEAD")) && route->method[0] == 'G');
}

/* 200, 404 or 405. */
static unsigned find_route(const struct request *r, const struct route **ret)
{
	unsigned status = 404;

	for (size_t i = 0; i < ROUTES; i++) {
		if (!has_path(&routes[i], r->path))
			continue;
		if (has_method(&routes[i], r->method)) {
			*ret = &routes[i];
			return 200;
		}
		status = 405;
	}
	return status;
}

/* Which question a view is about, with what. */
static enum question question_of(
	enum view view, const struct request *r, struct str *ret_argument)
{
	switch (view) {
	case VIEW_ACCOUNT:
		*ret_argument = form_value(&r->query, "name");
		return QUESTION_ACCOUNT;
	case VIEW_CONFIRM:
		*ret_argument = form_value(&r->query, "of");
		return question_by_name(form_value(&r->query, "do"));
	case VIEW_DO:
		*ret_argument = form_value(&r->body, "of");
		return question_by_name(form_value(&r->body, "do"));
	case VIEW_JSON:
		*ret_argument = form_value(&r->query, "name");
		return question_by_name(str_skip(r->path, JSON_BEGIN.len));
	case VIEW_NONE:
	case VIEW_MAIN:
	case VIEW_LOGIN:
	case VIEW_LOG_IN:
	case VIEW_LOG_OUT:
	case VIEW_FILE:
		break;
	}
	*ret_argument = STR_LIT("");
	return QUESTION_COUNT;
}

static bool is_about_something(enum view view)
{
	return view == VIEW_ACCOUNT || view == VIEW_CONFIRM || view == VIEW_DO ||
	       view == VIEW_JSON;
}

/* ── whether it may ────────────────────────────────────────────────────────────────── */

static struct judgement refuse(unsigned status, const char *why)
{
	return (struct judgement){ .status = status, .why = why };
}

static struct judgement judge_token(
	struct judgement v, const struct request *r, struct logins *l, uint64_t now)
{
	enum login_result result = login_by_header(l, r->authorization, now);

	if (result == LOGIN_RIGHT)
		return v;
	return refuse(result == LOGIN_PAUSED ? 429 : 401, login_why(result));
}

static struct judgement judge_login(const struct route *route, const struct request *r,
	struct logins *l, bool admin, uint64_t now)
{
	struct judgement v = { .status = 200, .view = route->view };

	if (!(route->needs & NEEDS_LOGIN))
		return v;
	v.session = login_by_cookie(l, r->cookie, now);
	if (!v.session && (route->needs & TAKES_TOKEN) && r->authorization.len)
		return judge_token(v, r, l, now);
	if (!v.session)
		return route->needs & TAKES_TOKEN ? refuse(401, "log in first")
		                                  : refuse(303, "");
	if ((route->needs & NEEDS_FORM) &&
		!session_sent_form(v.session, form_value(&r->body, "form")))
		return refuse(403, "this form is not from a page of this session");
	if ((route->needs & NEEDS_ADMIN) && !admin)
		return refuse(403, "this dashboard only shows; `admin` is not set");
	return v;
}

struct judgement request_judge(
	const struct request *r, struct logins *l, bool admin, uint64_t now)
{
	const struct route *route = NULL;
	struct judgement v;
	unsigned status;

	if (!request_host_is_local(r->host))
		return refuse(403,
			"open this page as http://localhost or http://127.0.0.1; a "
			"reverse proxy has to send \"Host: localhost\"");
	status = find_route(r, &route);
	if (status != 200)
		return refuse(status,
			status == 404 ? "there is no such page" : "not by this method");
	if (route->method[0] == 'P' && is_from_elsewhere(r))
		return refuse(403, "this form comes from another site");
	v = judge_login(route, r, l, admin, now);
	if (v.status != 200 || !is_about_something(v.view))
		return v;
	v.question = question_of(v.view, r, &v.argument);
	if (!question_is_allowed(v.question, v.argument, admin) ||
		question_rows[v.question].is_action !=
			(v.view == VIEW_CONFIRM || v.view == VIEW_DO))
		return refuse(404, "there is no such page");
	return v;
}
