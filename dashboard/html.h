/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_HTML_H
#define DASHBOARD_HTML_H
/*
 * HTML as it is written. Whatever is not a literal of ours goes through html_text() or
 * html_argument(): names of accounts, addresses of clients and answers of servers are
 * bytes that a stranger has chosen.
 */
#include "base/buf.h"

#include <jansson.h>

struct html {
	struct buf out;
	int code; /* the first error: without memory the page is not sent */
};

void html_init(struct html *h);
void html_fini(struct html *h);

/* What an append to h->out has answered. */
void html_note(struct html *h, int code);
void html_put(struct html *h, const char *literal);
void html_put_str(struct html *h, struct str literal);
/* Escaped, so that it is text in an element or in a quoted attribute and nothing else;
   control characters become U+FFFD. */
void html_text(struct html *h, struct str text);
/* The same between marks that keep right-to-left text from turning what stands around it
   (<bdi>). */
void html_name(struct html *h, struct str text);
/* Percent-encoded: one value in a URL's query. */
void html_argument(struct html *h, struct str value);
void html_number(struct html *h, uint64_t number);

/* Members of an object; empty, 0, false when there is no such thing in it. */
struct str json_text_at(const json_t *object, const char *name);
uint64_t json_number_at(const json_t *object, const char *name);
bool json_is_true_at(const json_t *object, const char *name);

#endif
