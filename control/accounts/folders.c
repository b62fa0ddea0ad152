/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/folders.h"

#include "base/buf.h"
#include "base/hex.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define NAMED_MAX 3 /* of the strays, in a sentence */

/* The account that settings_mail_path() makes this folder's name of. */
static int name_of_folder(const char *folder, struct buf *name)
{
	int code = 0;

	buf_clear(name);
	for (const char *p = folder; *p && code == 0; p++) {
		int byte = *p == '%' ? hex_byte_of(HEX_UPPER, str_from(p + 1)) : -1;
		char c = *p;

		if (byte >= 0) {
			c = (char)byte;
			p += 2;
		}
		code = buf_byte(name, c);
	}
	return code;
}

struct walk {
	struct control *control;
	struct registry *registry;
	stray_each_fn *each;
	void *context;
	struct arena arena;
	struct buf name;
};

/* One that switches is not marked yet, or the transfer knows that it may be. */
static bool may_be_marked(struct walk *w, int64_t id)
{
	struct account a;

	return registry_find_id(w->registry, id, &w->arena, &a, NULL) == 0 &&
	       (a.is_arriving || a.stage == STAGE_DONE);
}

static bool is_known(struct walk *w, struct str name)
{
	struct account_route route;

	return w->registry && registry_route(w->registry, name, &route, NULL) == 0 &&
	       (route.route == ROUTE_LOCAL ||
		       (route.route == ROUTE_BUSY && may_be_marked(w, route.id)));
}

/* An account's processes write what is in its folder, and nobody else's account. */
static int check_owner(
	struct walk *w, const char *path, struct str owner, struct str name)
{
	if (!owner.len || str_eq(owner, name))
		return 0;
	return error_set(&w->control->err, -EUCLEAN,
		"%s says that it is of \"%.*s\", whose folder has another name; give it "
		"that name, or move it away",
		path, STR_ARG(owner));
}

/* Of a folder whose index cannot be read, nothing is known: it is not taken for free. */
static int look_at(struct walk *w, const char *mail, const char *folder)
{
	char path[PATH_MAX];
	struct store_identity is;
	struct error err = { 0 };
	int len = snprintf(path, sizeof(path), "%s/%s", mail, folder);
	int code = name_of_folder(folder, &w->name);

	if (len < 0 || (size_t)len >= sizeof(path) || code < 0)
		return error_set(&w->control->err, -ENAMETOOLONG, "%s/%s", mail, folder);
	if (is_known(w, buf_view(&w->name)))
		return 0;
	code = store_peek(path, &w->arena, &is, &err);
	if (code == -ENOENT) /* a copy that has just begun, or no folder of ours */
		return 0;
	if (code < 0) {
		w->control->err = err;
		return code;
	}
	if (is.service != STORE_SERVED || (is.owner.len && is_known(w, is.owner)))
		return 0;
	code = check_owner(w, path, is.owner, buf_view(&w->name));
	return code < 0 ? code : w->each(w->context, buf_view(&w->name), &is);
}

static int walk(struct walk *w, const char *mail)
{
	DIR *d = opendir(mail);
	struct dirent *entry;
	int code = 0;

	if (!d)
		return errno == ENOENT ? 0
		                       : error_errno(&w->control->err, -errno,
						 "cannot read %s", mail);
	while (code == 0 && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			code = look_at(w, mail, entry->d_name);
	(void)closedir(d);
	return code;
}

int folders_each_stray(
	struct control *c, struct registry *r, stray_each_fn *each, void *context)
{
	struct walk w = { .control = c, .registry = r, .each = each, .context = context };
	char mail[PATH_MAX];
	int code = settings_state_path(&c->settings, MAIL_DIRECTORY, mail, sizeof(mail));

	if (code < 0)
		return error_errno(&c->err, code, "%s", c->settings.state_dir);
	arena_init(&w.arena);
	buf_init(&w.name, 0);
	code = walk(&w, mail);
	buf_fini(&w.name);
	arena_fini(&w.arena);
	return code;
}

/* ── refusing ──────────────────────────────────────────────────────────────────────── */

struct strays {
	uint64_t count;
	struct buf names;
};

static int count(void *context, struct str name, const struct store_identity *identity)
{
	struct strays *s = context;

	(void)identity;
	if (s->count++ >= NAMED_MAX)
		return 0;
	return buf_printf(&s->names, "%s%.*s", s->count > 1 ? ", " : "", STR_ARG(name));
}

int folders_refuse_strays(struct control *c, struct registry *r)
{
	struct strays s = { 0 };
	int code;

	buf_init(&s.names, 0);
	code = folders_each_stray(c, r, count, &s);
	if (code == 0 && s.count)
		code = error_set(&c->err, -ESTALE,
			"%" PRIu64 " mail folder%s in %s/" MAIL_DIRECTORY
			" %s in service (%.*s%s), but the registry does not say so: it "
			"is lost, or older than they are. Put the registry back, or run: "
			"mailferry registry rebuild",
			s.count, s.count == 1 ? "" : "s", c->settings.state_dir,
			s.count == 1 ? "is" : "are", STR_ARG(buf_view(&s.names)),
			s.count > NAMED_MAX ? ", …" : "");
	buf_fini(&s.names);
	return code;
}
