/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a browser sends and what an account is called: nobody gets past the login without
   its secrets, no argument is one that a command cannot have, and no name makes a tag.

   method, path, host, cookie, authorization, site, query and body, each to a newline */
#include "fuzz.h"

#include "dashboard/page.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN "0123456789abcdefghij"
#define QUERY_MAX 4096

static size_t count_marks(struct str page)
{
	size_t n = 0;

	for (size_t i = 0; i < page.len; i++)
		n += memchr("<>\"'", page.ptr[i], 4) != NULL;
	return n;
}

/* The page of a name, with as many marks as that of any other. */
static size_t marks_of(struct str name)
{
	static const struct page p = { .admin = true };
	size_t marks;
	struct html h;

	html_init(&h);
	page_confirm(&h, &p, QUESTION_ROUTE_LOCAL, name);
	page_done(&h, &p, QUESTION_KICK, name, true, name);
	page_account(&h, &p, name, NULL, name);
	marks = count_marks(buf_view(&h.out));
	html_fini(&h);
	return marks;
}

static void check(const struct request *r, struct logins *l)
{
	struct judgement j = request_judge(r, l, true, 2 * LOGIN_PAUSE_MS);
	bool has_token = str_istarts(r->authorization, STR_LIT("Bearer")) &&
	                 str_eq(str_trim(str_skip(r->authorization, 6)), STR_LIT(TOKEN));

	if (j.status != 200) {
		if (!j.why)
			abort();
		return;
	}
	if (!request_host_is_local(r->host))
		abort();
	/* no session was opened: its secrets are random */
	if (j.session || (j.view != VIEW_LOGIN && j.view != VIEW_LOG_IN &&
				 j.view != VIEW_FILE && !has_token))
		abort();
	if (has_token && j.view == VIEW_JSON &&
		!question_is_allowed(j.question, j.argument, false))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of(data, size);
	struct request r = { .method = str_split(&rest, '\n') };
	char query[QUERY_MAX], body[QUERY_MAX];
	struct logins l;
	struct str line;

	r.path = str_split(&rest, '\n');
	r.host = str_split(&rest, '\n');
	r.cookie = str_split(&rest, '\n');
	r.authorization = str_split(&rest, '\n');
	r.fetch_site = str_split(&rest, '\n');
	line = str_take(str_split(&rest, '\n'), QUERY_MAX);
	rest = str_take(rest, QUERY_MAX);
	memcpy(query, line.len ? line.ptr : "", line.len);
	memcpy(body, rest.len ? rest.ptr : "", rest.len);
	if (marks_of(rest) != marks_of(STR_LIT("anna")))
		abort();
	if (!form_read(query, line.len, &r.query) || !form_read(body, rest.len, &r.body))
		return 0;
	if (logins_init(&l, STR_LIT(TOKEN)) < 0)
		abort();
	check(&r, &l);
	return 0;
}
