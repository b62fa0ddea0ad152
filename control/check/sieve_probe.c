/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/sieve_probe.h"

#include "control/check/dial.h"
#include "control/check/outsider.h"
#include "control/check/talk.h"

#include "base/address.h"

#include <errno.h>
#include <string.h>

#define GREETING_MAX 8192 /* capabilities; Pigeonhole's have some 600 bytes */
#define READ_SIZE 4096

struct question {
	struct sockaddr_storage to;
	unsigned ms;
	char name[SIEVE_NAME_MAX];
};

/* "IMPLEMENTATION" "Dovecot Pigeonhole" */
static void take_name(struct question *q, struct str line)
{
	struct str key = STR_LIT("\"IMPLEMENTATION\" \"");
	struct str name = str_skip(line, key.len);

	if (!str_istarts(line, key))
		return;
	name = str_take(str_take(name, str_index(name, '"')), sizeof(q->name) - 1);
	memcpy(q->name, name.ptr, name.len);
	q->name[name.len] = '\0';
}

/* 1: its last line was there (RFC 5804, 1.7); 0: more follows; -EPROTO. */
static int take_lines(struct talk *t, struct question *q)
{
	for (;;) {
		struct str all = buf_view(&t->in), line;
		size_t end = str_index(all, '\n');

		if (end == all.len)
			return 0;
		line = str_take(all, end);
		if (str_istarts(line, STR_LIT("OK")))
			return 1;
		if (!line.len || *line.ptr != '"')
			return -EPROTO;
		take_name(q, line);
		buf_consume(&t->in, end + 1);
	}
}

static int ask(void *context, struct error *err)
{
	struct question *q = context;
	struct talk t;
	int fd, r = dial(&q->to, &fd);

	(void)err;
	r = talk_begin(&t, fd < 0 ? r : fd, q->ms, GREETING_MAX);
	if (r < 0)
		return r;
	r = talk_connected(&t);
	while (r == 0) {
		r = talk_read(&t, READ_SIZE);
		if (r == 0)
			r = take_lines(&t, q);
	}
	if (r == 1)
		(void)talk_say(&t, STR_LIT("LOGOUT\r\n"));
	talk_end(&t);
	return r == 1 ? 0 : r;
}

int sieve_probe(const struct settings *s, unsigned ms, char ret_name[SIEVE_NAME_MAX])
{
	static const struct outsider asker = { .ask = ask };
	struct question q = { .to = settings_upstream(s), .ms = ms };
	struct error err;
	int r;

	address_set_port(&q.to, SIEVE_PORT);
	r = outsider_ask(s, &asker, &q, q.name, sizeof(q.name), &err);
	q.name[sizeof(q.name) - 1] = '\0';
	for (char *c = q.name; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	memcpy(ret_name, q.name, sizeof(q.name));
	return r;
}

void check_sieve(const struct settings *s, struct findings *f)
{
	char name[SIEVE_NAME_MAX];

	if (sieve_probe(s, SIEVE_CHECK_MS, name) == 0)
		finding(f, FINDING_NOTE, "source", "sieve",
			"port %d offers ManageSieve%s%s: users have filters, vacation "
			"notes or forwards there, which do not move and do not act on "
			"mail that is delivered here (handbook: moving-on.md)",
			SIEVE_PORT, *name ? ", by " : "", name);
}
