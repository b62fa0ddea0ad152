/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Users whom the admin has named, and what passes us unseen. */
#include "control/check/port_probe.h"
#include "control/views/report.h"
#include "registry/here.h"

#include <errno.h>
#include <string.h>

#define KNOWN_USERS STR_LIT("known-users") /* a fact: a name a line */
#define LINE_MAX_LEN 4096

/* ── the list ──────────────────────────────────────────────────────────────────────── */

/* "alice:x:1000:…" of a passwd file, or a bare name; # begins a comment. */
static struct str name_of_line(struct str line)
{
	line = str_take(line, str_index(line, '#'));
	return str_trim(str_take(line, str_index(line, ':')));
}

static int read_names(FILE *in, struct buf *names)
{
	char line[LINE_MAX_LEN];
	int code = 0;

	while (code == 0 && fgets(line, sizeof(line), in)) {
		struct str name = name_of_line(str_from(line));

		if (name.len)
			code = buf_append(names, name);
		if (name.len && code == 0)
			code = buf_byte(names, '\n');
	}
	return code;
}

static int remember(struct control *c, struct registry *r)
{
	FILE *in = fopen(c->users, "re");
	struct buf names;
	int code;

	if (!in)
		return error_errno(&c->err, -errno, "cannot read %s", c->users);
	buf_init(&names, 0);
	code = read_names(in, &names);
	(void)fclose(in);
	if (code < 0)
		error_set(&c->err, code, "no memory");
	else
		code = registry_set_fact(r, KNOWN_USERS, buf_view(&names), &c->err);
	buf_fini(&names);
	return code;
}

/* One that is known is among the accounts, wherever it is. */
static int take_name(
	struct control *c, struct registry *r, struct report *p, struct str name)
{
	struct account_route route;
	struct str kept;
	int code = registry_route(r, name, &route, &c->err);

	if (code != -ENOENT)
		return code;
	kept = arena_str(&p->arena, name);
	return kept.ptr ? buf_append(
				  &p->missing, str_of((const char *)&kept, sizeof(kept)))
	                : error_set(&c->err, -ENOMEM, "no memory");
}

int report_knows_user(
	struct control *c, struct registry *r, struct str name, bool *ret_known)
{
	char key[256];
	struct arena arena;
	struct str names;
	int code;

	arena_init(&arena);
	code = registry_fact(r, KNOWN_USERS, &arena, &names, &c->err);
	*ret_known = false;
	while (code == 0 && names.len && !*ret_known)
		*ret_known =
			registry_name_of(r, str_split(&names, '\n'), key, NULL) == 0 &&
			str_eq(str_from(key), name);
	arena_fini(&arena);
	return code == -ENOENT ? 0 : code;
}

int report_users(struct control *c, struct registry *r, struct report *p)
{
	struct str names;
	int code = c->users ? remember(c, r) : 0;

	if (code < 0)
		return code;
	code = registry_fact(r, KNOWN_USERS, &p->arena, &names, &c->err);
	if (code < 0)
		return code == -ENOENT ? 0 : code;
	while (code == 0 && names.len) {
		struct str name = str_split(&names, '\n');

		if (name.len)
			code = take_name(c, r, p, name);
	}
	return code;
}

/* ── what we cannot see ────────────────────────────────────────────────────────────── */

static bool has_users(enum service_id service)
{
	return service != SERVICE_SMTP && service != SERVICE_SUBMISSION;
}

void report_unseen_services(struct control *c, char *text, size_t size)
{
	struct port_probe k = { 0 };

	for (int i = 0; i < SERVICE_COUNT; i++)
		k.asked[i] =
			has_users((enum service_id)i) && !c->settings.services[i].enabled;
	port_probe_run(&c->settings, &k);
	text[0] = '\0';
	for (int i = 0; i < SERVICE_COUNT; i++) {
		size_t len = strlen(text);

		if (k.asked[i] && k.code[i] == 0)
			(void)snprintf(text + len, size - len, "%s%s (port %u)",
				len ? ", " : "", service_name((enum service_id)i),
				c->settings.services[i].upstream_port);
	}
}
