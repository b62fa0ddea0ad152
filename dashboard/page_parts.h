/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_PAGE_PARTS_H
#define DASHBOARD_PAGE_PARTS_H
/* What the pages share. */
#include "dashboard/page.h"
#include "dashboard/table.h"

/* The page around its content. refresh: what stands in the head of one that is read again
   every few seconds; "" for others. */
void page_begin(struct html *h, const struct page *p, const char *refresh);
void page_end(struct html *h);

/* A part of the page that page.js keeps up to date, with its heading. */
void section_begin(struct html *h, const char *id, const char *title);
void section_end(struct html *h);

/* The answer, or a sentence that there is none. NULL is fine for what follows. */
const json_t *page_answer(struct html *h, const struct page *p, enum question q);

/* The hidden field that proves that a form is from this session. */
void page_form_secret(struct html *h, const struct page *p);

/* The parts of the main page. */
void page_accounts(struct html *h, const struct page *p);
void page_report(struct html *h, const struct page *p);
void page_source(struct html *h, const struct page *p);

#define ROWS_SHOWN 100u /* of a list: more is for the CLI */

#endif
