/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where mail moves to, and who serves its users afterwards. */
#include "settings/settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ONE_DOMAIN "source = \"192.0.2.10\"\ndomains = {\"example.com\"}\n"
#define TWO_DOMAINS "source = \"192.0.2.10\"\ndomains = {\"a.example\", \"b.example\"}\n"
#define NEW "uids = \"new\"\n"
#define PIN "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF"

static const struct taken {
	const char *text;
	enum destination_kind kind;
	const char *server; /* NULL: we serve */
	enum source_tls_mode tls;
	const char *path;
} taken[] = {
	{ ONE_DOMAIN, DESTINATION_STORE, NULL, SOURCE_TLS_NONE, NULL },
	{ ONE_DOMAIN "destination = \"store\"\n", DESTINATION_STORE, NULL,
		SOURCE_TLS_NONE, NULL },
	{ ONE_DOMAIN NEW "destination = \"imap://10.0.0.9\"\n", DESTINATION_IMAP,
		"10.0.0.9:143", SOURCE_TLS_NONE, NULL },
	{ ONE_DOMAIN NEW "destination = {\"imap://[2001:db8::9]:1143\"}\n",
		DESTINATION_IMAP, "[2001:db8::9]:1143", SOURCE_TLS_NONE, NULL },
	{ ONE_DOMAIN NEW "destination = \"imap+starttls://10.0.0.9\"\n"
			 "destination_name = \"new.example.com\"\n",
		DESTINATION_IMAP, "10.0.0.9:143", SOURCE_TLS_STARTTLS, NULL },
	{ ONE_DOMAIN NEW "destination = \"imaps://10.0.0.9\"\n"
			 "destination_verify = \"pin\"\ndestination_pin = \"" PIN "\"\n",
		DESTINATION_IMAP, "10.0.0.9:993", SOURCE_TLS_IMPLICIT, NULL },
	{ ONE_DOMAIN NEW "destination = \"imaps://10.0.0.9:9993\"\n"
			 "destination_verify = \"none\"\n",
		DESTINATION_IMAP, "10.0.0.9:9993", SOURCE_TLS_IMPLICIT, NULL },
	{ ONE_DOMAIN "destination = {\"maildir:/srv/mail/%n\", \"imap://127.0.0.1\"}\n",
		DESTINATION_MAILDIR, "127.0.0.1:143", SOURCE_TLS_NONE, "/srv/mail/%n" },
	{ TWO_DOMAINS
		"destination = {\"maildir:/srv/%d/%n\", \"imap+starttls://10.0.0.9\"}\n"
		"destination_verify = \"none\"\n",
		DESTINATION_MAILDIR, "10.0.0.9:143", SOURCE_TLS_STARTTLS, "/srv/%d/%n" },
};

static void check_taken(const struct taken *t, const struct settings *s)
{
	const struct destination_settings *d = &s->destination;
	char server[ADDRESS_TEXT_MAX] = "";

	if (d->server.ss_family)
		address_port_text(&d->server, server);
	if (d->kind != t->kind || d->tls != t->tls ||
		strcmp(server, t->server ? t->server : "") != 0)
		fail_msg("%s: kind %d, \"%s\", TLS %d", t->text, d->kind, server, d->tls);
	if ((t->path == NULL) != (d->path == NULL) ||
		(t->path && strcmp(t->path, d->path) != 0))
		fail_msg("%s: path \"%s\"", t->text, d->path ? d->path : "");
}

/* What it prints means the same. */
static void test_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		struct settings s, again;
		struct error err = { 0 };
		char *text = NULL;
		size_t len;
		FILE *to = open_memstream(&text, &len);

		if (settings_parse("c", taken[i].text, &s, &err) < 0)
			fail_msg("%s: %s", taken[i].text, err.text);
		check_taken(&taken[i], &s);
		assert_non_null(to);
		settings_print(&s, to);
		(void)fclose(to);
		settings_fini(&s);
		if (settings_parse("printed", text, &again, &err) < 0)
			fail_msg("%s: %s", taken[i].text, err.text);
		check_taken(&taken[i], &again);
		settings_fini(&again);
		free(text);
	}
}

/* Where users that moved go by POP3, and their mail. */
static const struct rest {
	const char *list;
	const char *pop3, *mail;
	enum source_tls_mode tls; /* of POP3 */
	enum smart_host_kind kind;
} rests[] = {
	{ "\"imap://10.0.0.9:1143\"", "10.0.0.9:110", "10.0.0.9:25", SOURCE_TLS_NONE,
		SMART_HOST_SMTP },
	{ "\"imap+starttls://10.0.0.9\"", "10.0.0.9:110", "10.0.0.9:25",
		SOURCE_TLS_STARTTLS, SMART_HOST_STARTTLS },
	{ "\"imaps://[2001:db8::9]\"", "[2001:db8::9]:995", "[2001:db8::9]:25",
		SOURCE_TLS_IMPLICIT, SMART_HOST_STARTTLS },
	{ "\"imap://10.0.0.9\", \"lmtp://10.0.0.8:24\"", "10.0.0.9:110", "10.0.0.8:24",
		SOURCE_TLS_NONE, SMART_HOST_LMTP },
	{ "\"pop3s://10.0.0.8\", \"smtps://10.0.0.7\", \"imap://10.0.0.9\"",
		"10.0.0.8:995", "10.0.0.7:465", SOURCE_TLS_IMPLICIT, SMART_HOST_SMTPS },
};

static void test_rest(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
		const struct rest *row = &rests[i];
		char text[512], pop3[ADDRESS_TEXT_MAX], mail[ADDRESS_TEXT_MAX];
		struct settings s;
		struct error err = { 0 };

		(void)snprintf(text, sizeof(text),
			ONE_DOMAIN NEW
			"destination = {%s}\ndestination_verify = \"none\"\n",
			row->list);
		if (settings_parse("c", text, &s, &err) < 0)
			fail_msg("%s: %s", row->list, err.text);
		assert_true(destination_is_elsewhere(&s.destination));
		address_port_text(&s.destination.pop3.address, pop3);
		address_port_text(&s.destination.mail.address, mail);
		if (strcmp(pop3, row->pop3) != 0 || strcmp(mail, row->mail) != 0 ||
			s.destination.pop3.tls != row->tls ||
			s.destination.mail.kind != row->kind)
			fail_msg("%s: %s TLS %d, %s kind %d", row->list, pop3,
				s.destination.pop3.tls, mail, s.destination.mail.kind);
		settings_fini(&s);
	}
}

static const struct refused {
	const char *text, *expected; /* a part of the sentence */
} refused[] = {
	{ ONE_DOMAIN "destination = \"imap://10.0.0.9\"\n", "set uids = \"new\"" },
	{ ONE_DOMAIN NEW, "leave `uids` out" },
	{ ONE_DOMAIN NEW "destination = \"imap://10.0.0.9\"\nuidls = \"require\"\n",
		"nobody would move" },
	{ ONE_DOMAIN NEW "destination = \"imap://192.0.2.10:1143\"\n",
		"192.0.2.10 is the source itself" },
	{ ONE_DOMAIN NEW "source_moved_to = \"10.0.0.9\"\n"
			 "destination = \"imap://10.0.0.9\"\n",
		"10.0.0.9 is the source itself" },
	{ ONE_DOMAIN NEW "destination = {\"imap://10.0.0.9\", "
			 "\"smtp://192.0.2.10\"}\n",
		"192.0.2.10 is the source itself" },
	{ ONE_DOMAIN NEW "destination = {\"imap://10.0.0.9\", "
			 "\"pop3s://192.0.2.10\"}\n",
		"192.0.2.10 is the source itself" },
	{ ONE_DOMAIN NEW "destination = \"imap://new.example.com\"\n",
		"c:4: `destination`: \"imap://new.example.com\" is no place for" },
	{ ONE_DOMAIN NEW "destination = \"imap://10.0.0.9:0\"\n", "is no place for" },
	{ ONE_DOMAIN NEW "destination = \"imap://0.0.0.0\"\n", "is no place for" },
	{ ONE_DOMAIN NEW "destination = \"imap:10.0.0.9\"\n", "is no place for" },
	{ ONE_DOMAIN "destination = \"pop4://10.0.0.9\"\n", "is no place for" },
	{ ONE_DOMAIN "destination = \"\"\n", "is no place for" },
	{ ONE_DOMAIN "destination = \"maildir:srv/%n\"\n", "is no place for" },
	{ ONE_DOMAIN "destination = \"maildir:/srv/%d\"\n", "is no place for" },
	{ ONE_DOMAIN "destination = \"maildir:/srv/%x%n\"\n", "is no place for" },
	{ ONE_DOMAIN "destination = \"maildir:/srv/%n%\"\n", "is no place for" },
	{ ONE_DOMAIN "destination = \"maildir:/srv/../%n\"\n", "is no place for" },
	{ ONE_DOMAIN "destination = \"maildir:/srv/%n/..\"\n", "is no place for" },
	{ ONE_DOMAIN "destination = \"maildir:/srv//%n\"\n", "is no place for" },
	{ ONE_DOMAIN "destination = \"maildir:/srv/%n/\"\n", "is no place for" },
	{ ONE_DOMAIN "destination = \"maildir:/srv/%n\"\n",
		"name the IMAP server that serves those" },
	{ ONE_DOMAIN "destination = {\"maildir:/srv/%n\", \"store\"}\n",
		"nothing goes with \"store\"" },
	{ TWO_DOMAINS "destination = {\"maildir:/srv/%n\", \"imap://127.0.0.1\"}\n",
		"put %d or %u in it" },
	{ ONE_DOMAIN NEW "destination = {\"imap://10.0.0.9\", \"imap://10.0.0.8\"}\n",
		"`destination` is one place" },
	{ ONE_DOMAIN "destination = {\"store\", \"imap://10.0.0.9\"}\n",
		"nothing goes with \"store\"" },
	{ ONE_DOMAIN NEW "destination = {\"pop3://10.0.0.9\"}\n",
		"name the IMAP server, too" },
	{ ONE_DOMAIN NEW "destination = {\"imap://10.0.0.9\", \"10.0.0.9\"}\n",
		"is no place for" },
	{ ONE_DOMAIN NEW "destination = {\"imap://10.0.0.9\", \"smtps://10.0.0.9\"}\n",
		"set `destination_name`" },
	{ ONE_DOMAIN NEW "destination = {\"imap://10.0.0.9\", \"smtp://10.0.0.9\", "
			 "\"lmtp://10.0.0.9\"}\n",
		"and \"lmtp://10.0.0.9\" is another one" },
	{ ONE_DOMAIN NEW "destination = \"imaps://10.0.0.9\"\n",
		"set `destination_name`" },
	{ ONE_DOMAIN NEW "destination = \"imaps://10.0.0.9\"\n"
			 "destination_verify = \"pin\"\ndestination_pin = \"x" PIN "\"\n",
		"`destination_pin` is the destination's key" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct settings s;
		struct error err = { 0 };

		if (settings_parse("c", refused[i].text, &s, &err) != -EINVAL)
			fail_msg("%s: taken", refused[i].text);
		if (!strstr(err.text, refused[i].expected))
			fail_msg("%s: \"%s\"", refused[i].text, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
