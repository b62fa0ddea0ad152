/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Questions to settings, and the names of their values. */
#include "settings/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

const char *service_name(enum service_id id)
{
	if (id == SERVICE_LMTP)
		return "lmtp";
	return id < SERVICE_COUNT ? service_rows[id].name : "none";
}

enum service_id service_by_name(const char *name)
{
	int id = 0;

	while (id < SERVICE_COUNT && strcmp(service_rows[id].name, name) != 0)
		id++;
	return (enum service_id)id;
}

static const char *choice_name(
	struct option_section section, const char *option, int value)
{
	return option_by_name(section, option)->choices[value];
}

const char *strategy_name(enum strategy s)
{
	return choice_name(root_options, "strategy", (int)s);
}

const char *fail_mode_name(enum fail_mode f)
{
	return choice_name(root_options, "fail", (int)f);
}

const char *settings_subaddress(const struct settings *s)
{
	return s->subaddress == SUBADDRESS_NONE
	               ? ""
	               : choice_name(root_options, "subaddress", (int)s->subaddress);
}

const char *service_tls_name(enum service_tls t)
{
	return choice_name(service_options, "tls", (int)t);
}

const char *tls_version_name(enum tls_version v)
{
	return choice_name(tls_options, "min_version", (int)v);
}

bool settings_ends_tls(const struct settings *s, enum service_id id)
{
	return s->services[id].tls == SERVICE_TLS_AUTO && s->tls.certificates.n;
}

void settings_take_files(struct settings *s, struct settings *from)
{
	struct settings_files certificates = s->tls.certificates, keys = s->tls.keys;

	s->tls.certificates = from->tls.certificates;
	s->tls.keys = from->tls.keys;
	from->tls.certificates = certificates;
	from->tls.keys = keys;
}

bool service_is_implicit(enum service_id id)
{
	return service_rows[id].implicit_tls;
}

enum fail_mode settings_effective_fail(const struct settings *s, bool any_local)
{
	return any_local && !s->fail_explicit ? FAIL_CLOSED : s->fail;
}

const struct sockaddr_storage *settings_source(const struct settings *s, int family)
{
	for (size_t i = 0; i < s->n_sources; i++)
		if (s->sources[i].ss_family == family)
			return &s->sources[i];
	return NULL;
}

bool settings_has_domain(const struct settings *s, struct str domain)
{
	for (size_t i = 0; i < s->n_domains; i++)
		if (str_ieq(str_from(s->domains[i]), domain))
			return true;
	return false;
}

size_t settings_upstreams(const struct settings *s,
	struct sockaddr_storage ret[static SETTINGS_SOURCES_MAX])
{
	if (s->source_moved_to && s->source_moved_to[0])
		return address_read(s->source_moved_to, &ret[0]);
	memcpy(ret, s->sources, sizeof(s->sources));
	return s->n_sources;
}

struct sockaddr_storage settings_upstream(const struct settings *s)
{
	struct sockaddr_storage all[SETTINGS_SOURCES_MAX];

	return settings_upstreams(s, all) ? all[0] : s->sources[0];
}

static uint16_t host_text(
	const struct sockaddr_storage *a, char text[static ADDRESS_TEXT_MAX])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
	const void *bytes = a->ss_family == AF_INET6 ? (const void *)&v6->sin6_addr
	                                             : (const void *)&v4->sin_addr;

	if (!inet_ntop(a->ss_family, bytes, text, ADDRESS_TEXT_MAX))
		(void)snprintf(text, ADDRESS_TEXT_MAX, "?"); /* neither family */
	return ntohs(a->ss_family == AF_INET6 ? v6->sin6_port : v4->sin_port);
}

void address_text(const struct sockaddr_storage *a, char text[static ADDRESS_TEXT_MAX])
{
	(void)host_text(a, text);
}

void address_port_text(
	const struct sockaddr_storage *a, char text[static ADDRESS_TEXT_MAX])
{
	char host[ADDRESS_TEXT_MAX];
	uint16_t port = host_text(a, host);

	(void)snprintf(text, ADDRESS_TEXT_MAX,
		a->ss_family == AF_INET6 ? "[%.45s]:%u" : "%.45s:%u", host, port);
}

static int join(const char *directory, const char *name, char *path, size_t size)
{
	int len = snprintf(path, size, "%s/%s", directory, name);

	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

int settings_state_path(
	const struct settings *s, const char *name, char *path, size_t size)
{
	return join(s->state_dir, name, path, size);
}

int settings_run_path(const struct settings *s, const char *name, char *path, size_t size)
{
	return join(s->run_dir, name, path, size);
}

static bool is_plain(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '@' || c == '-' || c == '_' || c == '+' ||
	       c == '=' || (c == '.' && !first);
}

int settings_mail_path(
	const struct settings *s, struct str account, char *path, size_t size)
{
	char name[NAME_MAX + 1];
	char relative[sizeof(MAIL_DIRECTORY "/") + NAME_MAX];
	size_t len = 0;

	for (size_t i = 0; i < account.len; i++) {
		char c = account.ptr[i];
		bool plain = is_plain(c, i == 0);

		if (len + (plain ? 1 : 3) > NAME_MAX)
			return -ENAMETOOLONG;
		if (plain)
			name[len++] = c;
		else
			len += (size_t)snprintf(name + len, sizeof(name) - len, "%%%02X",
				(unsigned char)c);
	}
	if (!len)
		return -EINVAL;
	(void)snprintf(
		relative, sizeof(relative), MAIL_DIRECTORY "/%.*s", (int)len, name);
	return join(s->state_dir, relative, path, size);
}

uint16_t settings_listen_port(const struct settings *s, enum service_id id)
{
	return (uint16_t)(s->listen_port + id);
}
