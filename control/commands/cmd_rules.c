/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry rules begin|install|confirm|show|check|remove|end */
#include "control/accounts/folders.h"
#include "control/running/counts_keep.h"
#include "control/running/part.h"
#include "control/running/rights.h"
#include "control/running/rules_wanted.h"
#include "control/terminal/control.h"
#include "control/terminal/output.h"
#include "control/terminal/prompt.h"
#include "control/up/kernel_settings.h"
#include "control/up/rules_confirm.h"
#include "control/up/up_rules.h"

#include "messages/ask.h"

#include <errno.h>
#include <string.h>

/* No registry: nobody has ever logged in through us, or it is lost. */
static int any_lives_here(struct control *c, bool *ret_any)
{
	struct registry *r;
	int code = control_registry(c, &r);

	*ret_any = false;
	if (code == -ENOENT)
		return folders_refuse_strays(c, NULL);
	if (code < 0)
		return code;
	code = registry_any_local(r, ret_any, &c->err);
	registry_close(r);
	return code;
}

/* Without a registry, mail folders say whether it is lost. One that cannot be read (at
   boot we may not read all of them) may be in service. */
static bool may_be_lost(struct control *c)
{
	if (folders_refuse_strays(c, NULL) == 0)
		return false;
	(void)fputs("mailferry: ", stderr);
	output_clean(str_from(c->err.text), stderr);
	(void)fputs(". Until then the rules refuse everybody\n", stderr);
	return true;
}

/* --closed asks no registry: at boot its disk may not be there yet. */
static int wanted(struct control *c, struct ruleset *ret)
{
	struct registry *r = NULL;
	bool any_local = c->closed;
	int code = c->closed ? 0 : control_registry(c, &r);

	if (code == -ENOENT) {
		any_local = may_be_lost(c);
		code = 0;
	}
	if (code == 0 && r)
		code = registry_any_local(r, &any_local, &c->err);
	if (code == 0)
		code = rules_wanted(&c->settings, r, any_local, ret, &c->err);
	if (code == 0 && c->closed)
		ret->fail = RULES_FAIL_CLOSED;
	registry_close(r);
	return code;
}

static enum exit_code print_changed(
	struct control *c, bool changed, const char *news, const char *no_news)
{
	if (c->json)
		return output_json(json_pack("{s:b}", "changed", changed), stdout) < 0
		               ? control_fail(c)
		               : EXIT_DONE;
	(void)puts(changed ? news : no_news);
	return EXIT_DONE;
}

/* The counters go on where they were. */
static int install_kept(struct control *c, const struct ruleset *rules, bool *ret_changed)
{
	struct registry *r = NULL;
	int code;

	if (!c->closed)
		(void)control_registry(c, &r);
	code = counts_install(r, rules, ret_changed, &c->err);
	registry_close(r);
	return code;
}

static void keep_counts(struct control *c)
{
	struct registry *r = NULL;

	if (control_registry(c, &r) == 0)
		(void)counts_save(r, NULL);
	registry_close(r);
}

/* The rules as an nft file, and what would change in the kernel. */
static int print_dry(struct control *c, struct str text, struct str lines)
{
	json_t *all;

	if (!c->json) {
		(void)fwrite(text.ptr, 1, text.len, stdout);
		(void)puts(lines.len ? "# now in the kernel, and as wanted:"
				     : "# the kernel has them already");
		while (lines.len) {
			struct str line = str_split(&lines, '\n');

			(void)printf("# %.*s\n", STR_ARG(line));
		}
		return 0;
	}
	all = json_array();
	while (lines.len)
		(void)json_array_append_new(all, output_string(str_split(&lines, '\n')));
	return output_json(json_pack("{s:b, s:o, s:o}", "dry_run", true, "rules",
				   output_string(text), "differences", all),
		stdout);
}

static enum exit_code dry_run(struct control *c)
{
	struct ruleset rules;
	struct buf text, lines;
	size_t n = 0;
	int code = wanted(c, &rules);

	buf_init(&text, 0);
	buf_init(&lines, 0);
	if (code == 0)
		code = rules_dry_run(&rules, &c->err);
	if (code == 0)
		code = rules_text(&rules, &text, &c->err);
	if (code == 0)
		code = rules_check(&rules, &lines, &n, &c->err);
	if (code == 0)
		code = print_dry(c, buf_view(&text), buf_view(&lines));
	buf_fini(&text);
	buf_fini(&lines);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}

/* Whoever takes them back waits before they go in: they may cut us off. */
static int await_confirmation(struct control *c)
{
	unsigned seconds = 0;
	int code = c->confirm ? rules_confirm_seconds(c, &seconds) : 0;

	if (code < 0 || !c->confirm)
		return code;
	if (ask_runs(c->settings.run_dir, INTERCEPTOR_SOCKET))
		return error_set(&c->err, -EBUSY,
			"`mailferry up` runs and keeps them; --confirm is for rules "
			"alone");
	code = rules_confirm_await(c, seconds);
	if (code == 0 && !c->json)
		(void)printf("They go again in %u s unless you say: mailferry rules "
			     "confirm\n",
			seconds);
	(void)fflush(stdout);
	return code;
}

static enum exit_code install(struct control *c)
{
	struct ruleset rules;
	bool changed;
	int code = c->dry_run ? 0 : wanted(c, &rules);

	if (c->dry_run)
		return dry_run(c);
	if (code == 0)
		code = await_confirmation(c);
	if (code == 0)
		code = install_kept(c, &rules, &changed);
	if (code == -EINVAL && c->confirm)
		return control_misuse(c);
	if (code < 0)
		return control_fail(c);
	return print_changed(c, changed, "installed", "installed already, nothing to do");
}

/* Whether they may go: nobody lives here, or the admin knows what it means. A registry
   that cannot be read may have anybody. */
static int confirm_removal(struct control *c)
{
	struct error unread;
	bool any = true, yes = c->yes;
	int code;

	if (ask_runs(c->settings.run_dir, INTERCEPTOR_SOCKET))
		return error_set(&c->err, -EBUSY,
			"`mailferry up` runs and would put them back at once; stop it "
			"first");
	code = any_lives_here(c, &any);
	unread = c->err;
	if (code == 0 && !any)
		return 0;
	if (!c->json)
		(void)printf("%s. Without the rules their users and their mail get past "
			     "mailferry to the old mailboxes at the source.\n",
			code < 0 ? unread.text
				 : "Accounts live here, or are on their way");
	code = yes ? 0 : prompt_yes("Remove the rules? Type yes: ", &yes, &c->err);
	return code < 0 || yes ? code
	                       : error_set(&c->err, -ECANCELED, "nothing was removed");
}

static enum exit_code take_out(struct control *c)
{
	bool changed;

	if (confirm_removal(c) < 0)
		return control_fail(c);
	keep_counts(c);
	if (rules_remove(c->settings.route_table, &changed, &c->err) < 0)
		return control_fail(c);
	return print_changed(c, changed, "removed", "nothing was installed");
}

/* As `mailferry up` would have ended them. */
static int end_with(struct control *c, struct registry *r)
{
	struct up_rules *rules = NULL;
	int code = up_rules_new(&c->settings, r, &rules, &c->err);

	if (code == 0)
		code = up_rules_end(rules, &c->err);
	up_rules_free(&rules);
	return code;
}

/* Nobody has ever been here: there is no registry, and none is lost. */
static bool is_unused(struct control *c)
{
	struct registry *r = NULL;
	int code = control_registry(c, &r);

	registry_close(r);
	return code == -ENOENT && folders_refuse_strays(c, NULL) == 0;
}

/* At boot: before the first start of all there is nothing that the rules could keep. */
static enum exit_code begin(struct control *c)
{
	return is_unused(c) ? print_changed(c, false, "", "nobody has ever been here")
	                    : install(c);
}

static enum exit_code end(struct control *c)
{
	struct registry *r = NULL;
	int code, pid = part_holder(&c->settings, DUTY_RULES);

	if (pid > 0) {
		error_set(&c->err, -EBUSY,
			"`mailferry up` runs (pid %d) and ends them when it ends", pid);
		return control_fail(c);
	}
	keep_counts(c);
	code = control_registry(c, &r);
	if (code == 0)
		code = end_with(c, r);
	else if (code == -ENOENT) /* `up` had one: nobody knows now who lives here */
		error_set(&c->err, code,
			"the registry is not there: rules that are in the kernel stay; "
			"`mailferry rules remove` takes them out");
	registry_close(r);
	kernel_settings_end(&c->settings);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}

static enum exit_code confirm(struct control *c)
{
	if (rules_confirm_now(c) < 0)
		return control_fail(c);
	return print_changed(c, true, "confirmed: they stay", "");
}

static enum exit_code show(struct control *c)
{
	struct buf text;
	enum exit_code code = EXIT_DONE;

	buf_init(&text, 0);
	if (rules_show(c->settings.route_table, &text, &c->err) < 0)
		code = control_fail(c);
	else if (c->json)
		code = output_json(json_pack("{s:o}", "rules",
					   output_string(buf_view(&text))),
			       stdout) < 0
		               ? control_fail(c)
		               : EXIT_DONE;
	else if (!buf_len(&text))
		(void)puts("# nothing is installed");
	else
		(void)fwrite(buf_view(&text).ptr, 1, buf_len(&text), stdout);
	buf_fini(&text);
	return code;
}

static int print_differences(struct control *c, struct str lines)
{
	json_t *all = json_array();

	if (!c->json) {
		(void)fwrite(lines.ptr, 1, lines.len, stdout);
		json_decref(all);
		return 0;
	}
	while (lines.len)
		if (json_array_append_new(all, output_string(str_split(&lines, '\n'))) <
			0) {
			json_decref(all);
			return -ENOMEM;
		}
	return output_json(json_pack("{s:o}", "differences", all), stdout);
}

static enum exit_code check(struct control *c)
{
	struct ruleset rules;
	struct buf lines;
	size_t n = 0;
	int code = wanted(c, &rules);

	buf_init(&lines, 0);
	if (code == 0)
		code = rules_check(&rules, &lines, &n, &c->err);
	if (code == 0)
		code = print_differences(c, buf_view(&lines));
	buf_fini(&lines);
	if (code < 0)
		return control_fail(c);
	if (!c->json && n == 0)
		(void)puts("as wanted");
	return n ? EXIT_FAILED : EXIT_DONE;
}

static const struct verb {
	const char *name;
	bool installs; /* takes --dry-run, --confirm and --closed */
	enum exit_code (*run)(struct control *c);
} verbs[] = {
	{ "begin", true, begin },
	{ "install", true, install },
	{ "confirm", false, confirm },
	{ "show", false, show },
	{ "check", false, check },
	{ "remove", false, take_out },
	{ "end", false, end },
};

static const struct verb *verb_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

enum exit_code cmd_rules(struct control *c)
{
	const struct verb *v = verb_by_name(c->arguments[0]);

	if (!v) {
		error_set(&c->err, -EINVAL,
			"rules takes begin, install, confirm, show, check, remove or end, "
			"not \"%s\"",
			c->arguments[0]);
		return control_misuse(c);
	}
	if (!v->installs && (c->dry_run || c->confirm || c->closed)) {
		error_set(&c->err, -EINVAL,
			"--dry-run, --confirm and --closed are for `rules install`; "
			"nothing was changed");
		return control_misuse(c);
	}
	return rights_require_network(&c->err) < 0 ? control_fail(c) : v->run(c);
}
