/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/commands.h"

#include "base/spelling.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct command commands[] = {
	{ "check", "", 0, 0, OPTION_JSON | OPTION_PRINT_CONFIG | OPTION_TRUST_SOURCE,
		cmd_check,
		"would it work? configuration, kernel, rights, what the source offers" },
	{ "up", "[vault|state|mailstore|transfer|interceptor|admission|dashboard|rules]",
		0, 1, 0, cmd_up,
		"run everything in the foreground. At its end it removes the rules while "
		"no account lives here; else they stay and refuse connections. With a "
		"part's name: that part alone, and the rules stay as they are (each part "
		"has a systemd unit)" },
	{ "rules", "begin|install|confirm|show|check|remove|end", 1, 1,
		OPTION_JSON | OPTION_CLOSED | OPTION_YES | OPTION_DRY_RUN |
			OPTION_CONFIRM,
		cmd_rules,
		"the kernel's side alone: packet rules, routing, counters. begin, end: "
		"what `up` does with them at its start and at its end" },
	{ "status", "", 0, 0, OPTION_JSON | OPTION_EXIT_CODE, cmd_status,
		"one screen: source, services, accounts, flows, what needs attention" },
	{ "accounts", "", 0, 0, OPTION_JSON | OPTION_USE, cmd_accounts,
		"list the accounts that have logged in through us; --use: what each takes "
		"here" },
	{ "account", "USER | add|disable|enable|remove USER | rename USER NEW", 1, 3,
		OPTION_JSON | OPTION_YES | OPTION_DROP_OLD | OPTION_RESUME |
			OPTION_AGAIN | OPTION_HOME,
		cmd_account,
		"show one account with its certificate and its journal. --again: what is "
		"lost or damaged of it here is transferred anew. --home: the server that "
		"it has moved to has another address. add: make one "
		"that never was at the source (its password is asked for, or read from "
		"stdin). disable, enable: refuse logins to an account that lives here, "
		"allow them again. remove: delete one that has no mailbox at the "
		"source; its mail goes to the trash. rename: another name for one that "
		"lives here; mail, passwords and aliases stay, its sessions end, and the "
		"old name still reaches it" },
	{ "route", "USER auto|source|local", 2, 2,
		OPTION_YES | OPTION_DRY_RUN | OPTION_JSON, cmd_route,
		"the toggle: who serves this user. source: what is new here since the "
		"move is carried back; --dry-run says what, and what cannot be kept. "
		"local --yes: although somebody may go on to read the old mailbox unseen "
		"(see `account`)" },
	{ "transfer", "USER | --pause | --resume", 0, 1,
		OPTION_WAIT | OPTION_JSON | OPTION_PAUSE | OPTION_RESUME, cmd_transfer,
		"move this account now, not later; or stop all moves for a while" },
	{ "admit", "PREFIX divert|direct|refuse|drop", 0, 2,
		OPTION_LIST | OPTION_REMOVE | OPTION_SERVICE | OPTION_YES | OPTION_JSON,
		cmd_admit,
		"who is intercepted, by client prefix: an address, a network; the "
		"longest wins" },
	{ "alias", "import FILE|add ADDRESS USER|remove ADDRESS|list [USER]|propose", 1,
		3,
		OPTION_JSON | OPTION_FORMAT | OPTION_DOMAIN | OPTION_DRY_RUN |
			OPTION_FORCE,
		cmd_alias,
		"addresses of accounts, and rules that only the source knows to expand; "
		"`propose` names some that accounts seem to have, and takes none" },
	{ "import", "accounts FILE|-", 2, 2, OPTION_MASTER | OPTION_DRY_RUN | OPTION_JSON,
		cmd_import,
		"move users who do not log in by themselves: user:password or CSV, a line "
		"each; the source is asked before a password opens anything. With "
		"--master, a line is a name alone: these users are copied now, and move "
		"when they log in" },
	{ "passwd", "USER", 1, 1, OPTION_ONLY, cmd_passwd,
		"a new password for a user who is served here; asked for, or from "
		"stdin" },
	{ "quota", "[USER]", 0, 1, OPTION_SET | OPTION_JSON, cmd_quota,
		"how much mail accounts that live here hold, and how much they may" },
	{ "report", "", 0, 0, OPTION_JSON | OPTION_DAYS | OPTION_USERS, cmd_report,
		"what still reaches the source and why; whether it may be retired; what "
		"does not move (sharing, quotas, filters)" },
	{ "retire", "", 0, 0,
		OPTION_DAYS | OPTION_YES | OPTION_FORCE | OPTION_DRY_RUN | OPTION_USERS |
			OPTION_UNDO | OPTION_ERASE,
		cmd_retire,
		"close the source's side; --undo opens it again until --erase has erased "
		"all sealed passwords" },
	{ "registry", "check|copy|rebuild", 1, 1, OPTION_YES, cmd_registry,
		"look the registry through, copy it, or make it anew from a copy and "
		"the mail folders. rebuild --yes: believe folders that name the server "
		"of `destination`, although no key proves it" },
	{ "store",
		"check USER|export USER DIR|import USER DIR|backup DIR [USER]|compact "
		"USER",
		2, 3, OPTION_REPAIR | OPTION_DRY_RUN | OPTION_SEPARATE | OPTION_JSON,
		cmd_store,
		"mailboxes that are kept here, also while they are in use: look one "
		"through, its index and each message against its checksum; write one as "
		"Maildir++ for Dovecot; add a Maildir++ to what an account has (ends the "
		"user's sessions); copy one or all, only what the last copy has not; give "
		"deleted room back (ends the user's sessions)" },
	{ "reload", "", 0, 0, 0, cmd_reload,
		"certificates and keys, without dropping a session; says what else of the "
		"configuration has changed and needs an upgrade" },
	{ "upgrade", "", 0, 0, OPTION_WAIT | OPTION_JSON, cmd_upgrade,
		"programs and configuration, without dropping a session: new ones take "
		"over, old ones end with their last session. --wait says when that was" },
	{ "log", "USER|SESSION", 1, 1, OPTION_JSON | OPTION_SINCE | OPTION_FILE, cmd_log,
		"what happened to a user or in a session, in order, from the journal" },
	{ "counters", "", 0, 0, OPTION_JSON | OPTION_SINCE | OPTION_BY | OPTION_WATCH,
		cmd_counters,
		"packets and bytes by service, route and direction, from the kernel; "
		"they go on over restarts" },
	{ "flows", "", 0, 0,
		OPTION_JSON | OPTION_WATCH | OPTION_ACCOUNT | OPTION_CLIENT |
			OPTION_SERVICE | OPTION_KICK,
		cmd_flows,
		"live connections, also those that go past us; --watch is a screen on "
		"which they are sorted, filtered and kicked" },
	{ "transfers", "", 0, 0, OPTION_JSON | OPTION_WATCH, cmd_transfers,
		"accounts on their way: how far, how fast, how much longer" },
	{ "metrics", "[http]", 0, 1, 0, cmd_metrics,
		"counters and states as OpenMetrics, for Prometheus; http: answer one "
		"request (GET /metrics) on stdin, for a program that accepts connections" },
	{ "top", "", 0, 0, 0, cmd_top,
		"a screen to leave open: accounts, flows, transfers, counters" },
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct command_option options[] = {
	{ "--json", NULL, OPTION_JSON, offsetof(struct control, json),
		"print JSON instead of text" },
	{ "--wait", NULL, OPTION_WAIT, offsetof(struct control, wait),
		"stay until it is done or has failed, show progress" },
	{ "--pause", NULL, OPTION_PAUSE, offsetof(struct control, pause),
		"no account begins to move or goes on with it, until --resume; switches "
		"that have begun are finished" },
	{ "--resume", NULL, OPTION_RESUME, offsetof(struct control, resume),
		"transfer: end the pause; account rename: finish one that was "
		"interrupted (`up` does so by itself)" },
	{ "--drop-old", NULL, OPTION_DROP_OLD, offsetof(struct control, drop_old),
		"rename: the old name stops working; refused for a user of the source "
		"until it is retired" },
	{ "--use", NULL, OPTION_USE, offsetof(struct control, use),
		"what each takes on this disk, and how full its quota is" },
	{ "--again", NULL, OPTION_AGAIN, offsetof(struct control, again),
		"fetch from the source what is lost or damaged here, while the user goes "
		"on; an account that has not moved yet is due now" },
	{ "--home", "URL", OPTION_HOME, offsetof(struct control, home),
		"the server that this account has moved to has a new address: URL, as in "
		"`destination`. Nothing is moved" },
	{ "--watch", NULL, OPTION_WATCH, offsetof(struct control, watch),
		"a screen that is renewed every second; q ends it" },
	{ "--print-config", NULL, OPTION_PRINT_CONFIG,
		offsetof(struct control, print_config),
		"print every option with its value and meaning, check nothing" },
	{ "--trust-source", NULL, OPTION_TRUST_SOURCE,
		offsetof(struct control, trust_source),
		"confirm the keys that the source shows now: from then on it is known by "
		"them" },
	{ "--format", "FORMAT", OPTION_FORMAT, offsetof(struct control, format),
		"what FILE is: virtual or aliases, as Postfix has them (default: as its "
		"first rule looks)" },
	{ "--domain", "DOMAIN", OPTION_DOMAIN, offsetof(struct control, domain),
		"the domain of names in FILE that have none (default: the only one "
		"configured)" },
	{ "--dry-run", NULL, OPTION_DRY_RUN, offsetof(struct control, dry_run),
		"say what would be done, write nothing" },
	{ "--days", "N", OPTION_DAYS, offsetof(struct control, days),
		"look that far back (default: 7)" },
	{ "--yes", NULL, OPTION_YES, offsetof(struct control, yes),
		"do not ask for confirmation" },
	{ "--force", NULL, OPTION_FORCE, offsetof(struct control, force),
		"retire: although it is not safe; alias: take an address from another "
		"user" },
	{ "--users", "FILE", OPTION_USERS, offsetof(struct control, users),
		"FILE lists who has a mailbox at the source: a name a line, or a passwd "
		"file; it is remembered" },
	{ "--undo", NULL, OPTION_UNDO, offsetof(struct control, undo),
		"the source is asked again, as before `retire`" },
	{ "--erase", NULL, OPTION_ERASE, offsetof(struct control, erase),
		"the second step: all sealed passwords are erased, and there is no way "
		"back" },
	{ "--exit-code", NULL, OPTION_EXIT_CODE, offsetof(struct control, exit_code),
		"exit 1 when anything needs attention" },
	{ "--confirm", "SECONDS", OPTION_CONFIRM, offsetof(struct control, confirm),
		"install: take them back unless `rules confirm` comes in time; once an "
		"account lives here they refuse instead" },
	{ "--list", NULL, OPTION_LIST, offsetof(struct control, list),
		"the verdict for each prefix" },
	{ "--remove", NULL, OPTION_REMOVE, offsetof(struct control, remove),
		"forget the verdict for that prefix" },
	{ "--service", "SERVICE", OPTION_SERVICE, offsetof(struct control, service),
		"only that service: imap, pop3, smtp, …" },
	{ "--only", NULL, OPTION_ONLY, offsetof(struct control, only),
		"no other password opens the mailbox any more" },
	{ "--repair", NULL, OPTION_REPAIR, offsetof(struct control, repair),
		"check: correct what the index can tell by itself; ends the user's "
		"sessions" },
	{ "--separator", "C", OPTION_SEPARATE, offsetof(struct control, separator),
		"import: between the parts of mailboxes' names, as Dovecot's "
		"configuration has it (default: the account's)" },
	{ "--master", "FILE", OPTION_MASTER, offsetof(struct control, master),
		"copy by a master user of the source, before the users log in: FILE "
		"(mode 0600) is a line `name:password`, or `*name:password` where the "
		"source wants `user*name` (option master_separator)" },
	{ "--since", "TIME", OPTION_SINCE, offsetof(struct control, since),
		"what was counted or logged since then: 15m, 1h, 2d, or 2026-11-25, or "
		"\"2026-11-25 14:00\"; counters are kept by minute for two days, by "
		"hour for 60 days, by day (UTC) before that" },
	{ "--by", "PERIOD", OPTION_BY, offsetof(struct control, by),
		"with --since, a row for each minute, hour or day" },
	{ "--file", "FILE", OPTION_FILE, offsetof(struct control, file),
		"what `mailferry up` wrote to stderr, instead of the journal" },
	{ "--set", "QUOTA", OPTION_SET, offsetof(struct control, set),
		"what USER may hold: 10G, 500M, 10G,100000 (and so many messages), none, "
		"or default (what the configuration says); at once" },
	{ "--account", "TEXT", OPTION_ACCOUNT, offsetof(struct control, account),
		"only those whose account has TEXT in its name" },
	{ "--client", "TEXT", OPTION_CLIENT, offsetof(struct control, client),
		"only those whose client's address has TEXT in it" },
	{ "--kick", "ID", OPTION_KICK, offsetof(struct control, kick),
		"end that one, with a word to its client" },
	{ "--closed", NULL, OPTION_CLOSED, offsetof(struct control, closed),
		"install: refuse all connections until mailferry listens, without asking "
		"the registry; for boot, before forwarding begins" },
};
#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))
#define OPTION_WIDTH 17 /* "--service SERVICE" */

static const struct command *command_by_name(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void print_option(const char *head, const char *help, FILE *to)
{
	(void)fprintf(to, "  %-*s  %s\n", OPTION_WIDTH, head, help);
}

static void print_options(option_bits which, FILE *to)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct command_option *o = &options[i];
		char head[32];

		(void)snprintf(head, sizeof(head), "%s%s%s", o->name, o->value ? " " : "",
			o->value ? o->value : "");
		if (o->bit & which)
			print_option(head, o->help, to);
	}
	print_option("-c FILE", "the configuration (default " PROGRAM_CONFIG ")", to);
	print_option("--help", "this help", to);
	print_option("--version", "which version this is", to);
}

const struct command *command_at(size_t place)
{
	return place < COMMAND_COUNT ? &commands[place] : NULL;
}

const struct command_option *command_option_at(size_t place)
{
	return place < OPTION_COUNT ? &options[place] : NULL;
}

void help_print_synopsis(const struct command *command, FILE *to)
{
	(void)fprintf(to, "mailferry %s%s%s", command->name,
		*command->arguments ? " " : "", command->arguments);
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (options[i].bit & command->options)
			(void)fprintf(to, " [%s%s%s]", options[i].name,
				options[i].value ? " " : "",
				options[i].value ? options[i].value : "");
	(void)fputc('\n', to);
}

#define HEAD_WIDTH 32
#define HEAD_MAX 96 /* the longest has 67 */

void help_print(const struct command *command, FILE *to)
{
	if (command) {
		(void)fputs("Usage: ", to);
		help_print_synopsis(command, to);
		(void)fprintf(to, "\n%s\n\n", command->help);
		print_options(command->options, to);
		return;
	}
	(void)fputs("Usage: mailferry COMMAND [ARGUMENT…] [OPTION…]\n\n"
		    "Moves a running mail service to a new server, one account after the "
		    "other.\n\n",
		to);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		char head[HEAD_MAX];
		int len = snprintf(head, sizeof(head), "%s%s%s", commands[i].name,
			*commands[i].arguments ? " " : "", commands[i].arguments);

		if (len > HEAD_WIDTH) /* its help begins a line of its own */
			(void)fprintf(to, "  %s\n  %-*s %s\n", head, HEAD_WIDTH, "",
				commands[i].help);
		else
			(void)fprintf(
				to, "  %-*s %s\n", HEAD_WIDTH, head, commands[i].help);
	}
	(void)fputc('\n', to);
	print_options(OPTION_JSON, to);
	(void)fputs("\n`mailferry COMMAND --help` has the rest. Exit codes: 0 done, 1 "
		    "failed, 2 wrong use or bad configuration.\n",
		to);
}

/* ── reading ───────────────────────────────────────────────────────────────────────── */

struct reader {
	struct request request;
	option_bits given;
	bool only_arguments; /* after -- */
};

static const struct command_option *option_by_word(const char *word, size_t len)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (strlen(options[i].name) == len &&
			strncmp(options[i].name, word, len) == 0)
			return &options[i];
	return NULL;
}

/* --name, --name VALUE, --name=VALUE; returns how many words it took beyond the first. */
static int read_option(
	struct reader *r, const char *word, const char *next, struct error *err)
{
	size_t len = strcspn(word, "=");
	const struct command_option *o = option_by_word(word, len);
	char *place = o ? (char *)&r->request.control + o->offset : NULL;

	if (o && !o->value && word[len])
		return error_set(err, -EINVAL, "option '%s' takes no value", o->name);
	if (!o)
		return error_set(err, -EINVAL,
			"unknown option '%.*s'; see `mailferry %s%s--help`", (int)len,
			word, r->request.command ? r->request.command->name : "",
			r->request.command ? " " : "");
	r->given |= o->bit;
	if (!o->value) {
		*(bool *)place = true;
		return 0;
	}
	if (!word[len] && !next)
		return error_set(err, -EINVAL, "option '%s' requires a value: %s %s",
			o->name, o->name, o->value);
	*(const char **)(void *)place = word[len] ? word + len + 1 : next;
	return word[len] ? 0 : 1;
}

static int unknown_command(const char *word, struct error *err)
{
	unsigned best = SPELLING_OTHER;
	const char *close = NULL;

	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		unsigned d = spelling_distance(word, commands[i].name);

		if (d < best) {
			best = d;
			close = commands[i].name;
		}
	}
	if (close)
		return error_set(err, -EINVAL,
			"unknown command '%s'; did you mean `mailferry %s`?", word,
			close);
	return error_set(
		err, -EINVAL, "unknown command '%s'; see `mailferry --help`", word);
}

static int read_argument(struct reader *r, const char *word, struct error *err)
{
	struct request *q = &r->request;

	if (!q->command) {
		q->command = command_by_name(word);
		return q->command ? 0 : unknown_command(word, err);
	}
	if (q->control.n_arguments == q->command->most)
		return error_set(err, -EINVAL,
			"unexpected argument '%s'; see `mailferry %s --help`", word,
			q->command->name);
	q->control.arguments[q->control.n_arguments++] = word;
	return 0;
}

/* -c FILE, -cFILE; returns how many words it took beyond the first, or -EINVAL. */
static int read_config(
	struct reader *r, const char *word, const char *next, struct error *err)
{
	if (word[2]) {
		r->request.control.config = word + 2;
		return 0;
	}
	if (!next)
		return error_set(err, -EINVAL, "option '-c' requires a value: -c FILE");
	r->request.control.config = next;
	return 1;
}

static int read_word(
	struct reader *r, const char *word, const char *next, struct error *err)
{
	if (r->only_arguments || word[0] != '-' || !word[1])
		return read_argument(r, word, err);
	if (strcmp(word, "--") == 0) {
		r->only_arguments = true;
		return 0;
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		r->request.help = true;
		return 0;
	}
	if (strcmp(word, "--version") == 0) {
		r->request.version = true;
		return 0;
	}
	if (strncmp(word, "-c", 2) == 0)
		return read_config(r, word, next, err);
	return read_option(r, word, next, err);
}

static int check_complete(const struct reader *r, struct error *err)
{
	const struct command *command = r->request.command;

	if (r->request.help || r->request.version)
		return 0;
	if (!command)
		return error_set(
			err, -EINVAL, "no command given; see `mailferry --help`");
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (options[i].bit & r->given & ~command->options)
			return error_set(err, -EINVAL,
				"'%s' takes no option '%s'; see `mailferry %s --help`",
				command->name, options[i].name, command->name);
	if (r->request.control.n_arguments < command->least)
		return error_set(err, -EINVAL, "missing argument; usage: mailferry %s %s",
			command->name, command->arguments);
	return 0;
}

int command_line_read(
	int argc, char *const *argv, struct request *ret_request, struct error *err)
{
	struct reader r = { .request.control.config = PROGRAM_CONFIG };
	int code;

	for (int i = 1; i < argc; i++) {
		code = read_word(&r, argv[i], i + 1 < argc ? argv[i + 1] : NULL, err);
		if (code < 0)
			return code;
		i += code;
	}
	code = check_complete(&r, err);
	if (code == 0)
		*ret_request = r.request;
	return code;
}
