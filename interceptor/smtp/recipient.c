/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/smtp/recipient.h"

#include "base/buf.h"
#include "registry/alias.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define INNER_MAX 3 /* addresses within addresses: "a%b%c@d"; more has no use */

/* ---- domains ---- */

static bool has_address(const struct settings *settings, int family, const void *address)
{
	for (size_t i = 0; i < settings->n_sources; i++) {
		const void *source = &settings->sources[i];
		const struct sockaddr_in *v4 = source;
		const struct sockaddr_in6 *v6 = source;

		if (settings->sources[i].ss_family != family)
			continue;
		if (family == AF_INET ? !memcmp(&v4->sin_addr, address, 4)
				      : !memcmp(&v6->sin6_addr, address, 16))
			return true;
	}
	return false;
}

/* "[192.0.2.10]", "[ipv6:2001:db8::10]" (RFC 5321, 4.1.3). */
static bool is_source_literal(const struct settings *settings, struct str domain)
{
	struct str text = str_take(str_skip(domain, 1), domain.len - 2);
	bool is_v6 = str_istarts(text, STR_LIT("IPv6:"));
	char copy[INET6_ADDRSTRLEN], address[16];

	if (is_v6)
		text = str_skip(text, 5);
	if (text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return inet_pton(is_v6 ? AF_INET6 : AF_INET, copy, address) == 1 &&
	       has_address(settings, is_v6 ? AF_INET6 : AF_INET, address);
}

/* The server itself, whatever domain that stands for. */
static bool is_host(const struct recipient_names *names, struct str domain)
{
	if (!domain.len || str_eq(domain, STR_LIT("localhost")) ||
		str_starts(domain, STR_LIT("localhost.")))
		return true;
	if (domain.len > 2 && domain.ptr[0] == '[')
		return is_source_literal(names->settings, domain);
	return str_ieq(domain, names->source_name);
}

bool recipient_is_ours(const struct recipient_names *names, struct str domain)
{
	return settings_has_domain(names->settings, domain) || is_host(names, domain);
}

/* ---- accounts ---- */

/* -EINVAL: two accounts may be meant, and one of them does not live at the source. */
static int merge(const struct account_route *found, struct recipient *ret, size_t *n)
{
	bool both_at_source = found->route == ROUTE_SOURCE &&
	                      (!*n || ret->account.route == ROUTE_SOURCE);

	if (*n && found->id != ret->account.id && !both_at_source)
		return -EINVAL;
	if (!*n)
		ret->account = *found;
	++*n;
	return 0;
}

/* Every domain of ours is tried; with several, also an account of just that name, which
   is then no address of any of them (registry/alias.h). */
static int find_at_host(const struct recipient_names *names, struct str local,
	struct recipient *ret, struct error *err)
{
	const struct settings *settings = names->settings;
	struct account_route found;
	size_t n = 0;
	int r = -ENOENT;

	for (size_t i = 0; i < settings->n_domains; i++) {
		r = registry_address(names->registry, local,
			str_from(settings->domains[i]), &found, err);
		if (r == 0)
			r = merge(&found, ret, &n);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	if (settings->n_domains != 1) {
		r = registry_route(names->registry, local, &found, err);
		if (r == 0)
			r = merge(&found, ret, &n);
	}
	return r == -ENOENT && n ? 0 : r;
}

/* "Lists" of alice+Lists. */
static struct str subaddress(const struct settings *settings, struct str local)
{
	const char *delimiters = settings_subaddress(settings);
	size_t n = 1; /* "+x" alone is a name */

	while (n < local.len && !strchr(delimiters, local.ptr[n]))
		n++;
	return str_skip(local, n + 1);
}

static int find(const struct recipient_names *names, const struct smtp_address *a,
	struct arena *arena, struct recipient *ret, struct error *err)
{
	struct smtp_address inner, at = *a;
	int r = -ENOENT;

	for (int depth = 0; depth <= INNER_MAX && r == -ENOENT; depth++) {
		struct smtp_address here = at;

		if (is_host(names, at.domain) &&
			!settings_has_domain(names->settings, at.domain)) {
			here.domain = STR_LIT("");
			r = find_at_host(names, at.local, ret, err);
		} else {
			r = registry_address(
				names->registry, at.local, at.domain, &ret->account, err);
		}
		if (r == 0 && ret->account.by_subaddress)
			ret->subaddress = subaddress(names->settings, at.local);
		if (r == 0 || depth == 0)
			ret->address = here;
		if (!recipient_is_ours(names, at.domain) ||
			!smtp_address_inner(&at, arena, &inner))
			return r;
		at = inner;
	}
	return r;
}

/* ---- what has no known form ---- */

static bool may_be_ours(const struct recipient_names *names, struct str text)
{
	const struct settings *settings = names->settings;

	if (str_index(text, '@') == text.len || str_index(text, '[') < text.len ||
		str_ihas(text, STR_LIT("localhost")) ||
		(names->source_name.len && str_ihas(text, names->source_name)))
		return true;
	for (size_t i = 0; i < settings->n_domains; i++)
		if (str_ihas(text, str_from(settings->domains[i])))
			return true;
	return false;
}

static int unreadable(
	const struct recipient_names *names, struct recipient *ret, struct error *err)
{
	bool any_local = true;
	int r = registry_any_local(names->registry, &any_local, err);

	ret->is = any_local ? RECIPIENT_UNREADABLE : RECIPIENT_ANYBODY;
	return r;
}

int recipient_find(const struct recipient_names *names, struct str text,
	struct arena *arena, struct recipient *ret, struct error *err)
{
	struct smtp_address a = { STR(""), STR("") };
	int r;

	*ret = (struct recipient){ .is = RECIPIENT_UNKNOWN, .subaddress = STR("") };
	if (!smtp_address_parse(text, arena, &a))
		return may_be_ours(names, text) ? unreadable(names, ret, err) : 0;
	r = find(names, &a, arena, ret, err);
	if (r == 0)
		ret->is = RECIPIENT_KNOWN;
	if (r == -EINVAL)
		return unreadable(names, ret, err);
	return r == -ENOENT ? 0 : r;
}

struct str recipient_subaddress(
	const struct recipient_names *names, struct str text, struct arena *arena)
{
	struct recipient to;
	struct error err = { 0 };

	if (!names->settings->subaddress_folder ||
		recipient_find(names, text, arena, &to, &err) < 0 ||
		to.is != RECIPIENT_KNOWN)
		return STR_LIT("");
	return arena_str(arena, to.subaddress);
}

/* ---- for another server ---- */

/* alice, ALICE+news: of account alice, or alice@example.com. */
static bool spells(const struct recipient_names *names, const struct smtp_address *a,
	struct str account)
{
	const char *delimiters = settings_subaddress(names->settings);
	size_t at = str_index(account, '@'), n = 1;
	struct str name = str_take(account, at), domain = str_skip(account, at + 1);

	while (n < a->local.len && !strchr(delimiters, a->local.ptr[n]))
		n++;
	return settings_has_domain(names->settings, a->domain) &&
	       (!domain.len || str_ieq(domain, a->domain)) &&
	       (str_ieq(a->local, name) || str_ieq(str_take(a->local, n), name));
}

struct str recipient_at_home(const struct recipient_names *names, struct str text,
	struct str account, struct arena *arena)
{
	struct smtp_address a;
	struct buf address;
	struct str copy = { 0 };
	int r;

	if (smtp_address_parse(text, arena, &a) && spells(names, &a, account))
		return arena_str(arena, text);
	buf_init(&address, 0);
	r = buf_append(&address, account);
	if (r == 0 && str_index(account, '@') == account.len)
		r = buf_printf(&address, "@%s", names->settings->domains[0]);
	if (r == 0)
		copy = arena_str(arena, buf_view(&address));
	buf_fini(&address);
	return copy;
}
