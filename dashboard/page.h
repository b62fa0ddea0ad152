/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_PAGE_H
#define DASHBOARD_PAGE_H
/*
 * The pages, made of the CLI's JSON. All is in the HTML; page/page.js only fetches the
 * same page again and puts what has changed in its place.
 */
#include "dashboard/html.h"
#include "dashboard/questions.h"
#include "dashboard/request.h"

struct page {
	const json_t *of[QUESTION_WHOLE_COUNT]; /* NULL: it could not be found out */
	struct str says[QUESTION_WHOLE_COUNT];  /* and why; empty: it is on its way */
	bool admin;
	const struct session *session; /* NULL: nobody has logged in */
	struct str search, show;       /* of the accounts: a part of names, a place */
	size_t from;                   /* the first of them that is shown */
};

void page_main(struct html *h, const struct page *p);
/* account: as `account --json` says it, NULL with why not. */
void page_account(struct html *h, const struct page *p, struct str name,
	const json_t *account, struct str says);
/* "Really?", before an action. */
void page_confirm(
	struct html *h, const struct page *p, enum question q, struct str argument);
void page_done(struct html *h, const struct page *p, enum question q, struct str argument,
	bool done, struct str says);
void page_login(struct html *h, const char *why);
void page_error(struct html *h, const char *why);

#endif
