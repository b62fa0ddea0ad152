/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a kind of option looks like as text, both ways. Everything is text to libconfuse;
 * this file decides what it means, so that each mistake gets its own cure.
 */
#include "settings/credential.h"
#include "settings/destination.h"
#include "settings/host_port.h"
#include "settings/lmtp.h"
#include "settings/loopback.h"
#include "settings/milter.h"
#include "settings/quota.h"
#include "settings/smart_host.h"
#include "settings/values_parts.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *field(const struct option *o, void *base)
{
	return (char *)base + o->offset;
}

static int parse_switch(const struct option *o, void *base, size_t index,
	const char *text, struct error *err)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = { { "true", true }, { "false", false }, { "yes", true },
		{ "no", false }, { "on", true }, { "off", false } };

	(void)index;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(text, words[i].word) == 0) {
			*(bool *)field(o, base) = words[i].value;
			return 0;
		}
	return error_set(
		err, -EINVAL, "`%s` is true or false, not \"%s\"", o->name, text);
}

static int parse_number(const struct option *o, void *base, size_t index,
	const char *text, struct error *err)
{
	uint32_t value;

	(void)index;
	if (!str_to_u32(str_from(text), &value) || value < o->least || value > o->most)
		return error_set(err, -EINVAL,
			"`%s` is a number from %u to %u, not \"%s\" (%s)", o->name,
			o->least, o->most, text, o->help);
	if (o->kind == OPTION_PORT)
		*(uint16_t *)field(o, base) = (uint16_t)value;
	else
		*(uint32_t *)field(o, base) = value;
	return 0;
}

static unsigned count_bits(uint32_t bits)
{
	unsigned n = 0;

	for (; bits; bits &= bits - 1)
		n++;
	return n;
}

static int parse_bits(const struct option *o, void *base, size_t index, const char *text,
	struct error *err)
{
	char *end = NULL;
	unsigned long value = strtoul(text, &end, 0);

	(void)index;
	if (!isdigit((unsigned char)*text) || *end || value > UINT32_MAX ||
		(o->least && count_bits((uint32_t)value) != o->least))
		return error_set(err, -EINVAL,
			"`%s` is a number as in \"0x10000000\"%s, not \"%s\" (%s)",
			o->name, o->least ? ", with four bits" : "", text, o->help);
	*(uint32_t *)field(o, base) = (uint32_t)value;
	return 0;
}

static int parse_choice(const struct option *o, void *base, size_t index,
	const char *text, struct error *err)
{
	char all[128] = "";
	size_t used = 0;

	(void)index;
	for (int i = 0; o->choices[i]; i++) {
		if (strcmp(text, o->choices[i]) == 0) {
			*(int *)field(o, base) = i;
			return 0;
		}
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s\"%s\"",
			i ? " or " : "", o->choices[i]);
	}
	return error_set(err, -EINVAL, "`%s` is %s, not \"%s\"", o->name, all, text);
}

static int replace_text(
	const struct option *o, void *base, const char *text, struct error *err)
{
	char **place = field(o, base);
	char *copy = strdup(text);

	if (!copy)
		return error_set(err, -ENOMEM, "no memory");
	free(*place);
	*place = copy;
	return 0;
}

#define PATH_TEXT_MAX 1024 /* with a file name behind it still below PATH_MAX */

static int parse_path(const struct option *o, void *base, size_t index, const char *text,
	struct error *err)
{
	size_t len = strlen(text);

	(void)index;
	if (text[0] != '/')
		return error_set(err, -EINVAL, "`%s` is a path from / on, not \"%s\"",
			o->name, text);
	if (len > PATH_TEXT_MAX)
		return error_set(err, -EINVAL, "`%s` is longer than %d bytes", o->name,
			PATH_TEXT_MAX);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return error_set(
				err, -EINVAL, "`%s` holds a control character", o->name);
	return replace_text(o, base, text, err);
}

/* "%d/NAME" becomes its path. */
static int parse_credential(const struct option *o, void *base, size_t index,
	const char *text, struct error *err)
{
	char path[PATH_TEXT_MAX + 1];

	if (!*text)
		return replace_text(o, base, text, err);
	if (credential_is(text))
		text = credential_path(text, path, sizeof(path));
	if (!text)
		return error_set(err, -EINVAL, "`%s` is longer than %d bytes", o->name,
			PATH_TEXT_MAX);
	return parse_path(o, base, index, text, err);
}

static int parse_paths(const struct option *o, void *base, size_t index, const char *text,
	struct error *err)
{
	struct settings_files *files = field(o, base);
	struct option one = { .name = o->name, .kind = OPTION_PATH };
	int r;

	if (index >= o->most)
		return error_set(
			err, -EINVAL, "`%s` takes at most %u files", o->name, o->most);
	if (!*text)
		return parse_path(&one, &files->paths[index], 0, text, err);
	r = parse_credential(&one, &files->paths[index], 0, text, err);
	if (r == 0)
		files->n = index + 1;
	return r;
}

static int check_milter(const char *text)
{
	struct sockaddr_storage address;

	return milter_address_parse(text, &address);
}

static int check_lmtp(const char *text)
{
	struct sockaddr_storage address;

	return lmtp_address_parse(text, &address);
}

static int check_place(const char *text)
{
	struct destination_settings place;

	return destination_parse(text, &place);
}

/* Lists of texts. */
static const struct list {
	const char *items;
	int (*check)(const char *text); /* 0 or -EINVAL */
	const char *cure;
} lists[] = {
	[OPTION_MILTERS] = { "filters", check_milter,
		"is not where a filter waits; write it as in "
		"\"inet:127.0.0.1:11332\", \"inet:[::1]:11332\" or "
		"\"unix:/path/of/socket\" (names are not resolved)" },
	[OPTION_LMTP] = { "places", check_lmtp,
		"is no place to listen; write it as in \"unix:/run/mailferry/lmtp\", "
		"\"inet:127.0.0.1:24\" or \"inet:[::1]:24\" (names are not resolved)" },
	[OPTION_NETWORKS] = { "networks", lmtp_client_parse,
		"is no address or network; write it as in \"192.0.2.20\", "
		"\"192.0.2.0/24\" or \"2001:db8::/64\" (names are not resolved)" },
	[OPTION_PLACES] = { "places", check_place,
		"is no place for moved mail; write \"store\" (ours), "
		"\"imap://192.0.2.20\", \"imap+starttls://192.0.2.20:143\", "
		"\"imaps://[2001:db8::20]:993\" (names are not resolved) or "
		"\"maildir:/srv/mail/%d/%n\" with %u or %n in it" },
};

static int parse_list(const struct option *o, void *base, size_t index, const char *text,
	struct error *err)
{
	const struct list *list = &lists[o->kind];
	struct settings_files *all = field(o, base);
	struct option one = { .name = o->name };
	int r;

	if (index >= o->most)
		return error_set(err, -EINVAL, "`%s` takes at most %u %s", o->name,
			o->most, list->items);
	if (list->check(text) < 0)
		return error_set(
			err, -EINVAL, "`%s`: \"%s\" %s", o->name, text, list->cure);
	r = replace_text(&one, &all->paths[index], text, err);
	if (r == 0)
		all->n = index + 1;
	return r;
}

static int parse_text(const struct option *o, void *base, size_t index, const char *text,
	struct error *err)
{
	(void)index;
	for (const char *c = text; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			return error_set(err, -EINVAL,
				"`%s` holds a character that is not printable ASCII",
				o->name);
	return replace_text(o, base, text, err);
}

static bool is_clock(const char *t)
{
	return t[0] >= '0' && t[0] <= '2' && t[1] >= '0' && t[1] <= '9' &&
	       (t[0] < '2' || t[1] <= '3') && t[2] == ':' && t[3] >= '0' && t[3] <= '5' &&
	       t[4] >= '0' && t[4] <= '9';
}

static int parse_window(const struct option *o, void *base, size_t index,
	const char *text, struct error *err)
{
	(void)index;
	if (*text && !(strlen(text) == strlen("22:00-05:00") && is_clock(text) &&
			     text[5] == '-' && is_clock(text + 6)))
		return error_set(err, -EINVAL,
			"`%s` is a time of day from-to as in \"22:00-05:00\", or empty, "
			"not \"%s\"",
			o->name, text);
	return replace_text(o, base, text, err);
}

static int bad_address(const struct option *o, const char *text, struct error *err)
{
	return error_set(err, -EINVAL,
		"`%s`: \"%s\" is not an address of a host; write it as in \"192.0.2.10\" "
		"or \"2001:db8::10\" (names are not resolved)",
		o->name, text);
}

static int parse_addresses(const struct option *o, void *base, size_t index,
	const char *text, struct error *err)
{
	struct sockaddr_storage *all = field(o, base);
	struct sockaddr_storage one;

	if (host_read(text, &one) < 0)
		return bad_address(o, text, err);
	if (index >= o->most)
		return error_set(err, -EINVAL, "`%s` takes at most %u addresses", o->name,
			o->most);
	for (size_t i = 0; i < index; i++)
		if (memcmp(&all[i], &one, sizeof(one)) == 0)
			return error_set(
				err, -EINVAL, "`%s` names %s twice", o->name, text);
	all[index] = one;
	return 0;
}

static int parse_address(const struct option *o, void *base, size_t index,
	const char *text, struct error *err)
{
	struct sockaddr_storage one;

	(void)index;
	if (*text && host_read(text, &one) < 0)
		return bad_address(o, text, err);
	return replace_text(o, base, text, err);
}

static int parse_smart_host(const struct option *o, void *base, size_t index,
	const char *text, struct error *err)
{
	struct smart_host h;

	(void)index;
	if (smart_host_parse(text, &h) < 0)
		return error_set(err, -EINVAL,
			"`%s`: \"%s\" is no address of a mail server; write it as in "
			"\"192.0.2.20:25\", \"smtp+starttls://192.0.2.20:25\", "
			"\"smtps://[2001:db8::20]:465\", \"lmtp://127.0.0.1:24\" or "
			"\"lmtp:/path/of/socket\" (names are not resolved)",
			o->name, text);
	return replace_text(o, base, text, err);
}

static int parse_quota(const struct option *o, void *base, size_t index, const char *text,
	struct error *err)
{
	(void)index;
	if (quota_parse(text, field(o, base)) < 0)
		return error_set(err, -EINVAL,
			"`%s`: \"%s\" is no quota; write it as in \"10G\", \"500M\", "
			"\"10G,100000\" (messages) or \"none\"",
			o->name, text);
	return 0;
}

static int parse_percents(const struct option *o, void *base, size_t index,
	const char *text, struct error *err)
{
	(void)index;
	if (percents_parse(text, field(o, base)) < 0)
		return error_set(err, -EINVAL,
			"`%s`: \"%s\" is not one to four numbers from 1 to 99, the "
			"smallest first; write them as in \"80,95\", or \"none\"",
			o->name, text);
	return 0;
}

static int parse_loopback(const struct option *o, void *base, size_t index,
	const char *text, struct error *err)
{
	struct sockaddr_storage where;
	int r = loopback_parse(text, &where);

	(void)index;
	if (r == -EACCES)
		return error_set(err, -EINVAL,
			"`%s`: \"%s\" can be reached from other hosts; use 127.0.0.1 or "
			"[::1], and from elsewhere come by SSH or a reverse proxy",
			o->name, text);
	if (r < 0)
		return error_set(err, -EINVAL,
			"`%s`: \"%s\" is no place to listen; write it as in "
			"\"127.0.0.1:8625\", \"[::1]:8625\" or "
			"\"unix:/run/mailferry/dashboard.sock\"",
			o->name, text);
	return replace_text(o, base, text, err);
}

#define DOMAIN_MAX 253 /* RFC 1035, 2.3.4 */

/* Letters, digits, '-', '.', '_' (seen in use) and UTF-8. */
static bool is_domain(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > DOMAIN_MAX || text[0] == '.' || text[len - 1] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x80 && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
			!(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
			return false;
	}
	return true;
}

static int parse_domain(const struct option *o, void *base, size_t index,
	const char *text, struct error *err)
{
	char **all = field(o, base);
	char *copy;

	if (!is_domain(text))
		return error_set(err, -EINVAL,
			"`%s`: \"%s\" is not a domain; write it as in {\"example.com\"}",
			o->name, text);
	if (index >= o->most)
		return error_set(
			err, -EINVAL, "`%s` takes at most %u names", o->name, o->most);
	copy = strdup(text);
	if (!copy)
		return error_set(err, -ENOMEM, "no memory");
	for (char *c = copy; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c | 0x20);
	free(all[index]);
	all[index] = copy;
	return 0;
}

#define UIDS_LEAST 32u /* 16 for the programs */
#define UIDS_MOST (1u << 24)

static int parse_uids(const struct option *o, void *base, size_t index, const char *text,
	struct error *err)
{
	struct uid_range *range = field(o, base);
	const char *dash = strchr(text, '-');
	uint32_t first = 0, last = 0;

	(void)index;
	if (!dash || !str_to_u32(str_of(text, (size_t)(dash - text)), &first) ||
		!str_to_u32(str_from(dash + 1), &last) || first < o->least ||
		last > o->most || last < first || last - first + 1 < UIDS_LEAST ||
		last - first >= UIDS_MOST)
		return error_set(err, -EINVAL,
			"`%s` is %u to %u numbers between %u and %u, as in "
			"\"1900000000-1900999999\", not \"%s\"",
			o->name, UIDS_LEAST, UIDS_MOST, o->least, o->most, text);
	*range = (struct uid_range){ first, last };
	return 0;
}

static int parse_separator(const struct option *o, void *base, size_t index,
	const char *text, struct error *err)
{
	size_t len = strlen(text);

	(void)index;
	if (len > 1 || (len == 1 && (!isgraph((unsigned char)*text) ||
					    isalnum((unsigned char)*text) ||
					    strchr("@.\"\\", *text))))
		return error_set(err, -EINVAL,
			"`%s` is one character that stands in no name, or empty, not "
			"\"%s\"",
			o->name, text);
	return replace_text(o, base, text, err);
}

static const struct kind {
	int (*parse)(const struct option *o, void *base, size_t index, const char *text,
		struct error *err);
	option_print_fn *print;
} kinds[] = {
	[OPTION_SWITCH] = { parse_switch, value_print_switch },
	[OPTION_NUMBER] = { parse_number, value_print_number },
	[OPTION_PORT] = { parse_number, value_print_port },
	[OPTION_BITS] = { parse_bits, value_print_bits },
	[OPTION_CHOICE] = { parse_choice, value_print_choice },
	[OPTION_PATH] = { parse_path, value_print_text },
	[OPTION_CREDENTIAL] = { parse_credential, value_print_text },
	[OPTION_PATHS] = { parse_paths, value_print_paths },
	[OPTION_TEXT] = { parse_text, value_print_text },
	[OPTION_WINDOW] = { parse_window, value_print_text },
	[OPTION_SEPARATOR] = { parse_separator, value_print_text },
	[OPTION_UIDS] = { parse_uids, value_print_uids },
	[OPTION_ADDRESS] = { parse_address, value_print_text },
	[OPTION_SMART_HOST] = { parse_smart_host, value_print_text },
	[OPTION_LOOPBACK] = { parse_loopback, value_print_text },
	[OPTION_QUOTA] = { parse_quota, value_print_quota },
	[OPTION_PERCENTS] = { parse_percents, value_print_percents },
	[OPTION_MILTERS] = { parse_list, value_print_paths },
	[OPTION_LMTP] = { parse_list, value_print_paths },
	[OPTION_NETWORKS] = { parse_list, value_print_paths },
	[OPTION_PLACES] = { parse_list, value_print_paths },
	[OPTION_ADDRESSES] = { parse_addresses, value_print_addresses },
	[OPTION_DOMAINS] = { parse_domain, value_print_domains },
};

int option_parse(const struct option *o, void *base, size_t index, const char *text,
	struct error *err)
{
	return kinds[o->kind].parse(o, base, index, text, err);
}

void option_print_value(const struct option *o, const void *base, FILE *to)
{
	kinds[o->kind].print(o, base, to);
}
