/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From file to struct. libconfuse reads the syntax and hands over each value as text with
 * its line; options.c says what it means; here are the sections and what must fit
 * together over several options.
 */
#include "settings/settings.h"

#include "base/fd.h"
#include "settings/lmtp.h"
#include "settings/options.h"
#include "settings/smart_host.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (1u << 20) /* a thousand times the longest sane configuration */
#define OPTIONS_MAX 80      /* rows of the largest section, with its sub-sections */

/* libconfuse takes an end of file inside a section or comment for a normal one; so the
   text is followed by this key, which must arrive at the root. */
#define SENTINEL "end-of-file"

/* Where a key was set last. */
struct key_line {
	const void *base;
	const struct option *option;
	unsigned line;
};
#define KEY_LINES_MAX 256 /* options of all sections and services together are fewer */

struct parse {
	const char *name;
	struct settings *settings;
	struct key_line keys[KEY_LINES_MAX];
	size_t n_keys;
	struct error first; /* the one that is reported */
};

/* libconfuse's callbacks have no context of ours; only settings_parse() sets it, for
   the length of one call. */
static _Thread_local struct parse *current;

static struct option_section section_of(
	const cfg_t *cfg, void **ret_base, const char **ret_name)
{
	const struct named_section {
		const char *name;
		void *base;
		struct option_section options;
	} named[] = {
		{ "limits", &current->settings->limits, limit_options },
		{ "tls", &current->settings->tls, tls_options },
		{ "dashboard", &current->settings->dashboard, dashboard_options },
	};
	enum service_id id = service_by_name(cfg->name);

	if (id < SERVICE_COUNT) {
		*ret_base = &current->settings->services[id];
		*ret_name = service_rows[id].name;
		return service_options;
	}
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (strcmp(cfg->name, named[i].name) == 0) {
			*ret_base = named[i].base;
			*ret_name = named[i].name;
			return named[i].options;
		}
	*ret_base = current->settings;
	*ret_name = "";
	return root_options;
}

static void note_repeat(const char *section, const struct key_line *before, unsigned line)
{
	struct settings *s = current->settings;

	if (s->n_repeats == SETTINGS_REPEATS_MAX)
		return;
	s->repeats[s->n_repeats++] = (struct settings_repeat){ .section = section,
		.key = before->option->name,
		.first = before->line,
		.again = line };
}

/* A list comes value by value; its first one begins a line. */
static void note_key(
	const char *section, const void *base, const struct option *o, unsigned line)
{
	struct key_line *k = current->keys, *end = k + current->n_keys;

	while (k < end && (k->base != base || k->option != o))
		k++;
	if (k < end)
		note_repeat(section, k, line);
	else if (current->n_keys < KEY_LINES_MAX)
		current->n_keys++;
	else
		return;
	*k = (struct key_line){ base, o, line };
}

static int take_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct error why = { 0 };
	void *base;
	const char *section;
	const struct option *o =
		option_by_name(section_of(cfg, &base, &section), opt->name);
	size_t index = cfg_opt_size(opt) - 1;
	int r = option_parse(o, base, index, value, &why);

	*(const char **)result = value;
	if (index == 0)
		note_key(section, base, o, (unsigned)cfg->line);
	if (r < 0 && !current->first.code)
		error_set(&current->first, r, "%s:%d: %s", current->name, cfg->line,
			why.text);
	return r < 0 ? -1 : 0;
}

/* Names that an earlier version knew. */
static const char *name_now(const char *key)
{
	static const struct {
		const char *was, *is;
	} names[] = {
		{ "quota_megabytes", "quota = \"10G\"" },
		{ "quota_messages", "quota = \"10G,100000\"" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].was, key) == 0)
			return names[i].is;
	return NULL;
}

static void refuse_unknown(const cfg_t *cfg, const char *key)
{
	void *base;
	const char *section, *close = NULL;

	if (strcmp(key, SENTINEL) == 0) {
		error_set(&current->first, -EINVAL,
			"%s: the file ends inside a section; close it with }",
			current->name);
		return;
	}
	if (name_now(key)) {
		error_set(&current->first, -EINVAL,
			"%s:%d: `%s` has another name now; write it as in  %s",
			current->name, cfg->line, key, name_now(key));
		return;
	}
	if (strcmp(cfg->name, "services") != 0)
		close = option_closest(section_of(cfg, &base, &section), key);
	if (close)
		error_set(&current->first, -EINVAL,
			"%s:%d: unknown key `%s`; did you mean `%s`?", current->name,
			cfg->line, key, close);
	else
		error_set(&current->first, -EINVAL,
			"%s:%d: unknown key `%s`; remove it (mailferry.conf(5) has all "
			"keys)",
			current->name, cfg->line, key);
}

/* libconfuse's own complaints: an unknown key, or its syntax. */
__attribute__((format(printf, 2, 0))) static void take_error(
	cfg_t *cfg, const char *format, va_list args)
{
	char text[ERROR_TEXT_MAX / 2];
	struct str said, head = STR_LIT("no such option '");

	if (current->first.code)
		return;
	(void)vsnprintf(text, sizeof(text), format, args);
	said = str_from(text);
	if (str_starts(said, head) && said.len > head.len) {
		text[said.len - 1] = '\0'; /* the closing quote */
		refuse_unknown(cfg, text + head.len);
		return;
	}
	error_set(&current->first, -EINVAL,
		"%s:%d: %s; write  key = value  or  section { … }", current->name,
		cfg->line, text);
}

static void describe(struct option_section section, cfg_opt_t *ret_opts)
{
	for (size_t i = 0; i < section.count; i++) {
		const struct option *o = &section.rows[i];
		bool list = o->kind == OPTION_ADDRESSES || o->kind == OPTION_DOMAINS ||
		            o->kind == OPTION_PATHS || o->kind == OPTION_MILTERS ||
		            o->kind == OPTION_LMTP || o->kind == OPTION_NETWORKS ||
		            o->kind == OPTION_PLACES;
		cfg_opt_t one = CFG_STR_CB(o->name, NULL, CFGF_NODEFAULT, take_value);
		cfg_opt_t many =
			CFG_STR_LIST_CB(o->name, NULL, CFGF_NODEFAULT, take_value);

		ret_opts[i] = list ? many : one;
	}
	ret_opts[section.count] = (cfg_opt_t)CFG_END();
}

struct grammar {
	cfg_opt_t service[OPTIONS_MAX], limits[OPTIONS_MAX], root[OPTIONS_MAX];
	cfg_opt_t tls[OPTIONS_MAX], dashboard[OPTIONS_MAX];
	cfg_opt_t services[SERVICE_COUNT + 1];
};

static void describe_all(struct grammar *g)
{
	size_t n = root_options.count;

	describe(service_options, g->service);
	describe(limit_options, g->limits);
	describe(tls_options, g->tls);
	describe(dashboard_options, g->dashboard);
	describe(root_options, g->root);
	for (int i = 0; i < SERVICE_COUNT; i++)
		g->services[i] = (cfg_opt_t)CFG_SEC(
			service_rows[i].name, g->service, CFGF_NODEFAULT);
	g->services[SERVICE_COUNT] = (cfg_opt_t)CFG_END();
	g->root[n] = (cfg_opt_t)CFG_SEC("services", g->services, CFGF_NODEFAULT);
	g->root[n + 1] = (cfg_opt_t)CFG_SEC("limits", g->limits, CFGF_NODEFAULT);
	g->root[n + 2] = (cfg_opt_t)CFG_SEC("tls", g->tls, CFGF_NODEFAULT);
	g->root[n + 3] = (cfg_opt_t)CFG_SEC("dashboard", g->dashboard, CFGF_NODEFAULT);
	g->root[n + 4] = (cfg_opt_t)CFG_STR(SENTINEL, NULL, CFGF_NODEFAULT);
	g->root[n + 5] = (cfg_opt_t)CFG_END();
}

static int set_defaults(struct settings *s, struct error *err)
{
	int r = option_set_defaults(root_options, s, err);

	for (int i = 0; r == 0 && i < SERVICE_COUNT; i++) {
		s->services[i].port = service_rows[i].port;
		s->services[i].enabled = true;
		s->services[i].source_tls = service_rows[i].source_tls;
		s->services[i].source_verify = SOURCE_VERIFY_COUNT;
		r = option_set_defaults(service_options, &s->services[i], err);
	}
	if (r == 0)
		r = option_set_defaults(tls_options, &s->tls, err);
	if (r == 0)
		r = option_set_defaults(dashboard_options, &s->dashboard, err);
	return r < 0 ? r : option_set_defaults(limit_options, &s->limits, err);
}

static int require_lists(const char *name, struct settings *s, struct error *err)
{
	if (!s->n_sources)
		return error_set(err, -EINVAL,
			"%s: `source` is missing; add the old server's address:  source "
			"= \"192.0.2.10\"",
			name);
	if (!s->n_domains)
		return error_set(err, -EINVAL,
			"%s: `domains` is missing; add the mail domains it serves:  "
			"domains = {\"example.com\"}",
			name);
	return 0;
}

static int check_services(const char *name, const struct settings *s, struct error *err)
{
	for (int i = 0; i < SERVICE_COUNT; i++) {
		if (!s->services[i].enabled)
			continue;
		for (int j = 0; j < i; j++)
			if (s->services[j].enabled &&
				s->services[j].port == s->services[i].port)
				return error_set(err, -EINVAL,
					"%s: services: `%s` and `%s` both have port %u; "
					"change one or disable it",
					name, service_rows[j].name, service_rows[i].name,
					s->services[i].port);
	}
	return 0;
}

/* `mark` lies in the upper three bits of `mark_mask`. */
static int settle_mark(const char *name, struct settings *s, struct error *err)
{
	uint32_t packets = s->mark_mask & (s->mark_mask - 1);

	if (!s->mark)
		s->mark = packets & -packets;
	if (s->mark & ~packets)
		return error_set(err, -EINVAL,
			"%s: `mark` 0x%x has bits that are none of 0x%x, the upper three "
			"of `mark_mask`; leave it out, or take one of those",
			name, s->mark, packets);
	return 0;
}

/* One that is not set is that file in state_dir. */
static int settle_path(
	char **path, const char *directory, const char *name, struct error *err)
{
	if (*path || asprintf(path, "%s/%s", directory, name) >= 0)
		return 0;
	*path = NULL;
	return error_set(err, -ENOMEM, "no memory");
}

#define SOCKET_PATH_MAX 107 /* sun_path without its NUL, unix(7) */

static int require_own_leg(const char *name, const struct settings *s, struct error *err)
{
	for (int i = 0; i < SERVICE_COUNT; i++)
		if (s->services[i].source_proxy != SOURCE_PROXY_NO &&
			(!s->source_leg_explicit || s->source_leg != SOURCE_LEG_OWN))
			return error_set(err, -EINVAL,
				"%s: services: %s: `source_proxy` tells the source of "
				"clients that it does not see itself; set source_leg = "
				"\"own\"",
				name, service_name((enum service_id)i));
	return 0;
}

static int require_lmtp_clients(
	const char *name, const struct settings *s, struct error *err)
{
	struct error why = { 0 };
	int r = lmtp_check(s, &why);

	return r < 0 ? error_set(err, r, "%s: %s", name, why.text) : 0;
}

static int settle_destination(const char *name, struct settings *s, struct error *err)
{
	struct error why = { 0 };
	int r = destination_settle(s, &why);

	return r < 0 ? error_set(err, r, "%s: %s", name, why.text) : 0;
}

static int require_safe_login(
	const char *name, const struct settings *s, struct error *err)
{
	struct error why = { 0 };
	struct smart_host h;
	int r = *s->smart_host_credentials ? smart_host_parse(s->smart_host, &h) : 0;

	if (r == 0 && *s->smart_host_credentials)
		r = smart_host_check_login(&h, s->smart_host_verify, &why);
	return r < 0 ? error_set(err, r, "%s: %s", name, why.text) : 0;
}

/* What follows from other options, and what must fit together. */
static int complete(const char *name, struct settings *s, struct error *err)
{
	size_t most = SOCKET_PATH_MAX - strlen("/" INTERCEPTOR_SOCKET);
	int r = require_lists(name, s, err);

	if (r < 0)
		return r;
	for (int i = 0; i < SERVICE_COUNT; i++) {
		if (!s->services[i].upstream_port)
			s->services[i].upstream_port = s->services[i].port;
		if (s->services[i].source_verify == SOURCE_VERIFY_COUNT)
			s->services[i].source_verify = s->tls.source_verify;
	}
	if (s->tls.certificates.n != s->tls.keys.n)
		return error_set(err, -EINVAL,
			"%s: tls: %zu in `certificate` and %zu in `key`; each "
			"certificate needs its key, in the same order",
			name, s->tls.certificates.n, s->tls.keys.n);
	r = settle_mark(name, s, err);
	if (r == 0)
		r = require_own_leg(name, s, err);
	if (r == 0)
		r = require_lmtp_clients(name, s, err);
	if (r == 0)
		r = settle_destination(name, s, err);
	if (r == 0)
		r = require_safe_login(name, s, err);
	if (r < 0)
		return r;
	r = settle_path(&s->key_file, s->state_dir, "key", err);
	if (r == 0)
		r = settle_path(
			&s->dashboard.token_file, s->state_dir, "dashboard.token", err);
	if (r < 0)
		return r;
	if (strlen(s->run_dir) > most)
		return error_set(err, -EINVAL,
			"%s: `run_dir` is longer than %zu bytes, too long for a socket's "
			"path; choose a shorter one",
			name, most);
	return check_services(name, s, err);
}

static void read_all(FILE *stream, cfg_t *cfg, struct parse *p)
{
	(void)cfg_set_error_function(cfg, take_error);
	current = p;
	if (cfg_parse_fp(cfg, stream) != CFG_SUCCESS && !p->first.code)
		error_set(&p->first, -EINVAL, "%s: cannot be read", p->name);
	current = NULL;
	if (!p->first.code && !cfg_size(cfg, SENTINEL))
		error_set(&p->first, -EINVAL, "%s: the file ends inside a comment",
			p->name);
	p->settings->n_sources = cfg_size(cfg, "source");
	p->settings->n_domains = cfg_size(cfg, "domains");
	p->settings->fail_explicit = cfg_size(cfg, "fail") > 0;
	p->settings->source_leg_explicit = cfg_size(cfg, "source_leg") > 0;
}

static int run_parser(const char *text, struct parse *p)
{
	struct grammar g;
	char *whole = NULL;
	FILE *stream = NULL;
	cfg_t *cfg = NULL;

	describe_all(&g);
	if (asprintf(&whole, "%s\n%s = yes\n", text, SENTINEL) < 0)
		whole = NULL;
	if (whole)
		stream = fmemopen(whole, strlen(whole), "r");
	if (stream)
		cfg = cfg_init(g.root, CFGF_NONE);
	if (cfg)
		read_all(stream, cfg, p);
	else
		error_set(&p->first, -ENOMEM, "no memory");
	if (cfg)
		(void)cfg_free(cfg);
	if (stream)
		(void)fclose(stream);
	free(whole);
	return p->first.code;
}

int settings_parse(
	const char *name, const char *text, struct settings *ret, struct error *err)
{
	struct settings s = { 0 };
	struct parse p = { .name = name, .settings = &s };
	int r = set_defaults(&s, err);

	if (r == 0) {
		r = run_parser(text, &p);
		if (r < 0)
			error_set(err, r, "%s", p.first.text);
	}
	if (r == 0)
		r = complete(name, &s, err);
	if (r < 0) {
		settings_fini(&s);
		return r;
	}
	*ret = s;
	return 0;
}

static int read_text(const char *path, char **ret_text, struct error *err)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat about;
	char *text;
	int r;

	if (fd < 0 && errno == ENOENT)
		return error_set(err, -ENOENT,
			"there is no configuration %s; write it (three lines: source, "
			"domains, strategy), or name another with -c FILE",
			path);
	if (fd < 0)
		return error_errno(err, -errno, "cannot read the configuration %s", path);
	if (fstat(fd, &about) < 0 || !S_ISREG(about.st_mode) || about.st_size > FILE_MAX)
		return error_set(err, -EINVAL,
			"%s is not a configuration: a text file of at most 1 MiB", path);
	text = calloc(1, (size_t)about.st_size + 1);
	if (!text)
		return error_set(err, -ENOMEM, "no memory");
	r = fd_read_all(fd, text, (size_t)about.st_size);
	if (r == 0 && strlen(text) != (size_t)about.st_size)
		r = -EINVAL;
	if (r < 0) {
		free(text);
		return error_set(err, r,
			"%s is not a configuration: it holds NUL bytes or changes while "
			"it is read",
			path);
	}
	*ret_text = text;
	return 0;
}

int settings_load(const char *path, struct settings *ret, struct error *err)
{
	char *text = NULL;
	int r = read_text(path, &text, err);

	if (r < 0)
		return r;
	r = settings_parse(path, text, ret, err);
	free(text);
	return r;
}

void settings_fini(struct settings *s)
{
	/* on a failed parse n_domains may lag behind what was filled in */
	for (size_t i = 0; i < SETTINGS_DOMAINS_MAX; i++)
		free(s->domains[i]);
	free(s->state_dir);
	free(s->run_dir);
	free(s->key_file);
	free(s->window);
	free(s->user_prefix);
	free(s->master_separator);
	free(s->source_moved_to);
	free(s->smart_host);
	free(s->smart_host_name);
	free(s->smart_host_pin);
	free(s->smart_host_credentials);
	free(s->source_name);
	free(s->lmtp_group);
	free(s->maildir_owner);
	free(s->destination_name);
	free(s->destination_pin);
	free(s->tls.ciphers);
	free(s->dashboard.listen);
	free(s->metrics);
	free(s->dashboard.token_file);
	for (size_t i = 0; i < SETTINGS_FILES_MAX; i++) {
		free(s->tls.certificates.paths[i]);
		free(s->tls.keys.paths[i]);
		free(s->milters.paths[i]);
		free(s->lmtp.paths[i]);
		free(s->lmtp_clients.paths[i]);
		free(s->source_neighbours.paths[i]);
		free(s->destinations.paths[i]);
	}
	*s = (struct settings){ 0 };
}
