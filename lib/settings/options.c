/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/options.h"

#include "base/spelling.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DAY_S 86400u

static const char *const strategy_choices[] = { "after-logoff", "immediate", NULL };
static const char *const order_choices[] = { "arrival", "smallest", "last-used", NULL };
static const char *const fail_choices[] = { "open", "closed", NULL };
static const char *const source_leg_choices[] = { "client", "own", NULL };
static const char *const uidls_choices[] = { "best-effort", "require", NULL };
static const char *const on_unreadable_choices[] = { "stop", "leave", NULL };
static const char *const uids_choices[] = { "keep", "new", NULL };
static const char *const subaddress_choices[] = { "+", "-", "+-", "none", NULL };
static const char *const smtp_policy_choices[] = { "source", "none", NULL };
static const char *const milter_default_choices[] = { "tempfail", "accept", "reject",
	NULL };
static const char *const tls_choices[] = { "auto", "pass", "hide", NULL };
static const char *const source_tls_choices[] = { "none", "starttls", "implicit",
	"client", NULL };
static const char *const source_proxy_choices[] = { "no", "v1", "v2", NULL };
static const char *const verify_choices[] = { "pin", "ca", "none", NULL };
static const char *const smart_host_verify_choices[] = { "ca", "none", "pin", NULL };
static const char *const log_level_choices[] = { "error", "warning", "info", "debug",
	NULL };
static const char *const log_target_choices[] = { "auto", "journal", "stderr", NULL };
static const char *const version_choices[] = { "1.0", "1.1", "1.2", "1.3", NULL };

_Static_assert(COUNT(strategy_choices) == STRATEGY_IMMEDIATE + 2, "a name per strategy");
_Static_assert(COUNT(order_choices) == ORDER_LAST_USED + 2, "a name for each");
_Static_assert(COUNT(fail_choices) == FAIL_CLOSED + 2, "a name per fail mode");
_Static_assert(COUNT(source_leg_choices) == SOURCE_LEG_OWN + 2, "a name for each");
_Static_assert(COUNT(uidls_choices) == UIDLS_REQUIRE + 2, "a name for each");
_Static_assert(
	COUNT(on_unreadable_choices) == ON_UNREADABLE_LEAVE + 2, "a name for each");
_Static_assert(COUNT(uids_choices) == UIDS_NEW + 2, "a name for each");
_Static_assert(COUNT(subaddress_choices) == SUBADDRESS_NONE + 2, "a name for each");
_Static_assert(COUNT(smtp_policy_choices) == SMTP_POLICY_NONE + 2, "a name for each");
_Static_assert(
	COUNT(milter_default_choices) == MILTER_DEFAULT_REJECT + 2, "a name for each");
_Static_assert(COUNT(tls_choices) == SERVICE_TLS_HIDE + 2, "a name per tls mode");
_Static_assert(COUNT(source_tls_choices) == SOURCE_TLS_CLIENT + 2, "a name for each");
_Static_assert(COUNT(source_proxy_choices) == SOURCE_PROXY_V2 + 2, "a name for each");
_Static_assert(COUNT(verify_choices) == SOURCE_VERIFY_COUNT + 1, "a name for each");
_Static_assert(
	COUNT(smart_host_verify_choices) == SMART_HOST_VERIFY_PIN + 2, "a name for each");
_Static_assert(COUNT(log_level_choices) == LOG_LEVEL_DEBUG + 2, "a name for each");
_Static_assert(COUNT(log_target_choices) == LOG_TARGET_STDERR + 2, "a name for each");
_Static_assert(COUNT(version_choices) == TLS_VERSION_1_3 + 2, "a name for each");

#define ROOT(field) .offset = offsetof(struct settings, field)
static const struct option root_rows[] = {
	{ "source", OPTION_ADDRESSES, ROOT(sources), .most = SETTINGS_SOURCES_MAX,
		.help = "address(es) of the old server, as clients use them" },
	{ "domains", OPTION_DOMAINS, ROOT(domains), .most = SETTINGS_DOMAINS_MAX,
		.help = "mail domains that live on it" },
	{ "strategy", OPTION_CHOICE, ROOT(strategy), "after-logoff",
		.choices = strategy_choices,
		.help = "when an account moves: after its user has logged off, or while "
			"the user waits at login" },
	{ "subaddress", OPTION_CHOICE, ROOT(subaddress), "+",
		.choices = subaddress_choices,
		.help = "what begins a sub-address at the source (alice+news is "
			"alice's). With \"-\", anna-maria is taken for anna's until "
			"anna-maria has logged in" },
	{ "subaddress_folder", OPTION_SWITCH, ROOT(subaddress_folder), "false",
		.help = "mail for alice+Lists goes into alice's folder Lists, if there "
			"is one; else, as without this, into INBOX" },
	{ "master_separator", OPTION_SEPARATOR, ROOT(master_separator), "*",
		.help = "what stands between a user's name and that of a master user, by "
			"whose password the source opens the user's mailbox "
			"(alice*master). Such a login passes to the source and teaches "
			"nothing. \"\": it is a part of names" },
	{ "smtp_policy", OPTION_CHOICE, ROOT(smtp_policy), "source",
		.choices = smtp_policy_choices,
		.help = "mail for an account that lives here: the source is asked at "
			"RCPT "
			"whether it takes it from this client and sender (access lists, "
			"SPF, grey-listing); \"none\": it is not, but MAIL of a new sender "
			"is told to it" },
	{ "smtp_policy_ttl", OPTION_NUMBER, ROOT(smtp_policy_ttl_s), "3600", .least = 0,
		.most = 86400,
		.help = "seconds for which its \"yes\" to a client address, HELO, sender "
			"and recipient counts again; 0: it is asked each time" },
	{ "pop_before_smtp", OPTION_SWITCH, ROOT(pop_before_smtp), "false",
		.help = "the source lets a client's address send mail after a login to a "
			"mailbox from there (POP-before-SMTP): a login here of an account "
			"that has moved is followed by one of ours at the source, from "
			"the client's address. Under systemd the transfer needs a right "
			"for it: systemctl edit mailferry-transfer, then [Service] and "
			"CapabilityBoundingSet=CAP_NET_RAW" },
	{ "milter", OPTION_MILTERS, ROOT(milters), .most = SETTINGS_MILTERS_MAX,
		.help = "content filters for mail to accounts that live here, in this "
			"order, by the milter protocol (rspamd, ClamAV, OpenDKIM, …): "
			"\"inet:127.0.0.1:11332\" or \"unix:/path/of/socket\", which user "
			"PREFIXinterceptor must be able to write to. The source's own "
			"filters do not see that mail" },
	{ "milter_default", OPTION_CHOICE, ROOT(milter_default), "tempfail",
		.choices = milter_default_choices,
		.help = "when a filter cannot be reached, breaks off or is too slow: "
			"\"tempfail\", the sender tries again; \"accept\", as if it were "
			"not there; \"reject\"" },
	{ "milter_connect_timeout", OPTION_NUMBER, ROOT(milter_connect_timeout_s), "30",
		.least = 1, .most = 3600, .help = "seconds to reach a filter" },
	{ "milter_command_timeout", OPTION_NUMBER, ROOT(milter_command_timeout_s), "30",
		.least = 1, .most = 3600,
		.help = "seconds for each of its answers before the message" },
	{ "milter_content_timeout", OPTION_NUMBER, ROOT(milter_content_timeout_s), "300",
		.least = 1, .most = 3600,
		.help = "seconds for each of its answers to the message itself" },
	{ "lmtp", OPTION_LMTP, ROOT(lmtp), .most = SETTINGS_LMTP_MAX,
		.help = "where mail servers of yours hand over mail for accounts that live "
			"here, by LMTP and without a login: \"unix:/run/mailferry/lmtp\" "
			"or \"inet:127.0.0.1:24\". Such mail has been accepted by that "
			"server already: neither the source nor `milter` is asked" },
	{ "lmtp_group", OPTION_TEXT, ROOT(lmtp_group), "",
		.help = "group whose members may connect to the sockets of `lmtp` "
			"(\"postfix\", \"Debian-exim\"); \"\": root alone" },
	{ "lmtp_clients", OPTION_NETWORKS, ROOT(lmtp_clients), .most = SETTINGS_FILES_MAX,
		.help = "other hosts that may connect to addresses of `lmtp`, as in "
			"\"192.0.2.20\" or \"2001:db8::/64\"; this host's loopback always "
			"may. There is no TLS" },
	{ "state_dir", OPTION_PATH, ROOT(state_dir), "/var/lib/mailferry",
		.help = "registry, key and mail; survives a reboot" },
	{ "run_dir", OPTION_PATH, ROOT(run_dir), "/run/mailferry",
		.help = "sockets of the running programs" },
	{ "key_file", OPTION_PATH, ROOT(key_file), NULL,
		.help = "seals passwords; default: key in state_dir" },
	{ "user_prefix", OPTION_TEXT, ROOT(user_prefix), "mailferry-",
		.help = "the programs run as the system users PREFIXadmission, "
			"PREFIXinterceptor, PREFIXmailstore, PREFIXtransfer, "
			"PREFIXvault and PREFIXdashboard, and share files by the groups "
			"PREFIXregistry and PREFIXsockets; one that there is not gets a "
			"number of uid_range" },
	{ "uid_range", OPTION_UIDS, ROOT(uid_range), "1900000000-1900999999",
		.least = 1000, .most = 4294967293,
		.help = "numbers of users and groups that nobody else has: the first 16 "
			"for our programs, each other for one account's mail and "
			"processes" },
	{ "log_level", OPTION_CHOICE, ROOT(log_level), "info",
		.choices = log_level_choices,
		.help = "how much is logged; MAILFERRY_LOG in the environment counts "
			"before it" },
	{ "log_target", OPTION_CHOICE, ROOT(log_target), "auto",
		.choices = log_target_choices,
		.help = "where to: systemd's journal with a field for each of account, "
			"client, service, session and event, or lines to stderr. "
			"\"auto\": the journal when systemd has started us" },
	{ "metrics", OPTION_LOOPBACK, ROOT(metrics), "",
		.help = "where `GET /metrics` is answered for a Prometheus on this host, "
			"besides the socket metrics.sock in run_dir: \"127.0.0.1:9782\", "
			"\"[::1]:9782\" or \"unix:/path\"; \"\": there alone" },
	{ "hold", OPTION_NUMBER, ROOT(hold_s), "20", .least = 0, .most = 120,
		.help = "seconds a login may be held while its account switches" },
	{ "unseen_hold", OPTION_NUMBER, ROOT(unseen_hold_s), "3600", .least = 0,
		.most = 30 * DAY_S,
		.help = "an account does not switch while a client from where its user "
			"logs in, too, is connected by TLS that we hold no key for. When "
			"that client has come more than once, nor for so many seconds "
			"after it left: it may look for mail now and then" },
	{ "source_neighbours", OPTION_NETWORKS, ROOT(source_neighbours),
		.most = SETTINGS_FILES_MAX,
		.help = "hosts of the source's own network that are known to read no mail "
			"there (monitoring, a backup, a second gateway), as in "
			"\"192.0.2.20\" or \"2001:db8::/64\". Others that ask there for "
			"the source's address are reported: they reach it past us" },
	{ "precopy", OPTION_SWITCH, ROOT(precopy), "true",
		.help = "copy in the background while the source still serves" },
	{ "order", OPTION_CHOICE, ROOT(order), "arrival", .choices = order_choices,
		.help = "which of the accounts that wait for a place is copied first: who "
			"came first; the smallest, as the list of `import accounts` says "
			"it; or whose user was seen last. An account whose copy is "
			"complete goes before all of them" },
	{ "live", OPTION_SWITCH, ROOT(live), "true",
		.help = "an IMAP session at the source goes on here when its account "
			"switches, without a new login, so that devices which never log "
			"off move within seconds of the copy; one that cannot is waited "
			"for as `deadline` says. false: all are" },
	{ "sweep", OPTION_NUMBER, ROOT(sweep_s), "300", .least = 0, .most = DAY_S,
		.help = "seconds between two looks at the old mailbox of an account that "
			"lives here: mail that the source's own aliases, lists or webmail "
			"still put there comes over; 0: never" },
	{ "quota", OPTION_QUOTA, ROOT(quota), "none",
		.help = "how much mail an account that lives here may hold, unless "
			"`quota USER` says otherwise: \"10G\", \"500M\", "
			"\"10G,100000\" (and so many messages), or \"none\"; a move is "
			"never held back" },
	{ "quota_warnings", OPTION_PERCENTS, ROOT(quota_warnings), "80,95",
		.help = "an account that holds so much of its quota, in per cent, gets a "
			"message that says so, once for each: at most four, or \"none\"" },
	{ "search_index", OPTION_SWITCH, ROOT(search_index), "true",
		.help = "accounts that live here have an index of their texts, so that a "
			"search opens only messages that may have what it looks for; it "
			"grows by about a tenth of the text (attachments do not count). "
			"Off: it is removed, and searches read all" },
	{ "trash_days", OPTION_NUMBER, ROOT(trash_days), "30", .least = 0, .most = 3650,
		.help = "days for which the mail of an account that `account remove` "
			"has removed is kept in state_dir/trash" },
	{ "upgrade_drain", OPTION_NUMBER, ROOT(upgrade_drain_s), "86400", .least = 0,
		.most = 31536000,
		.help = "seconds after an upgrade for which sessions may go on in the old "
			"programs; those that are left are ended then, between two "
			"answers; 0: never" },
	{ "hibernate", OPTION_NUMBER, ROOT(hibernate_s), "60", .least = 0, .most = DAY_S,
		.help = "seconds in which no client of an account that lives here says "
			"anything, and it gets no mail, after which it has no process any "
			"more: its sessions sleep, and go on with the first word or new "
			"mail; 0: never" },
	{ "uidls", OPTION_CHOICE, ROOT(uidls), "best-effort", .choices = uidls_choices,
		.help = "POP3 unique-ids: \"best-effort\" reads them for users of POP3, "
			"\"require\" for all and once more at the switch, and nobody "
			"moves without" },
	{ "destination", OPTION_PLACES, ROOT(destinations), "store", .most = 4,
		.help = "where mail moves to, and who serves its users afterwards: "
			"\"store\", we do; \"imap://192.0.2.20\", that server, which "
			"knows all users with their passwords (\"imap+starttls://\", "
			"\"imaps://\": by TLS). Where POP3 and "
			"mail are not that server's with the same TLS: \"pop3://192.0.2.20\", "
			"\"lmtp://192.0.2.20:24\" or \"smtp://192.0.2.20:25\" in the list, "
			"too. {\"maildir:/srv/mail/%d/%n\", \"imap://127.0.0.1\"}: the "
			"Dovecot there, whose Maildirs are written with the UIDs of the "
			"source" },
	{ "maildir_owner", OPTION_TEXT, ROOT(maildir_owner), "vmail",
		.help = "the system user, or \"user:group\", whose files the Maildirs of "
			"`destination` are; never root" },
	{ "uids", OPTION_CHOICE, ROOT(uids), "keep", .choices = uids_choices,
		.help = "of messages at the destination: \"keep\", as at the source; "
			"\"new\", its own, which is all that an IMAP server allows: "
			"clients fetch all mail once more" },
	{ "destination_name", OPTION_TEXT, ROOT(destination_name), "",
		.help = "host name of the destination, as its certificate has it" },
	{ "destination_verify", OPTION_CHOICE, ROOT(destination_verify), "ca",
		.choices = smart_host_verify_choices,
		.help = "by what we know the destination when it is reached by TLS: a "
			"certificate for its name by a known authority, not at all, or its "
			"key (`destination_pin`)" },
	{ "destination_pin", OPTION_TEXT, ROOT(destination_pin), "",
		.help = "the key of the destination, as `mailferry check` shows it: 64 "
			"hexadecimal digits, SHA-256 of its public key" },
	{ "on_unreadable", OPTION_CHOICE, ROOT(on_unreadable), "stop",
		.choices = on_unreadable_choices,
		.help = "messages and folders that the source does not give: \"stop\", "
			"the "
			"user stays there; \"leave\", the account moves without them" },
	{ "allow_select", OPTION_SWITCH, ROOT(allow_select), "false",
		.help = "open by SELECT what EXAMINE does not open; it takes \\Recent at "
			"the "
			"source" },
	{ "deadline", OPTION_NUMBER, ROOT(deadline_s), "0", .least = 0,
		.most = 30 * DAY_S,
		.help = "seconds after which devices that never log off get BYE; 0: "
			"never" },
	{ "window", OPTION_WINDOW, ROOT(window), "",
		.help = "when deadline switches may happen, \"22:00-05:00\"; empty: "
			"always" },
	{ "fail", OPTION_CHOICE, ROOT(fail), "open", .choices = fail_choices,
		.help = "new connections while we are down: to the source, or refused. "
			"Not set: open until an account lives here, then closed" },
	{ "workers", OPTION_NUMBER, ROOT(workers), "0", .least = 0, .most = 256,
		.help = "interceptor processes; 0: one for each CPU" },
	{ "listen_port", OPTION_PORT, ROOT(listen_port), "19780", .least = 1,
		.most = 65535 - SERVICE_COUNT,
		.help = "the first of seven ports on which the interceptor waits for "
			"what the rules divert to it" },
	{ "smart_host", OPTION_SMART_HOST, ROOT(smart_host), "",
		.help = "the mail server that takes what users here send elsewhere, once "
			"the source is retired or does not take their password, and "
			"reports of deliveries to senders who ask for one (DSN): "
			"\"127.0.0.1\" or \"smtp://127.0.0.1:25\" in clear (best one on "
			"this host), \"smtp+starttls://192.0.2.20:25\", "
			"\"smtps://192.0.2.20:465\", \"lmtp://127.0.0.1:24\", "
			"\"lmtp:/path/of/socket\". On this host a port below 1024, or a "
			"socket in a folder of the server's own: any local user could "
			"listen on another port while that server is down, and get the "
			"mail. Empty: none. It must take mail from "
			"this host without a login, or see `smart_host_credentials`" },
	{ "smart_host_credentials", OPTION_CREDENTIAL, ROOT(smart_host_credentials), "",
		.help = "the file with our login at the smart host: the user in the "
			"first line, the password in the second, of root and mode 600, or "
			"%d/NAME, a credential of the service. Only inside TLS that "
			"verifies it, or on this host. Empty: it asks for none" },
	{ "smart_host_name", OPTION_TEXT, ROOT(smart_host_name), "",
		.help = "host name of the smart host, as its certificate has it" },
	{ "smart_host_verify", OPTION_CHOICE, ROOT(smart_host_verify), "ca",
		.choices = smart_host_verify_choices,
		.help = "by what we know the smart host when it is reached by TLS: a "
			"certificate for its name by a known authority, not at all, or its "
			"key (`smart_host_pin`)" },
	{ "smart_host_pin", OPTION_TEXT, ROOT(smart_host_pin), "",
		.help = "the key of the smart host, as `mailferry check` shows it: 64 "
			"hexadecimal digits, SHA-256 of its public key" },
	{ "mark_mask", OPTION_BITS, ROOT(mark_mask), "0x78000000", .least = 4,
		.help = "the four bits of firewall marks that are ours: the lowest one "
			"of connections, the others of packets and sockets. All other "
			"bits are left alone. `mailferry check` says who else uses them, "
			"and proposes four that nobody does. After a change: `mailferry "
			"rules remove` before" },
	{ "mark", OPTION_BITS, ROOT(mark), "0",
		.help = "the mark of packets that are diverted to the interceptor, for a "
			"firewall that has to let them in: one or more of the upper three "
			"bits of mark_mask; 0: the lowest of them" },
	{ "route_table", OPTION_NUMBER, ROOT(route_table), "19782", .least = 256,
		.most = 2147483646,
		.help = "number of the routing table that delivers what is diverted; it "
			"and the next one are ours alone. After a change: `mailferry rules "
			"remove` before" },
	{ "rule_preference", OPTION_NUMBER, ROOT(rule_preference), "1000", .least = 6,
		.most = 32000,
		.help = "of our first ip rule, which has four behind it; it is less when "
			"somebody else's rule would come before" },
	{ "source_name", OPTION_TEXT, ROOT(source_name), "",
		.help = "host name of the old server, as its certificate has it; needed "
			"for source_verify = \"ca\"" },
	{ "source_moved_to", OPTION_ADDRESS, ROOT(source_moved_to), "",
		.help = "the source's new address when we took over the old one" },
	{ "source_leg", OPTION_CHOICE, ROOT(source_leg), "client",
		.choices = source_leg_choices,
		.help = "from which address we connect to the source for a client: the "
			"client's, so that its logs, bans and access lists see who it is; "
			"its answers must come back through this host. Or our own: all "
			"clients look like this host there. Not set: the client's, and for "
			"IMAP and POP3 our own where only that is answered" },
};
#undef ROOT

#define SERVICE(field) .offset = offsetof(struct service_settings, field)
static const struct option service_option_rows[] = {
	{ "port", OPTION_PORT, SERVICE(port), NULL, .least = 1, .most = 65535,
		.help = "as clients use it" },
	{ "enabled", OPTION_SWITCH, SERVICE(enabled), "true",
		.help = "divert it; false: the kernel routes it past us, and only counts. "
			"TLS that we hold no key for passes to the source unchanged" },
	{ "tls", OPTION_CHOICE, SERVICE(tls), "auto", .choices = tls_choices,
		.help = "TLS of clients: \"auto\" ends it here where we hold a key for "
			"the name that they ask for and else lets it pass to the source "
			"unseen, \"pass\" always lets it pass, \"hide\" offers none" },
	{ "upstream", OPTION_PORT, SERVICE(upstream_port), NULL, .least = 1,
		.most = 65535, .help = "port at the source; default: port" },
	{ "source_tls", OPTION_CHOICE, SERVICE(source_tls), NULL,
		.choices = source_tls_choices,
		.help = "how we speak to the source for clients whose TLS ends here; "
			"\"client\": by STARTTLS behind the client's own, where the source "
			"offers it and its key is confirmed. Not set: imaps, pop3s and smtps "
			"\"implicit\", smtp and submission \"client\", imap and pop3 "
			"\"none\"" },
	{ "source_verify", OPTION_CHOICE, SERVICE(source_verify), NULL,
		.choices = verify_choices,
		.help = "by what we know that it is the source; default: what tls "
			"{ source_verify } says" },
	{ "source_min_version", OPTION_CHOICE, SERVICE(source_min_version), "1.2",
		.choices = version_choices,
		.help = "the oldest TLS that the source may speak to us; below 1.2 with "
			"the weak ciphers of its time" },
	{ "source_proxy", OPTION_CHOICE, SERVICE(source_proxy), "no",
		.choices = source_proxy_choices,
		.help = "with source_leg = \"own\": each connection to this port of the "
			"source begins with a header of the PROXY protocol, version 1 or "
			"2, that says which client it is for. The port must expect it "
			"from our address and take no connection without; best one that "
			"clients do not use (upstream)" },
};
#undef SERVICE

#define LIMIT(field) .offset = offsetof(struct limits, field)
static const struct option limit_rows[] = {
	{ "connections", OPTION_NUMBER, LIMIT(connections), "20000", .least = 1,
		.most = 1000000, .help = "at once, over all workers" },
	{ "connections_per_ip", OPTION_NUMBER, LIMIT(connections_per_ip), "2000",
		.least = 1, .most = 1000000,
		.help = "not logged in yet, from one address (IPv6: /64) "
			"from which nobody has logged in; failed logins make it less" },
	{ "prelogin_bytes", OPTION_NUMBER, LIMIT(prelogin_bytes), "67108864",
		.least = 1048576, .most = 2147483647,
		.help = "memory for connections that are not logged in, 16 KiB each; a "
			"quarter is kept for networks from which somebody has logged "
			"in, as it is of `connections`" },
	{ "login_timeout", OPTION_NUMBER, LIMIT(login_timeout_s), "120", .least = 1,
		.most = 3600, .help = "seconds from connecting to a proven login" },
	{ "login_bytes", OPTION_NUMBER, LIMIT(login_bytes), "65536", .least = 1024,
		.most = 1048576, .help = "bytes a client may send before that" },
	{ "transfers", OPTION_NUMBER, LIMIT(transfers), "4", .least = 1, .most = 256,
		.help = "accounts moved at the same time" },
	{ "source_connections", OPTION_NUMBER, LIMIT(source_connections), "2", .least = 1,
		.most = 8, .help = "of one transfer to the source" },
	{ "source_logins", OPTION_NUMBER, LIMIT(source_logins), "0", .least = 0,
		.most = 60000,
		.help = "a minute, of all transfers and looks at old mailboxes together; "
			"fewer while the source says that it has too many. 0: any number. "
			"A user who waits for the end of a move does not wait for this" },
	{ "source_messages", OPTION_NUMBER, LIMIT(source_messages), "0", .least = 0,
		.most = 1000000, .help = "a second, read by all of them. 0: any number" },
	{ "source_kilobytes", OPTION_NUMBER, LIMIT(source_kilobytes), "0", .least = 0,
		.most = 10000000,
		.help = "a second, read by all of them. 0: any number" },
	{ "message_bytes", OPTION_NUMBER, LIMIT(message_bytes), "104857600",
		.least = 65536, .most = 2147483647,
		.help = "the largest message accepted here" },
	{ "disk_reserve", OPTION_NUMBER, LIMIT(disk_reserve), "268435456", .least = 0,
		.most = 2147483647,
		.help = "bytes of the disk that copies and deliveries leave free, so "
			"that "
			"accounts can still be switched and served" },
	{ "new_accounts", OPTION_NUMBER, LIMIT(new_accounts), "10000", .least = 1,
		.most = 1000000,
		.help = "made in an hour by first logins; the others are served by the "
			"source and tried again at their next login" },
	{ "new_connections", OPTION_NUMBER, LIMIT(new_connections), "2000", .least = 0,
		.most = 1000000,
		.help = "in a second, begun by one client network (IPv4 /24, IPv6 /56), "
			"twice as many at once; more are reset. 0: any number" },
};
#undef LIMIT

#define TLS(field) .offset = offsetof(struct tls_settings, field)
static const struct option tls_rows[] = {
	{ "certificate", OPTION_PATHS, TLS(certificates), .most = SETTINGS_FILES_MAX,
		.help = "certificates with their chains (PEM), the one for clients that "
			"ask for no name first. %d/NAME is a credential of the service" },
	{ "key", OPTION_PATHS, TLS(keys), .most = SETTINGS_FILES_MAX,
		.help = "their private keys (PEM), in the same order; only the vault "
			"reads them" },
	{ "min_version", OPTION_CHOICE, TLS(min_version), "1.2",
		.choices = version_choices, .help = "the oldest TLS for clients" },
	{ "ciphers", OPTION_TEXT, TLS(ciphers), "",
		.help = "of TLS 1.2, as OpenSSL names them; empty: Mozilla's "
			"\"intermediate\"" },
	{ "source_verify", OPTION_CHOICE, TLS(source_verify), "pin",
		.choices = verify_choices,
		.help = "by what we know that it is the source: its key as `mailferry "
			"check` saw it, a certificate by a known authority, or not at "
			"all" },
};
#undef TLS

#define DASHBOARD(field) .offset = offsetof(struct dashboard_settings, field)
static const struct option dashboard_rows[] = {
	{ "listen", OPTION_LOOPBACK, DASHBOARD(listen), "",
		.help = "where the dashboard waits for a browser on this host: "
			"\"127.0.0.1:8625\", \"[::1]:8625\" or \"unix:/path\"; \"\": there "
			"is none" },
	{ "token_file", OPTION_PATH, DASHBOARD(token_file), NULL,
		.help = "the secret to log in with, at least 20 characters in one line; "
			"default: dashboard.token in state_dir, made at the first start" },
	{ "admin", OPTION_SWITCH, DASHBOARD(admin), "false",
		.help = "whoever has the token may also change routes, start transfers "
			"and end connections; false: only look" },
};
#undef DASHBOARD

const struct option_section root_options = { root_rows, COUNT(root_rows) };
const struct option_section service_options = { service_option_rows,
	COUNT(service_option_rows) };
const struct option_section limit_options = { limit_rows, COUNT(limit_rows) };
const struct option_section tls_options = { tls_rows, COUNT(tls_rows) };
const struct option_section dashboard_options = { dashboard_rows, COUNT(dashboard_rows) };

const struct service_row service_rows[SERVICE_COUNT] = {
	[SERVICE_SMTP] = { "smtp", 25, false, SOURCE_TLS_CLIENT },
	[SERVICE_POP3] = { "pop3", 110, false, SOURCE_TLS_NONE },
	[SERVICE_IMAP] = { "imap", 143, false, SOURCE_TLS_NONE },
	[SERVICE_SMTPS] = { "smtps", 465, true, SOURCE_TLS_IMPLICIT },
	[SERVICE_SUBMISSION] = { "submission", 587, false, SOURCE_TLS_CLIENT },
	[SERVICE_IMAPS] = { "imaps", 993, true, SOURCE_TLS_IMPLICIT },
	[SERVICE_POP3S] = { "pop3s", 995, true, SOURCE_TLS_IMPLICIT },
};

const struct option *option_by_name(struct option_section section, const char *name)
{
	for (size_t i = 0; i < section.count; i++)
		if (strcmp(section.rows[i].name, name) == 0)
			return &section.rows[i];
	return NULL;
}

const char *option_closest(struct option_section section, const char *name)
{
	unsigned best = SPELLING_OTHER;
	const char *found = NULL;

	for (size_t i = 0; i < section.count; i++) {
		unsigned d = spelling_distance(name, section.rows[i].name);

		if (d < best) {
			best = d;
			found = section.rows[i].name;
		}
	}
	return found;
}

int option_set_defaults(struct option_section section, void *base, struct error *err)
{
	for (size_t i = 0; i < section.count; i++) {
		const struct option *o = &section.rows[i];
		int r = o->default_text ? option_parse(o, base, 0, o->default_text, err)
		                        : 0;

		if (r < 0)
			return r;
	}
	return 0;
}
