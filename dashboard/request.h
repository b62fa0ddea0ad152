/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_REQUEST_H
#define DASHBOARD_REQUEST_H
/*
 * What becomes of an HTTP request: one row for each path, and the order in which a
 * request is judged. Bytes in, a verdict out: no socket, no clock.
 *
 *   host ─► path ─► method ─► from our own page? ─► logged in? ─► form's secret ─► admin
 */
#include "dashboard/form.h"
#include "dashboard/logins.h"
#include "dashboard/questions.h"

enum view {
	VIEW_NONE,
	VIEW_MAIN,
	VIEW_ACCOUNT,
	VIEW_CONFIRM, /* asks before an action */
	VIEW_DO,      /* the action */
	VIEW_LOGIN,
	VIEW_LOG_IN,
	VIEW_LOG_OUT,
	VIEW_JSON,
	VIEW_FILE, /* a file that is compiled in */
};

struct request {
	struct str method, path;
	struct str host, cookie, authorization;
	struct str fetch_site; /* Sec-Fetch-Site; empty: the browser sends none */
	struct form query, body;
};

struct judgement {
	unsigned status; /* 200: show the view; 303: to log in; else an error's */
	enum view view;
	const char *why;         /* of an error */
	struct session *session; /* NULL: none is needed, or a script's */
	enum question question;  /* of CONFIRM, DO, ACCOUNT and JSON */
	struct str argument;     /* its, or empty */
};

struct judgement request_judge(
	const struct request *r, struct logins *l, bool admin, uint64_t now);

/* Whether a page from there is ours: another site may have its own name lead to this
   host (DNS rebinding), but can send no other Host than that name. */
bool request_host_is_local(struct str host);

#endif
