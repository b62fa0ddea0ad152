/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/destination.h"

#include "base/address.h"
#include "settings/host_port.h"
#include "settings/settings.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define MAILDIR "maildir:"
#define PATH_TEXT_MAX 512 /* with a name in it still below PATH_MAX */
#define PIN_DIGITS 64     /* SHA-256 */
#define POP3_PORT 110
#define POP3S_PORT 995
#define SMTP_PORT 25

/* Absolute, without steps up or hidden ones, and each user has another one. */
static bool is_path(const char *text)
{
	bool has_user = false;

	if (text[0] != '/' || strlen(text) > PATH_TEXT_MAX || strstr(text, "/.") ||
		strstr(text, "//") || text[strlen(text) - 1] == '/')
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

/* What an element of the list says. */
enum part { PART_STORE, PART_MAILDIR, PART_IMAP, PART_POP3, PART_MAIL };
#define HAS(parts, part) ((parts)&1u << (part))

static const struct scheme {
	const char *text;
	enum part part;
	enum source_tls_mode tls;
	uint16_t port;
} schemes[] = {
	{ "imap://", PART_IMAP, SOURCE_TLS_NONE, 143 },
	{ "imap+starttls://", PART_IMAP, SOURCE_TLS_STARTTLS, 143 },
	{ "imaps://", PART_IMAP, SOURCE_TLS_IMPLICIT, 993 },
	{ "pop3://", PART_POP3, SOURCE_TLS_NONE, POP3_PORT },
	{ "pop3+starttls://", PART_POP3, SOURCE_TLS_STARTTLS, POP3_PORT },
	{ "pop3s://", PART_POP3, SOURCE_TLS_IMPLICIT, POP3S_PORT },
};

static int read_server(const struct scheme *s, const char *text, enum part *ret_part,
	struct destination_settings *ret)
{
	struct sockaddr_storage address;

	if (host_port_parse(text + strlen(s->text), s->port, &address) < 0)
		return -EINVAL;
	*ret_part = s->part;
	if (s->part == PART_IMAP) {
		ret->server = address;
		ret->tls = s->tls;
	} else {
		ret->pop3 = (struct destination_server){ address, s->tls };
	}
	return 0;
}

static int read_maildir(const char *path, struct destination_settings *ret)
{
	ret->path = path;
	return is_path(path) ? 0 : -EINVAL;
}

static int read_part(
	const char *text, enum part *ret_part, struct destination_settings *ret)
{
	if (strcmp(text, "store") == 0) {
		*ret_part = PART_STORE;
		return 0;
	}
	if (strncmp(text, MAILDIR, strlen(MAILDIR)) == 0) {
		*ret_part = PART_MAILDIR;
		return read_maildir(text + strlen(MAILDIR), ret);
	}
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncmp(text, schemes[i].text, strlen(schemes[i].text)) == 0)
			return read_server(&schemes[i], text, ret_part, ret);
	*ret_part = PART_MAIL;
	if (strncmp(text, "smtp", 4) != 0 && strncmp(text, "lmtp", 4) != 0)
		return -EINVAL; /* smart_host.h has bare addresses, too */
	return smart_host_parse(text, &ret->mail);
}

int destination_parse(const char *text, struct destination_settings *ret)
{
	struct destination_settings d = { .kind = DESTINATION_STORE };
	enum part part;
	int r = read_part(text, &part, &d);

	if (r < 0)
		return r;
	if (part == PART_MAILDIR)
		d.kind = DESTINATION_MAILDIR;
	else if (part != PART_STORE)
		d.kind = DESTINATION_IMAP;
	*ret = d;
	return 0;
}

static int check_parts(
	const struct settings_files *texts, unsigned parts, struct error *err)
{
	if (HAS(parts, PART_STORE) && texts->n > 1)
		return error_set(err, -EINVAL,
			"`destination` is one place; nothing goes with \"store\"");
	if (HAS(parts, PART_MAILDIR) && !HAS(parts, PART_IMAP))
		return error_set(err, -EINVAL,
			"`destination`: name the IMAP server that serves those Maildirs, "
			"too, as in {\"%s\", \"imap://127.0.0.1\"}",
			texts->paths[0]);
	if (!HAS(parts, PART_STORE) && !HAS(parts, PART_IMAP))
		return error_set(err, -EINVAL,
			"`destination`: name the IMAP server, too, as in "
			"{\"imap://192.0.2.20\", \"%s\"}",
			texts->paths[0]);
	return 0;
}

static enum smart_host_kind default_mail(enum source_tls_mode tls)
{
	return tls == SOURCE_TLS_NONE ? SMART_HOST_SMTP : SMART_HOST_STARTTLS;
}

/* What is not said: the same host, and no less TLS. */
static void complete(unsigned parts, struct destination_settings *d)
{
	if (!HAS(parts, PART_IMAP))
		return;
	if (!HAS(parts, PART_POP3)) {
		d->pop3 = (struct destination_server){ d->server, d->tls };
		address_set_port(&d->pop3.address,
			d->tls == SOURCE_TLS_IMPLICIT ? POP3S_PORT : POP3_PORT);
	}
	if (!HAS(parts, PART_MAIL)) {
		d->mail = (struct smart_host){ default_mail(d->tls), d->server };
		address_set_port(&d->mail.address, SMTP_PORT);
	}
}

static int put_together(const struct settings_files *texts,
	struct destination_settings *ret, struct error *err)
{
	struct destination_settings d = { .kind = DESTINATION_STORE };
	unsigned parts = 0;
	enum part part;
	int r;

	for (size_t i = 0; i < texts->n; i++) {
		r = read_part(texts->paths[i], &part, &d);
		if (r < 0)
			return error_set(err, r, "`destination` cannot be read");
		if (HAS(parts, part))
			return error_set(err, -EINVAL,
				"`destination` is one place, and \"%s\" is another one",
				texts->paths[i]);
		parts |= 1u << part;
	}
	r = check_parts(texts, parts, err);
	if (r < 0)
		return r;
	if (HAS(parts, PART_MAILDIR))
		d.kind = DESTINATION_MAILDIR;
	else if (HAS(parts, PART_IMAP))
		d.kind = DESTINATION_IMAP;
	complete(parts, &d);
	*ret = d;
	return 0;
}

bool destination_is_elsewhere(const struct destination_settings *d)
{
	return d->server.ss_family != 0;
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
	if (is_imap && s->uidls == UIDLS_REQUIRE)
		return error_set(err, -EINVAL,
			"`uidls` = \"require\": an IMAP server as `destination` gives "
			"POP3 unique-ids of its own, so nobody would move; leave it out");
	return 0;
}

static int check_address(const struct settings *s, const struct sockaddr_storage *address,
	struct error *err)
{
	char there[ADDRESS_TEXT_MAX], source[ADDRESS_TEXT_MAX];

	if (address->ss_family != AF_INET && address->ss_family != AF_INET6)
		return 0;
	address_text(address, there);
	for (size_t i = 0; i <= s->n_sources; i++) {
		if (i < s->n_sources)
			address_text(&s->sources[i], source);
		else
			(void)snprintf(source, sizeof(source), "%s", s->source_moved_to);
		if (strcmp(there, source) == 0)
			return error_set(err, -EINVAL,
				"`destination`: %s is the source itself", there);
	}
	return 0;
}

/* What is written to it must not be written to the source, and mail for users who have
   moved must not go to their old mailboxes. */
static int check_other(const struct settings *s, struct error *err)
{
	const struct destination_settings *d = &s->destination;
	int r = check_address(s, &d->server, err);

	if (r == 0)
		r = check_address(s, &d->pop3.address, err);
	return r < 0 ? r : check_address(s, &d->mail.address, err);
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
	const struct destination_settings *d = &s->destination;

	if (d->tls == SOURCE_TLS_NONE && d->pop3.tls == SOURCE_TLS_NONE &&
		!smart_host_has_tls(&d->mail))
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
		r = check_other(s, err);
	if (r == 0)
		r = check_path(s, err);
	return r < 0 ? r : check_tls(s, err);
}
