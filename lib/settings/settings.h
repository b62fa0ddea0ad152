/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_SETTINGS_H
#define SETTINGS_SETTINGS_H
/*
 * mailferry.conf: three lines to start (source, domains, strategy), everything else has
 * a default which `mailferry check` prints.
 *
 * An option is one row in settings.c: name, type, default, range, unit, help. Parsing
 * (libconfuse), range errors, printing and the manual come from it. A mistake gives one
 * sentence with file, line and cure. parse(print(x)) == x.
 */
#include "base/address.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "settings/destination.h"
#include "settings/quota.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SETTINGS_SOURCES_MAX 16 /* addresses of one old server, both families */
#define SETTINGS_DOMAINS_MAX 256

enum service_id {
	SERVICE_SMTP,
	SERVICE_POP3,
	SERVICE_IMAP,
	SERVICE_SMTPS,
	SERVICE_SUBMISSION,
	SERVICE_IMAPS,
	SERVICE_POP3S,
	SERVICE_COUNT,
	SERVICE_LMTP /* none of the source's: mail servers hand over mail here (lmtp.h) */
};

/* What happens to the TLS of a service's clients. */
enum service_tls {
	SERVICE_TLS_AUTO, /* ends here where we hold a key for the name that the client
	                     asks for; else as "pass" */
	SERVICE_TLS_PASS, /* STARTTLS is the source's: the rest of the session goes there
	                     unseen. Nobody is locked out. */
	SERVICE_TLS_HIDE, /* STARTTLS is neither shown nor accepted */
};

/* By what we know that it is the source. */
enum source_verify {
	SOURCE_VERIFY_PIN,  /* the key that `mailferry check` saw and the admin confirmed
	                     */
	SOURCE_VERIFY_CA,   /* a certificate for its name by a known authority */
	SOURCE_VERIFY_NONE, /* not at all */
	SOURCE_VERIFY_COUNT /* while it is read: as `tls { source_verify }` says */
};
/* UIDs where mail goes: those of the source, or the destination's own. */
enum uids { UIDS_KEEP, UIDS_NEW };
/* Places in the list of versions: "1.0" to "1.3". */
enum tls_version { TLS_VERSION_1_0, TLS_VERSION_1_1, TLS_VERSION_1_2, TLS_VERSION_1_3 };

#define SETTINGS_FILES_MAX                                                               \
	32 /* certificates of one host; real ones have two or three   \
	                       */
struct settings_files {
	size_t n;
	char *paths[SETTINGS_FILES_MAX]; /* owned */
};

struct tls_settings {
	struct settings_files certificates, keys; /* in the same order; PEM */
	enum tls_version min_version;             /* for clients */
	char *ciphers;                            /* of TLS 1.2; "": "intermediate" */
	enum source_verify source_verify;         /* for services that do not say */
};

struct dashboard_settings {
	char *listen;     /* "" or loopback.h; owned, as the next one */
	char *token_file; /* default <state_dir>/dashboard.token */
	bool admin;       /* not only to look at */
};

/* The PROXY protocol towards the source. */
enum source_proxy { SOURCE_PROXY_NO, SOURCE_PROXY_V1, SOURCE_PROXY_V2 };

struct service_settings {
	bool enabled;  /* diverted at all */
	uint16_t port; /* as clients use it */
	enum service_tls tls;
	uint16_t upstream_port; /* at the source; default: port */
	enum source_tls_mode source_tls;
	enum source_verify source_verify;
	enum tls_version source_min_version;
	enum source_proxy source_proxy;
};

/* From which address we connect to the source for a client. */
enum source_leg { SOURCE_LEG_CLIENT, SOURCE_LEG_OWN };

enum strategy { STRATEGY_AFTER_LOGOFF, STRATEGY_IMMEDIATE };
enum order { ORDER_ARRIVAL, ORDER_SMALLEST, ORDER_LAST_USED };
enum fail_mode { FAIL_OPEN, FAIL_CLOSED };
/* POP3 unique-ids: read for those who were seen to use POP3, or for everybody, and then
   no account moves whose ids are not proven. */
enum uidls { UIDLS_BEST_EFFORT, UIDLS_REQUIRE };
enum on_unreadable { ON_UNREADABLE_STOP, ON_UNREADABLE_LEAVE };

/* What begins the part of an address that does not say whose it is (alice+news). */
enum subaddress { SUBADDRESS_PLUS, SUBADDRESS_MINUS, SUBADDRESS_BOTH, SUBADDRESS_NONE };

/* Who judges clients and senders of mail for accounts that live here. */
enum smtp_policy { SMTP_POLICY_SOURCE, SMTP_POLICY_NONE };

/* What counts when a content filter gives no verdict. */
enum milter_default {
	MILTER_DEFAULT_TEMPFAIL,
	MILTER_DEFAULT_ACCEPT,
	MILTER_DEFAULT_REJECT
};
#define SETTINGS_MILTERS_MAX 8 /* real ones have three */
#define SETTINGS_LMTP_MAX 4    /* a socket for each mail server on this host */

struct limits {
	uint32_t connections;        /* at once, over all workers */
	uint32_t connections_per_ip; /* not logged in, from an unknown network */
	uint32_t prelogin_bytes;     /* memory of all that are not logged in */
	uint32_t login_timeout_s;    /* from accept to a proven login */
	uint32_t login_bytes;        /* what a client may send before login */
	uint32_t transfers;          /* accounts moved at the same time */
	uint32_t source_connections; /* of one transfer to the source */
	/* of all transfers together; 0: any */
	uint32_t source_logins;    /* a minute */
	uint32_t source_messages;  /* a second */
	uint32_t source_kilobytes; /* a second */
	uint32_t message_bytes;    /* the largest message accepted here */
	uint32_t disk_reserve;     /* bytes that mail leaves free on the disk */
	uint32_t new_accounts;     /* made in an hour by first logins */
	uint32_t new_connections;  /* a second, of one client network; 0: any */
};

/* Numbers of users, and of groups. */
struct uid_range {
	uint32_t first, last;
};

/* A key that the file sets twice: the last one counts. */
struct settings_repeat {
	const char *section; /* "limits", "imap", …; "" */
	const char *key;
	unsigned first, again; /* lines */
};
#define SETTINGS_REPEATS_MAX 16 /* that are told */

struct settings {
	struct sockaddr_storage sources[SETTINGS_SOURCES_MAX]; /* port 0 */
	size_t n_sources;
	char *domains[SETTINGS_DOMAINS_MAX]; /* lower case; owned */
	size_t n_domains;
	enum strategy strategy;
	enum subaddress subaddress;
	bool subaddress_folder; /* it names a folder */
	enum smtp_policy smtp_policy;
	uint32_t smtp_policy_ttl_s; /* an answer of the source counts; 0: only once */
	char *master_separator;     /* of "alice*master"; "": there are no such names */
	struct settings_files milters;            /* milter.h */
	struct settings_files lmtp, lmtp_clients; /* lmtp.h */
	char *lmtp_group;                         /* "": root alone */
	enum milter_default milter_default;
	uint32_t milter_connect_timeout_s, milter_command_timeout_s;
	uint32_t milter_content_timeout_s;
	char *state_dir;   /* default /var/lib/mailferry; owned, as all below */
	char *run_dir;     /* default /run/mailferry */
	char *key_file;    /* default <state_dir>/key */
	char *user_prefix; /* users/users.h */
	struct uid_range uid_range;
	uint32_t hold_s; /* how long a client may be held while the account switches */
	bool pop_before_smtp; /* logins here are followed by one at the source */
	bool live;            /* IMAP sessions change sides without a new login */
	struct settings_files source_neighbours; /* addresses or networks */
	uint32_t unseen_hold_s;      /* registry/unseen.h: clients that come again */
	struct settings_quota quota; /* of an account that has none of its own */
	struct settings_percents quota_warnings;
	uint32_t upgrade_drain_s; /* of sessions in old programs; 0: for ever */
	uint32_t hibernate_s;     /* until idle sessions have no process; 0: never */
	uint32_t trash_days;      /* for mail of removed accounts */
	bool search_index;        /* of texts, in each mail folder */
	uint32_t sweep_s;         /* between two looks at old mailboxes; 0: never */
	enum order order;         /* in which accounts are copied */
	bool precopy;             /* copy while the source still serves */
	enum uidls uidls;
	enum on_unreadable on_unreadable;
	bool allow_select;
	uint32_t deadline_s; /* 0: none. After that long, devices that never log off get
	                      * BYE so that the switch can happen */
	char *window;        /* "" or "22:00-05:00": when deadline switches may happen */
	enum fail_mode fail;
	bool fail_explicit; /* the admin wrote it. Not so: open, but closed as soon as an
	                       account lives here (its source mailbox is stale) */
	uint32_t workers;   /* interceptor processes; 0: one per CPU */
	uint32_t mark_mask; /* our bits of firewall marks (nft-rules/marks.h) */
	uint32_t mark;      /* of what is diverted, in it */
	enum log_level log_level;
	enum log_target log_target;
	uint32_t route_table;     /* ours alone, and the next one */
	uint32_t rule_preference; /* of our first ip rule */
	uint16_t listen_port; /* the first of SERVICE_COUNT, where our listeners wait */
	struct limits limits;
	struct service_settings services[SERVICE_COUNT];
	struct tls_settings tls;
	struct dashboard_settings dashboard;
	struct settings_files destinations;      /* as they were written */
	struct destination_settings destination; /* what they mean */
	enum uids uids;
	char *maildir_owner;    /* of a Maildir as destination: "user" or "user:group" */
	char *destination_name; /* "" or as its certificate has it */
	enum smart_host_verify destination_verify;
	char *destination_pin; /* "" or its key, as `check` shows it */
	char *metrics;         /* "" or loopback.h: besides run_dir/metrics.sock */
	char *source_name;     /* "" or the host name that clients know it by */
	char *smart_host;      /* "" or smart_host.h */
	char *smart_host_name; /* "" or as its certificate has it */
	enum smart_host_verify smart_host_verify;
	char *smart_host_pin;         /* "" or its key, as `check` shows it */
	char *smart_host_credentials; /* "" or login_file.h */
	char *source_moved_to; /* "" or the source's new address: address take-over */
	enum source_leg source_leg;
	bool source_leg_explicit; /* the admin wrote it; if not: source/leg.h */
	struct settings_repeat repeats[SETTINGS_REPEATS_MAX];
	size_t n_repeats;
};

/* Reads `path`. On error: the sentence with file and line, the code -EINVAL (bad
   content: exit 2), or what open(2) said. On success *ret is filled; settings_fini(). */
int settings_load(const char *path, struct settings *ret, struct error *err);
int settings_parse(
	const char *name, const char *text, struct settings *ret, struct error *err);
void settings_fini(struct settings *s); /* may be called twice */

/* The certificates and keys of `from`, which has those of s instead. */
void settings_take_files(struct settings *s, struct settings *from);

/* Prints every option with its value, in a form settings_parse() reads back. */
void settings_print(const struct settings *s, FILE *to);
/* The same in a nameless file, for a child that may not reach the one it was read from:
   its descriptor (close-on-exec), which settings_load() reads in the child as
   /proc/self/fd/N; or -errno. */
int settings_descriptor(const struct settings *s);

/* The same with the meaning, range and default of each option as a comment before it: the
   reference, and a file to start from. */
void settings_print_reference(const struct settings *s, FILE *to);

/* Where our listener for that service waits: no port of mail, so that a mail server on
   the router itself is not in its way. */
uint16_t settings_listen_port(const struct settings *s, enum service_id id);

/* What to do with new flows when no listener is there, given whether an account lives
   here (registry_any_local()). */
enum fail_mode settings_effective_fail(const struct settings *s, bool any_local);
const char *fail_mode_name(enum fail_mode f);
/* The characters: "+", "-", "+-" or "". */
const char *settings_subaddress(const struct settings *s);
const char *service_tls_name(enum service_tls t);
/* "1.2". */
const char *tls_version_name(enum tls_version v);
/* Whether TLS of that service can end here: keys are there. */
bool settings_ends_tls(const struct settings *s, enum service_id id);
/* Whether a service speaks TLS from its first byte (993, 995, 465). */
bool service_is_implicit(enum service_id id);

/* "imap"; and the reverse for those of the source, SERVICE_COUNT when there is none. */
const char *service_name(enum service_id id);
enum service_id service_by_name(const char *name);
const char *strategy_name(enum strategy s);

/* The source address of that family (AF_INET, AF_INET6), or NULL. */
const struct sockaddr_storage *settings_source(const struct settings *s, int family);
bool settings_has_domain(const struct settings *s, struct str domain);

/* Where the source answers us, without ports: at source_moved_to, else at its addresses.
   Returns how many; 0: source_moved_to is no address. */
size_t settings_upstreams(const struct settings *s,
	struct sockaddr_storage ret[static SETTINGS_SOURCES_MAX]);
/* The first of them. */
struct sockaddr_storage settings_upstream(const struct settings *s);

/* "192.0.2.1" or "2001:db8::1" into text[INET6_ADDRSTRLEN]; address with port for logs
   into text[ADDRESS_TEXT_MAX]: "192.0.2.1:143", "[2001:db8::1]:143". */
#define ADDRESS_TEXT_MAX 64
void address_text(const struct sockaddr_storage *a, char text[static ADDRESS_TEXT_MAX]);
void address_port_text(
	const struct sockaddr_storage *a, char text[static ADDRESS_TEXT_MAX]);

/* Paths below state_dir and run_dir, into path[size]; -ENAMETOOLONG. */
int settings_state_path(
	const struct settings *s, const char *name, char *path, size_t size);
int settings_run_path(
	const struct settings *s, const char *name, char *path, size_t size);
/* The folder of one account's mail, <state_dir>/mail/<account>. Bytes that a file name
   should not have ('/', a first '.', 8-bit, …) are written as %XX, so that no name
   reaches another folder and two names never share one. */
int settings_mail_path(
	const struct settings *s, struct str account, char *path, size_t size);
#define REGISTRY_FILE "registry.sqlite"       /* in state_dir */
#define MAIL_DIRECTORY "mail"                 /* in state_dir: one folder an account */
#define STAGING_DIRECTORY "staging"           /* in state_dir: mail on its way in */
#define REPORTS_DIRECTORY "reports"           /* in state_dir: source/reports.h */
#define SMART_HOST_RELAY_FOLDER "relay"       /* in run_dir: source/smart_host.h */
#define ADMISSION_SOCKET "admission.sock"     /* in run_dir */
#define INTERCEPTOR_SOCKET "interceptor.sock" /* in run_dir */
#define MAILSTORE_SOCKET "mailstore.sock"     /* in run_dir */
#define TRANSFER_SOCKET "transfer.sock"       /* in run_dir */
#define QUESTIONS_SOCKET "questions.sock"     /* the dashboard's, where parts run alone */
/* The vault's, in run_dir: who asks is known by where they ask. */
#define VAULT_SOCKET "vault.sock" /* commands */
#define VAULT_LOGIN_SOCKET "vault-login.sock"
#define VAULT_MAIL_SOCKET "vault-mail.sock"
#define VAULT_MOVE_SOCKET "vault-move.sock"

#endif
