/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/destination.h"

#include "settings/host_port.h"
#include "settings/settings.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define MAILDIR "maildir:"
#define PATH_TEXT_MAX 512 /* with a name in it still below PATH_MAX */
#define PIN_DIGITS 64     /* SHA-256 */

static const struct scheme {
	const char *text;
	enum source_tls_mode tls;
	uint16_t port;
} schemes[] = {
	{ "imap://", SOURCE_TLS_NONE, 143 },
	{ "imap+starttls://", SOURCE_TLS_STARTTLS, 143 },
	{ "imaps://", SOURCE_TLS_IMPLICIT, 993 },
};

/* Absolute, without steps up, and each user has another one. */
static bool is_path(const char *text)
{
	bool has_user = false;

	if (text[0] != '/' || strlen(text) > PATH_TEXT_MAX || strstr(text, "/../"))
		return false;
	for (const char *c = text; *c; c++) {
		if (iscntrl((unsigned char)*c))
			return false;
		if (*c != '%')
			continue;
		c++;
		if (*c != 'u' && *c != 'n' && *c != 'd')
			return false;
		has_user = has_user || *c != 'd';
	}
	return has_user;
}

int destination_parse(const char *text, struct destination_settings *ret)
{
	struct destination_settings d = { .kind = DESTINATION_STORE };

	if (strncmp(text, MAILDIR, strlen(MAILDIR)) == 0) {
		d.kind = DESTINATION_MAILDIR;
		d.path = text + strlen(MAILDIR);
		if (!is_path(d.path))
			return -EINVAL;
	} else if (strcmp(text, "store") != 0) {
		const struct scheme *s = schemes;
		const struct scheme *end = s + sizeof(schemes) / sizeof(schemes[0]);

		while (s < end && strncmp(text, s->text, strlen(s->text)) != 0)
			s++;
		if (s == end ||
			host_port_parse(text + strlen(s->text), s->port, &d.server) < 0)
			return -EINVAL;
		d.kind = DESTINATION_IMAP;
		d.tls = s->tls;
	}
	*ret = d;
	return 0;
}

/* One, or Maildirs with their server. */
static int put_together(const struct settings_files *texts,
	struct destination_settings *ret, struct error *err)
{
	struct destination_settings d, server;
	int r = destination_parse(texts->paths[0], &d);

	if (r < 0)
		return error_set(err, r, "`destination` cannot be read");
	if (d.kind == DESTINATION_MAILDIR && texts->n == 1)
		return error_set(err, -EINVAL,
			"`destination`: name the IMAP server that serves those Maildirs, "
			"too, as in {\"%s\", \"imap://127.0.0.1\"}",
			texts->paths[0]);
	if (d.kind != DESTINATION_MAILDIR && texts->n > 1)
		return error_set(err, -EINVAL,
			"`destination` is one place; only \"maildir:\" has the server "
			"that serves it behind it");
	if (d.kind == DESTINATION_MAILDIR) {
		r = destination_parse(texts->paths[1], &server);
		if (r < 0 || server.kind != DESTINATION_IMAP)
			return error_set(err, -EINVAL,
				"`destination`: \"%s\" is not the IMAP server that "
				"serves those Maildirs; write it as in "
				"\"imap://127.0.0.1\"",
				texts->paths[1]);
		d.server = server.server;
		d.tls = server.tls;
	}
	*ret = d;
	return 0;
}

static int check_uids(const struct settings *s, struct error *err)
{
	bool is_imap = s->destination.kind == DESTINATION_IMAP;

	if (is_imap && s->uids == UIDS_KEEP)
		return error_set(err, -EINVAL,
			"`destination`: an IMAP server gives each message a UID of its "
			"own, so UIDs cannot be kept, and clients will fetch all mail "
			"once more; if that is wanted, set uids = \"new\"");
	if (!is_imap && s->uids == UIDS_NEW)
		return error_set(err, -EINVAL,
			"`uids`: \"new\" is for an IMAP server as `destination`; this "
			"one keeps UIDs, leave `uids` out");
	return 0;
}

static int check_path(const struct settings *s, struct error *err)
{
	const char *path = s->destination.path;

	if (path && s->n_domains > 1 && !strstr(path, "%u") && !strstr(path, "%d"))
		return error_set(err, -EINVAL,
			"`destination`: users of several `domains` would share \"%s\"; "
			"put %%d or %%u in it",
			path);
	return 0;
}

static int check_tls(const struct settings *s, struct error *err)
{
	if (s->destination.tls == SOURCE_TLS_NONE)
		return 0;
	if (s->destination_verify == SMART_HOST_VERIFY_CA && !*s->destination_name)
		return error_set(err, -EINVAL,
			"`destination` is reached by TLS, and its certificate needs a "
			"name: set `destination_name`, or `destination_verify` to "
			"\"pin\" or \"none\"");
	if (*s->destination_pin && /* empty: `check` shows what it is */
		(strlen(s->destination_pin) != PIN_DIGITS ||
			strspn(s->destination_pin, "0123456789abcdefABCDEF") !=
				PIN_DIGITS))
		return error_set(err, -EINVAL,
			"`destination_pin` is the destination's key, 64 hexadecimal "
			"digits");
	return 0;
}

int destination_settle(struct settings *s, struct error *err)
{
	int r = put_together(&s->destinations, &s->destination, err);

	if (r == 0)
		r = check_uids(s, err);
	if (r == 0)
		r = check_path(s, err);
	return r < 0 ? r : check_tls(s, err);
}
