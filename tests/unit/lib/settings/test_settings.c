/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry.conf: what is taken, what is refused in which words, and the way back. */
#include "settings/settings.h"
#include "settings/smart_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#define THREE                                                                            \
	"source = \"192.0.2.10\"\ndomains = {\"example.com\"}\nstrategy = "              \
	"\"after-logoff\"\n"

static const struct {
	const char *name, *text, *sentence;
} refused[] = {
	{ "empty", "", "c: `source` is missing" },
	{ "no domains", "source = \"192.0.2.10\"\n", "c: `domains` is missing" },
	{ "no domain in list", "source = \"192.0.2.10\"\ndomains = {}\n",
		"c: `domains` is missing" },
	{ "unknown", THREE "sorce = \"192.0.2.1\"\n",
		"c:4: unknown key `sorce`; did you mean `source`?" },
	{ "quota", THREE "quota = \"10X\"\n", "c:4: `quota`: \"10X\" is no quota" },
	{ "quota, more", THREE "quota = \"1G,2,3\"\n", "is no quota" },
	{ "quota, no messages", THREE "quota = \"1G,\"\n", "is no quota" },
	{ "quota, empty", THREE "quota = \"\"\n", "is no quota" },
	{ "quota, too large", THREE "quota = \"9000000000G\"\n", "is no quota" },
	{ "warnings", THREE "quota_warnings = \"95,80\"\n", "the smallest first" },
	{ "warnings, same", THREE "quota_warnings = \"80,80\"\n", "the smallest first" },
	{ "warnings, all", THREE "quota_warnings = \"100\"\n", "from 1 to 99" },
	{ "warnings, five", THREE "quota_warnings = \"1,2,3,4,5\"\n", "to four" },
	{ "warnings, comma", THREE "quota_warnings = \"80,\"\n", "\"80,\" is not" },
	{ "warnings, empty", THREE "quota_warnings = \"\"\n", "\"\" is not" },
	{ "quota as it was", THREE "quota_megabytes = 100\n",
		"c:4: `quota_megabytes` has another name now; write it as in  quota = "
		"\"10G\"" },
	{ "quota as it was, too", THREE "quota_messages = 100\n",
		"quota = \"10G,100000\"" },
	{ "quite unknown", THREE "\nbeer = 2\n", "c:5: unknown key `beer`; remove it" },
	{ "unknown service", THREE "services {\n nntp { port = 119 }\n}\n",
		"c:5: unknown key `nntp`" },
	{ "unknown in service", THREE "services {\n imap {\n prot = 119 }\n}\n",
		"c:6: unknown key `prot`; did you mean `port`?" },
	{ "a header for clients that the source sees itself",
		THREE "services { imap { source_proxy = \"v2\" } }",
		"c: services: imap: `source_proxy` tells the source of clients that it "
		"does not see itself; set source_leg = \"own\"" },
	{ "unknown in limits", THREE "limits { transfer = 1 }",
		"unknown key `transfer`; did you mean `transfers`?" },
	{ "address", "source = \"192.0.2.300\"\n",
		"c:1: `source`: \"192.0.2.300\" is not an address" },
	{ "name for address", "\nsource = {\"192.0.2.1\", \"mail.example.com\"}\n",
		"c:2: `source`: \"mail.example.com\" is not an address" },
	{ "multicast", "source = \"224.0.0.1\"", "is not an address of a host" },
	{ "any", "source = \"0.0.0.0\"", "is not an address of a host" },
	{ "link local", "source = \"fe80::1\"", "is not an address of a host" },
	{ "twice", "source = {\"192.0.2.1\", \"192.0.2.1\"}",
		"c:1: `source` names 192.0.2.1 twice" },
	{ "domain", "domains = {\"exa mple.com\"}", "c:1: `domains`: \"exa mple.com\"" },
	{ "strategy", "strategy = \"soon\"\n" THREE,
		"c:1: `strategy` is \"after-logoff\" or \"immediate\", not \"soon\"" },
	{ "range", THREE "hold = 121\n", "c:4: `hold` is a number from 0 to 120, not" },
	{ "negative", THREE "workers = -1\n",
		"c:4: `workers` is a number from 0 to 256" },
	{ "not a number", THREE "workers = 2x\n", "c:4: `workers` is a number" },
	{ "port 0", THREE "services { imap { port = 0 } }",
		"c:4: `port` is a number from 1" },
	{ "port 65536", THREE "services { imap { port = 65536 } }",
		"c:4: `port` is a number" },
	{ "switch", THREE "precopy = maybe\n", "c:4: `precopy` is true or false" },
	{ "window", THREE "window = \"22:00-5:00\"\n", "c:4: `window` is a time of day" },
	{ "window hour", THREE "window = \"24:00-05:00\"\n", "c:4: `window`" },
	{ "relative path", THREE "state_dir = \"mail\"\n",
		"c:4: `state_dir` is a path from /" },
	{ "long run_dir",
		THREE
		"run_dir = \"/0123456789012345678901234567890123456789012345678901234"
		"56789012345678901234567890123456789\"\n",
		"c: `run_dir` is longer" },
	{ "same port", THREE "services { imap { port = 110 } }", "both have port 110" },
	{ "certificate without a key", THREE "tls { certificate = {\"/a\"} }",
		"c: tls: 1 in `certificate` and 0 in `key`" },
	{ "relative certificate", THREE "tls { certificate = {\"a.pem\"} }",
		"c:4: `certificate` is a path from /" },
	{ "TLS version", THREE "tls { min_version = \"2\" }",
		"c:4: `min_version` is \"1.0\" or \"1.1\"" },
	{ "smart host by name", THREE "smart_host = \"mail.example.net\"",
		"names are not resolved" },
	{ "three bits", THREE "mark_mask = 0x70000000",
		"c:4: `mark_mask` is a number as in \"0x10000000\", with four bits" },
	{ "no number", THREE "mark = high", "c:4: `mark` is a number" },
	{ "mark outside", THREE "mark = 0x80000000",
		"`mark` 0x80000000 has bits that are none of 0x70000000" },
	{ "mark of connections", THREE "mark = 0x08000000", "`mark` 0x8000000 has bits" },
	{ "filter by name", THREE "milter = {\"inet:localhost:11332\"}",
		"c:4: `milter`: \"inet:localhost:11332\" is not where a filter waits" },
	{ "filter without a port", THREE "milter = {\"inet:127.0.0.1\"}",
		"is not where a filter waits" },
	{ "filter, IPv6 without a port", THREE "milter = {\"inet:2001:db8::1\"}",
		"is not where a filter waits" },
	{ "filter, relative path", THREE "milter = {\"unix:socket\"}",
		"is not where a filter waits" },
	{ "filters",
		THREE "milter = {\"unix:/1\", \"unix:/2\", \"unix:/3\", "
		      "\"unix:/4\", \"unix:/5\", \"unix:/6\", \"unix:/7\", "
		      "\"unix:/8\", \"unix:/9\"}",
		"`milter` takes at most 8 filters" },
	{ "ciphers", THREE "tls { ciphers = \"a\001b\" }", "c:4: `ciphers` holds" },
	{ "dashboard for all", THREE "dashboard { listen = \"0.0.0.0:8625\" }",
		"c:4: `listen`: \"0.0.0.0:8625\" can be reached from other hosts" },
	{ "dashboard for a network", THREE "dashboard { listen = \"[fe80::1]:8625\" }",
		"can be reached from other hosts" },
	{ "dashboard by mapped address",
		THREE "dashboard { listen = \"[::ffff:127.0.0.1]:1\" }",
		"can be reached from other hosts" },
	{ "dashboard by name", THREE "dashboard { listen = \"localhost:8625\" }",
		"is no place to listen" },
	{ "dashboard without a port", THREE "dashboard { listen = \"127.0.0.1\" }",
		"is no place to listen" },
	{ "dashboard at port 0", THREE "dashboard { listen = \"127.0.0.1:0\" }",
		"is no place to listen" },
	{ "dashboard, IPv6 without brackets", THREE "dashboard { listen = \"::1:1\" }",
		"is no place to listen" },
	{ "dashboard, open bracket", THREE "dashboard { listen = \"[::1\" }",
		"is no place to listen" },
	{ "dashboard, relative path", THREE "dashboard { listen = \"unix:sock\" }",
		"is no place to listen" },
	{ "unknown in tls", THREE "tls { certificates = {} }",
		"unknown key `certificates`; did you mean `certificate`?" },
	{ "syntax", THREE "hold 20\n", "c:4: " },
	{ "open quote", THREE "state_dir = \"/x\n", "c:" },
	{ "open section", THREE "services { imap { port = 143 ",
		"c: the file ends inside a section" },
	{ "open comment", THREE "/* hold = 3\n", "c: the file ends inside a comment" },
	{ "no value", THREE "hold =", "c:5: `hold` is a number" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct settings s = { 0 };
		struct error err = { 0 };
		int r = settings_parse("c", refused[i].text, &s, &err);

		if (r != -EINVAL || !strstr(err.text, refused[i].sentence))
			fail_msg("%s: %d \"%s\", expected \"%s\"", refused[i].name, r,
				err.text, refused[i].sentence);
	}
}

static const struct {
	const char *text;
	enum smart_host_kind kind; /* NONE: refused */
	const char *address;
} smart_hosts[] = {
	{ "192.0.2.20", SMART_HOST_SMTP, "192.0.2.20:25" },
	{ "127.0.0.1:2525", SMART_HOST_SMTP, "127.0.0.1:2525" },
	{ "2001:db8::20", SMART_HOST_SMTP, "[2001:db8::20]:25" },
	{ "[2001:db8::20]", SMART_HOST_SMTP, "[2001:db8::20]:25" },
	{ "[2001:db8::20]:2525", SMART_HOST_SMTP, "[2001:db8::20]:2525" },
	{ "smtp://192.0.2.20", SMART_HOST_SMTP, "192.0.2.20:25" },
	{ "smtp+starttls://192.0.2.20", SMART_HOST_STARTTLS, "192.0.2.20:25" },
	{ "smtp+starttls://192.0.2.20:587", SMART_HOST_STARTTLS, "192.0.2.20:587" },
	{ "smtps://[2001:db8::20]:1", SMART_HOST_SMTPS, "[2001:db8::20]:1" },
	{ "smtps://192.0.2.20", SMART_HOST_SMTPS, "192.0.2.20:465" },
	{ "lmtp://127.0.0.1:65535", SMART_HOST_LMTP, "127.0.0.1:65535" },
	{ "lmtp:/run/mta/lmtp", SMART_HOST_LMTP, "/run/mta/lmtp" },
	{ "lmtp:/", SMART_HOST_NONE, NULL },
	{ "lmtp:run/mta", SMART_HOST_NONE, NULL },
	{ "lmtp:/run/\001", SMART_HOST_NONE, NULL },
	{ "lmtp:/01234567890123456789012345678901234567890123456789012345678901234567890123"
	  "456789012345678901234567890123456789",
		SMART_HOST_NONE, NULL },
	{ "lmtp:///run/mta/lmtp", SMART_HOST_NONE, NULL },
	{ "smtps:/run/mta", SMART_HOST_NONE, NULL },
	{ "mail.example.net", SMART_HOST_NONE, NULL },
	{ "smtp://", SMART_HOST_NONE, NULL },
	{ "smtp://[", SMART_HOST_NONE, NULL },
	{ "smtp://[]:25", SMART_HOST_NONE, NULL },
	{ "smtp://[192.0.2.20]:25", SMART_HOST_NONE, NULL },
	{ "[2001:db8::20", SMART_HOST_NONE, NULL },
	{ "[2001:db8::20]25", SMART_HOST_NONE, NULL },
	{ "192.0.2.20:", SMART_HOST_NONE, NULL },
	{ "192.0.2.20:0", SMART_HOST_NONE, NULL },
	{ "192.0.2.20:65536", SMART_HOST_NONE, NULL },
	{ "192.0.2.20:25/", SMART_HOST_NONE, NULL },
	{ "0.0.0.0", SMART_HOST_NONE, NULL },
	{ "SMTP://192.0.2.20", SMART_HOST_NONE, NULL },
	{ "user@192.0.2.20", SMART_HOST_NONE, NULL },
};

static void test_smart_host(void **state)
{
	struct smart_host h;

	(void)state;
	assert_int_equal(smart_host_parse("", &h), 0);
	assert_int_equal(h.kind, SMART_HOST_NONE);
	for (size_t i = 0; i < sizeof(smart_hosts) / sizeof(smart_hosts[0]); i++) {
		char text[128];
		int r = smart_host_parse(smart_hosts[i].text, &h);
		bool good = smart_hosts[i].kind != SMART_HOST_NONE;

		if ((r == 0) != good || (good && h.kind != smart_hosts[i].kind))
			fail_msg("%s: %d, kind %d", smart_hosts[i].text, r, h.kind);
		if (!good)
			continue;
		if (h.address.ss_family == AF_UNIX)
			(void)snprintf(text, sizeof(text), "%s",
				((struct sockaddr_un *)&h.address)->sun_path);
		else
			address_port_text(&h.address, text);
		assert_string_equal(text, smart_hosts[i].address);
	}
}

static void test_defaults(void **state)
{
	struct settings s;
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	assert_int_equal(settings_parse("c", THREE, &s, NULL), 0);
	assert_int_equal(s.n_sources, 1);
	address_text(&s.sources[0], text);
	assert_string_equal(text, "192.0.2.10");
	assert_string_equal(s.domains[0], "example.com");
	assert_string_equal(s.state_dir, "/var/lib/mailferry");
	assert_string_equal(s.key_file, "/var/lib/mailferry/key");
	assert_int_equal(s.strategy, STRATEGY_AFTER_LOGOFF);
	assert_int_equal(s.hold_s, 20);
	assert_true(s.precopy);
	assert_false(s.fail_explicit);
	assert_int_equal(settings_effective_fail(&s, false), FAIL_OPEN);
	assert_int_equal(settings_effective_fail(&s, true), FAIL_CLOSED);
	assert_true(s.services[SERVICE_IMAP].enabled);
	assert_int_equal(s.services[SERVICE_IMAP].upstream_port, 143);
	assert_int_equal(s.services[SERVICE_IMAP].tls, SERVICE_TLS_AUTO);
	assert_int_equal(s.services[SERVICE_IMAP].source_tls, SOURCE_TLS_NONE);
	assert_int_equal(s.services[SERVICE_IMAPS].source_tls, SOURCE_TLS_IMPLICIT);
	assert_int_equal(s.services[SERVICE_SUBMISSION].source_tls, SOURCE_TLS_CLIENT);
	assert_int_equal(s.services[SERVICE_IMAPS].source_verify, SOURCE_VERIFY_PIN);
	assert_int_equal(s.tls.certificates.n, 0);
	assert_string_equal(tls_version_name(s.tls.min_version), "1.2");
	assert_true(service_is_implicit(SERVICE_POP3S));
	settings_fini(&s);
	settings_fini(&s);
}

#define EVERYTHING                                                                       \
	"# a comment\nsource = {\"192.0.2.10\", \"2001:db8::10\"}\n"                     \
	"domains = {\"Example.com\", \"xn--mnchen-3ya.example\"}\nstrategy = "           \
	"immediate\n"                                                                    \
	"state_dir = \"/srv/a \\\"b\\\" \\\\ \\${HOME}\"\nrun_dir = '/run/x y'\n"        \
	"key_file = \"/etc/k\"\nhold = 0\nprecopy = no\ndeadline = 86400\n"              \
	"window = \"22:00-05:00\"\nfail = \"open\"\nworkers = 3\nsubaddress = \"+-\"\n"  \
	"smart_host = \"smtps://[2001:db8::20]:465\"\n"                                  \
	"smart_host_name = \"mx.example.net\"\n"                                         \
	"smart_host_verify = \"pin\"\n"                                                  \
	"smart_host_pin = \"00ff\"\n"                                                    \
	"smtp_policy = \"none\"\nsmtp_policy_ttl = 60\n"                                 \
	"milter = {\"inet:127.0.0.1:11332\", \"inet:[::1]:1\", \"unix:/a b\"}\n"         \
	"milter_default = \"accept\"\nmilter_content_timeout = 60\n"                     \
	"lmtp = {\"unix:/run/lmtp\", \"inet:[::]:24\"}\nlmtp_group = \"mail\"\n"         \
	"lmtp_clients = {\"192.0.2.0/25\", \"2001:db8::/33\", \"203.0.113.7\"}\n"        \
	"quota = \"1536M,200000\"\nquota_warnings = \"50,75,90,99\"\n"                   \
	"source_moved_to = \"192.0.2.11\"\nsource_name = \"mail.example.com\"\n"         \
	"mark_mask = 0x00f00000\nmark = \"0x400000\"\n"                                  \
	"services { imap { port = 1143 tls = \"hide\" upstream = 143 }\n"                \
	"  pop3 { enabled = false } submission { enabled = true } }\n"                   \
	"limits { connections = 5 message_bytes = 2147483647 }\n"                        \
	"tls { certificate = {\"/c/a.pem\", \"/c/b.pem\"} key = {\"/k/a\", \"/k/b\"}\n"  \
	"  min_version = \"1.3\" ciphers = \"AES128-SHA:\\$x\" source_verify = \"ca\" "  \
	"}\n"                                                                            \
	"services { pop3s { source_tls = \"starttls\" source_verify = \"none\"\n"        \
	"  source_min_version = \"1.0\" } }\n"                                           \
	"dashboard { listen = \"[::1]:8625\" token_file = \"/t\" admin = true }\n"

static void check_everything(const struct settings *s)
{
	assert_int_equal(s->n_sources, 2);
	assert_int_equal(s->n_domains, 2);
	assert_string_equal(s->domains[0], "example.com");
	assert_true(settings_has_domain(s, STR_LIT("EXAMPLE.COM")));
	assert_false(settings_has_domain(s, STR_LIT("example.org")));
	assert_non_null(settings_source(s, AF_INET6));
	assert_int_equal(s->strategy, STRATEGY_IMMEDIATE);
	assert_string_equal(s->state_dir, "/srv/a \"b\" \\ ${HOME}");
	assert_string_equal(s->run_dir, "/run/x y");
	assert_string_equal(s->key_file, "/etc/k");
	assert_string_equal(s->dashboard.listen, "[::1]:8625");
	assert_string_equal(s->dashboard.token_file, "/t");
	assert_true(s->dashboard.admin);
	assert_int_equal(s->quota.bytes, 1536u << 20);
	assert_int_equal(s->quota.messages, 200000);
	assert_int_equal(s->quota_warnings.n, 4);
	assert_int_equal(s->quota_warnings.percents[3], 99);
	assert_int_equal(s->hold_s, 0);
	assert_false(s->precopy);
	assert_int_equal(s->deadline_s, 86400);
	assert_string_equal(s->window, "22:00-05:00");
	assert_true(s->fail_explicit);
	assert_int_equal(settings_effective_fail(s, true), FAIL_OPEN);
	assert_int_equal(s->workers, 3);
	assert_int_equal(s->subaddress, SUBADDRESS_BOTH);
	assert_int_equal(s->smtp_policy, SMTP_POLICY_NONE);
	assert_string_equal(s->smart_host, "smtps://[2001:db8::20]:465");
	assert_string_equal(s->smart_host_name, "mx.example.net");
	assert_int_equal(s->smart_host_verify, SMART_HOST_VERIFY_PIN);
	assert_string_equal(s->smart_host_pin, "00ff");
	assert_int_equal(s->smtp_policy_ttl_s, 60);
	assert_int_equal(s->milters.n, 3);
	assert_string_equal(s->milters.paths[1], "inet:[::1]:1");
	assert_string_equal(s->milters.paths[2], "unix:/a b");
	assert_int_equal(s->milter_default, MILTER_DEFAULT_ACCEPT);
	assert_int_equal(s->lmtp.n, 2);
	assert_string_equal(s->lmtp.paths[1], "inet:[::]:24");
	assert_string_equal(s->lmtp_group, "mail");
	assert_int_equal(s->lmtp_clients.n, 3);
	assert_int_equal(s->milter_command_timeout_s, 30);
	assert_int_equal(s->milter_content_timeout_s, 60);
	assert_string_equal(s->source_moved_to, "192.0.2.11");
	assert_int_equal(s->mark_mask, 0x00f00000);
	assert_int_equal(s->mark, 0x00400000);
	assert_int_equal(s->services[SERVICE_IMAP].port, 1143);
	assert_int_equal(s->services[SERVICE_IMAP].tls, SERVICE_TLS_HIDE);
	assert_int_equal(s->services[SERVICE_IMAP].upstream_port, 143);
	assert_false(s->services[SERVICE_POP3].enabled);
	assert_true(s->services[SERVICE_SUBMISSION].enabled);
	assert_int_equal(s->tls.certificates.n, 2);
	assert_string_equal(s->tls.certificates.paths[1], "/c/b.pem");
	assert_string_equal(s->tls.keys.paths[0], "/k/a");
	assert_int_equal(s->tls.min_version, TLS_VERSION_1_3);
	assert_string_equal(s->tls.ciphers, "AES128-SHA:$x");
	assert_int_equal(s->services[SERVICE_IMAPS].source_verify, SOURCE_VERIFY_CA);
	assert_int_equal(s->services[SERVICE_POP3S].source_verify, SOURCE_VERIFY_NONE);
	assert_int_equal(s->services[SERVICE_POP3S].source_tls, SOURCE_TLS_STARTTLS);
	assert_int_equal(s->services[SERVICE_POP3S].source_min_version, TLS_VERSION_1_0);
	assert_int_equal(s->limits.connections, 5);
	assert_int_equal(s->limits.message_bytes, 2147483647);
}

typedef void printer_fn(const struct settings *s, FILE *to);

static char *print(const struct settings *s, printer_fn *printer)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	printer(s, to);
	(void)fclose(to);
	return text;
}

/* What is printed is read again as the same. */
static void check_round_trip(const char *text, bool everything, printer_fn *printer)
{
	struct settings first, second;
	struct error err = { 0 };
	char *one, *two;

	if (settings_parse("c", text, &first, &err) < 0)
		fail_msg("%s", err.text);
	one = print(&first, printer);
	if (settings_parse("printed", one, &second, &err) < 0)
		fail_msg("%s", err.text);
	if (everything) {
		check_everything(&first);
		check_everything(&second);
	}
	two = print(&second, printer);
	assert_string_equal(one, two);
	assert_int_equal(first.fail_explicit, second.fail_explicit);
	free(one);
	free(two);
	settings_fini(&first);
	settings_fini(&second);
}

/* parse(print(x)) == x, for everything set and for nothing but the three lines. */
static void test_round_trip(void **state)
{
	printer_fn *const printers[] = { settings_print, settings_print_reference };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		check_round_trip(EVERYTHING, true, printers[i]);
		check_round_trip(THREE, false, printers[i]);
	}
}

/* Every option is explained: in the line before it, range and default included. */
static void test_reference(void **state)
{
	static const char *const lines[] = {
		"\n# seconds a login may be held while its account switches; 0 to 120; "
		"default: 20\nhold = 20\n",
		"; \"after-logoff\" or \"immediate\"; default: after-logoff\nstrategy = ",
		"# address(es) of the old server, as clients use them\nsource = ",
		"\n\t# accounts moved at the same time; 1 to 256; default: "
		"4\n\ttransfers "
		"= 4\n",
	};
	struct settings s;
	char *text;

	(void)state;
	assert_int_equal(settings_parse("c", THREE, &s, NULL), 0);
	text = print(&s, settings_print_reference);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!strstr(text, lines[i]))
			fail_msg("\"%s\" is not in:\n%s", lines[i], text);
	free(text);
	settings_fini(&s);
}

static void test_subaddress(void **state)
{
	static const struct {
		const char *text, *delimiters;
	} rows[] = {
		{ "", "+" },
		{ "subaddress = \"-\"\n", "-" },
		{ "subaddress = \"+-\"\n", "+-" },
		{ "subaddress = none\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct settings s;
		char text[256];

		(void)snprintf(text, sizeof(text), THREE "%s", rows[i].text);
		assert_int_equal(settings_parse("c", text, &s, NULL), 0);
		assert_string_equal(settings_subaddress(&s), rows[i].delimiters);
		settings_fini(&s);
	}
}

/* A list written twice is the second one, `+=` goes on. */
static void test_lists(void **state)
{
	struct settings s;

	(void)state;
	assert_int_equal(settings_parse("c",
				 THREE "source = {\"192.0.2.1\"}\n"
				       "domains += {\"example.net\"}\n",
				 &s, NULL),
		0);
	assert_int_equal(s.n_sources, 1);
	assert_int_equal(s.n_domains, 2);
	assert_string_equal(s.domains[0], "example.com");
	assert_string_equal(s.domains[1], "example.net");
	settings_fini(&s);
}

static void test_load(void **state)
{
	struct settings s;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(settings_load("/nonexistent/c", &s, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/c"));
	assert_int_equal(settings_load("/", &s, &err), -EINVAL);
}

static void test_address_text(void **state)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(143) };
	struct sockaddr_storage a = { 0 };
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	v4.sin_addr.s_addr = htonl(0xc0000201);
	memcpy(&a, &v4, sizeof(v4));
	address_port_text(&a, text);
	assert_string_equal(text, "192.0.2.1:143");
	((struct sockaddr_in6 *)&a)->sin6_family = AF_INET6;
	((struct sockaddr_in6 *)&a)->sin6_addr = in6addr_loopback;
	address_port_text(&a, text);
	assert_string_equal(text, "[::1]:143");
	address_text(&a, text);
	assert_string_equal(text, "::1");
}

static void test_mail_path(void **state)
{
	static const struct {
		struct str account;
		const char *path; /* NULL: refused */
	} rows[] = {
		{ STR("alice"), "/var/lib/mailferry/mail/alice" },
		{ STR("a.b+c@example.com"), "/var/lib/mailferry/mail/a.b+c@example.com" },
		{ STR(".."), "/var/lib/mailferry/mail/%2E." },
		{ STR("../x"), "/var/lib/mailferry/mail/%2E.%2Fx" },
		{ STR("a%2e"), "/var/lib/mailferry/mail/a%252e" },
		{ STR("m\xfcller \n"), "/var/lib/mailferry/mail/m%FCller%20%0A" },
		{ STR(""), NULL },
	};
	struct settings s;
	char path[512], small[10], long_name[256];

	(void)state;
	assert_int_equal(settings_parse("c", THREE, &s, NULL), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int r = settings_mail_path(&s, rows[i].account, path, sizeof(path));

		assert_int_equal(r, rows[i].path ? 0 : -EINVAL);
		if (rows[i].path)
			assert_string_equal(path, rows[i].path);
	}
	assert_int_equal(settings_mail_path(&s, STR_LIT("alice"), small, sizeof(small)),
		-ENAMETOOLONG);
	memset(long_name, 'x', sizeof(long_name));
	assert_int_equal(
		settings_mail_path(&s, str_of(long_name, 255), path, sizeof(path)), 0);
	assert_int_equal(
		settings_mail_path(&s, str_of(long_name, 256), path, sizeof(path)),
		-ENAMETOOLONG);
	settings_fini(&s);
}

/* Named by key and line, over blocks of one section, too; a list of many is one line. */
static void test_repeats(void **state)
{
	static const struct settings_repeat expected[] = {
		{ "", "hold", 4, 6 },
		{ "", "domains", 2, 7 },
		{ "pop3", "port", 9, 10 },
		{ "limits", "transfers", 5, 11 },
		{ "", "hold", 6, 12 },
	};
	struct settings s;
	struct error err;
	char many[SETTINGS_REPEATS_MAX * 16] = THREE;

	(void)state;
	assert_int_equal(settings_parse("c",
				 THREE "hold = 3\nlimits { transfers = 1 }\nhold = 4\n"
				       "domains = { \"a\", \"b\" }\n"
				       "services { imap { port = 144 }\n"
				       "pop3 { port = 110\nport = 111 } }\n"
				       "limits { transfers = 2 }\nhold = 5\n",
				 &s, &err),
		0);
	assert_int_equal(s.n_repeats, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < s.n_repeats; i++) {
		assert_string_equal(s.repeats[i].section, expected[i].section);
		assert_string_equal(s.repeats[i].key, expected[i].key);
		assert_int_equal(s.repeats[i].first, expected[i].first);
		assert_int_equal(s.repeats[i].again, expected[i].again);
	}
	assert_int_equal(s.hold_s, 5);
	assert_int_equal(s.limits.transfers, 2);
	settings_fini(&s);
	/* more than are told */
	while (strlen(many) + sizeof("hold = 1\n") < sizeof(many))
		strcat(many, "hold = 1\n");
	assert_int_equal(settings_parse("c", many, &s, &err), 0);
	assert_int_equal(s.n_repeats, SETTINGS_REPEATS_MAX);
	settings_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_smart_host),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_subaddress),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_address_text),
		cmocka_unit_test(test_mail_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
