/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry rules install|show|check|remove */
#include "control/control.h"
#include "control/output.h"
#include "control/rights.h"
#include "control/rules_wanted.h"

#include <errno.h>
#include <string.h>

static int wanted(struct control *c, struct ruleset *ret)
{
	struct registry *r;
	bool any_local = false;
	int code = control_registry(c, &r);

	if (code == 0) {
		code = registry_any_local(r, &any_local, &c->err);
		registry_close(r);
	}
	if (code < 0 && code != -ENOENT)
		return code;
	return rules_wanted(&c->settings, any_local, ret, &c->err);
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

static enum exit_code install(struct control *c)
{
	struct ruleset rules;
	bool changed;
	int code = wanted(c, &rules);

	if (code == 0)
		code = rules_install(&rules, &changed, &c->err);
	if (code < 0)
		return control_fail(c);
	return print_changed(c, changed, "installed", "installed already, nothing to do");
}

static enum exit_code take_out(struct control *c)
{
	bool changed;

	if (rules_remove(RULES_ROUTE_TABLE, &changed, &c->err) < 0)
		return control_fail(c);
	return print_changed(c, changed, "removed", "nothing was installed");
}

static enum exit_code show(struct control *c)
{
	struct buf text;
	enum exit_code code = EXIT_DONE;

	buf_init(&text, 0);
	if (rules_show(RULES_ROUTE_TABLE, &text, &c->err) < 0)
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
	enum exit_code (*run)(struct control *c);
} verbs[] = {
	{ "install", install },
	{ "show", show },
	{ "check", check },
	{ "remove", take_out },
};

enum exit_code cmd_rules(struct control *c)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, c->arguments[0]) == 0)
			return rights_require_network(&c->err) < 0 ? control_fail(c)
			                                           : verbs[i].run(c);
	error_set(&c->err, -EINVAL,
		"rules wants install, show, check or remove, not \"%s\"",
		c->arguments[0]);
	(void)control_fail(c);
	return EXIT_USAGE;
}
