/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/running.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_LEN 128 /* of an option with its sections */

int running_write(const struct settings *s, struct error *err)
{
	char path[PATH_MAX];
	int r = settings_run_path(s, RUNNING_FILE, path, sizeof(path));
	FILE *file = r < 0 ? NULL : fopen(path, "we");

	if (!file)
		return error_errno(err, r < 0 ? r : -errno, "cannot write %s", path);
	settings_print(s, file);
	return fclose(file) != 0 ? error_errno(err, -errno, "cannot write %s", path) : 0;
}

void running_forget(const struct settings *s)
{
	char path[PATH_MAX];

	if (settings_run_path(s, RUNNING_FILE, path, sizeof(path)) == 0)
		(void)unlink(path);
}

int running_require(const struct settings *s, struct error *err)
{
	char path[PATH_MAX];
	int r = settings_run_path(s, RUNNING_FILE, path, sizeof(path));

	if (r < 0)
		return error_errno(err, r, "%s", s->run_dir);
	if (access(path, F_OK) < 0)
		return error_set(err, -EAGAIN,
			"`mailferry up state` has not looked at %s yet, or found "
			"something wrong there; see its log",
			s->state_dir);
	return running_refuse_others(s, err);
}

/* Both are printed by the same table: an option has its line, and that line its place. */
struct walk {
	char section[NAME_MAX_LEN];
	bool is_first_key; /* or the last one is gone: whose TLS ends here changes */
};

static void enter(struct walk *w, struct str line)
{
	size_t len = strlen(w->section);

	(void)snprintf(w->section + len, sizeof(w->section) - len, "%.*s ",
		STR_ARG(str_take(line, str_index(line, ' '))));
}

static void leave(struct walk *w)
{
	char *last;

	if (*w->section)
		w->section[strlen(w->section) - 1] = '\0';
	last = strrchr(w->section, ' ');
	*(last ? last + 1 : w->section) = '\0';
}

static bool is_reloaded(const struct walk *w, const char *option)
{
	return strcmp(option, "tls key") == 0 ||
	       (strcmp(option, "tls certificate") == 0 && !w->is_first_key);
}

static int compare(struct walk *w, struct str a, struct str b, running_change_fn *each,
	void *context)
{
	char option[2 * NAME_MAX_LEN];

	a = str_trim(a);
	if (a.len && a.ptr[a.len - 1] == '{')
		enter(w, a);
	else if (str_eq(a, STR_LIT("}")))
		leave(w);
	if (str_eq(a, str_trim(b)))
		return 0;
	(void)snprintf(option, sizeof(option), "%s%.*s", w->section,
		STR_ARG(str_take(a, str_index(a, ' '))));
	return is_reloaded(w, option) ? 0 : each(context, option);
}

static int print(const struct settings *s, char **ret)
{
	size_t len;
	FILE *file = open_memstream(ret, &len);

	if (!file)
		return -ENOMEM;
	settings_print(s, file);
	return fclose(file) != 0 ? -ENOMEM : 0;
}

static int compare_all(const struct settings *then, const struct settings *now,
	running_change_fn *each, void *context)
{
	struct walk w = { .section = "",
		.is_first_key = !then->tls.certificates.n != !now->tls.certificates.n };
	char *a = NULL, *b = NULL;
	int r = print(then, &a);
	struct str x, y;

	if (r == 0)
		r = print(now, &b);
	for (x = str_from(a), y = str_from(b); r == 0 && x.len && y.len;)
		r = compare(&w, str_split(&x, '\n'), str_split(&y, '\n'), each, context);
	free(a);
	free(b);
	return r;
}

int running_each_change(const struct settings *s, running_change_fn *each, void *context,
	struct error *err)
{
	struct settings then;
	char path[PATH_MAX];
	int r = settings_run_path(s, RUNNING_FILE, path, sizeof(path));

	if (r == 0)
		r = settings_load(path, &then, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = compare_all(&then, s, each, context);
	settings_fini(&then);
	return r;
}

/* Where the registry, the sockets and the mailboxes are, whose they are, and what the
   kernel was told to know our packets by. */
static int refuse_fixed(void *context, const char *option)
{
	static const char *const fixed[] = { "state_dir", "run_dir", "uid_range",
		"source", "source_moved_to", "mark", "mark_mask", "route_table",
		"rule_preference" };

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (strcmp(fixed[i], option) == 0)
			return error_set(context, -EINVAL,
				"%s has changed, which takes a restart (stop `mailferry "
				"up`, start it again)",
				option);
	return 0;
}

int running_refuse_others(const struct settings *s, struct error *err)
{
	return running_each_change(s, refuse_fixed, err, err);
}
