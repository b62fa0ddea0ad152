/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_TERMINAL_CONTROL_H
#define CONTROL_TERMINAL_CONTROL_H
/*
 * The `mailferry` command: what all its sub-commands share.
 *
 *   main ─► commands.c (table, arguments, help) ─► cmd_<name>.c ─► output.c (text, JSON)
 *
 * A sub-command finds the settings loaded, does its one thing, prints to stdout and
 * returns an exit code. What went wrong is one sentence on stderr.
 */
#include "base/error.h"
#include "registry/registry.h"
#include "settings/program.h"

#define ARGUMENTS_MAX 3 /* alias add ADDRESS USER */

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct kept;
struct part;

struct control {
	const char *config; /* path of mailferry.conf */
	bool json, wait, watch, print_config, dry_run, yes, force, only, undo, erase,
		exit_code, pause, resume, closed, trust_source, list, remove, repair,
		drop_old, again, use;
	/* values of options; NULL: not given */
	const char *format, *domain, *days, *users, *service, *confirm, *since, *by,
		*file, *set, *kick, *account, *client, *separator, *home, *master;
	const char *arguments[ARGUMENTS_MAX];
	size_t n_arguments;
	struct settings settings;
	struct kept
		*kept; /* of `up`: what systemd kept of the one before; NULL: nothing */
	const struct part *part; /* of `up`: what it looks after */
	struct error err;
};

typedef enum exit_code command_fn(struct control *c);

command_fn cmd_account, cmd_accounts, cmd_admit, cmd_alias, cmd_check, cmd_counters,
	cmd_flows, cmd_import, cmd_log, cmd_metrics, cmd_passwd, cmd_quota, cmd_registry,
	cmd_reload, cmd_report, cmd_retire, cmd_route, cmd_rules, cmd_status, cmd_store,
	cmd_top, cmd_transfer, cmd_transfers, cmd_up, cmd_upgrade;

/* Prints "mailferry: " and the sentence in c->err; returns EXIT_FAILED. */
enum exit_code control_fail(const struct control *c);
/* The same for what was typed wrongly; returns EXIT_USAGE. */
enum exit_code control_misuse(const struct control *c);

/* Opens the registry. -ENOENT: there is none yet, nobody has ever
   logged in through us. */
int control_registry(struct control *c, struct registry **ret);

/* 0 or -errno with the sentence in c->err. */
typedef int control_account_fn(
	struct control *c, struct registry *r, const struct account *a);
/* Opens the registry and lets act() see the account that the name (an argument) means. */
enum exit_code control_on_account(
	struct control *c, const char *name, control_account_fn *act);

/* -EPERM with the sentence once the source is retired. */
int control_refuse_retired(struct control *c, struct registry *r);

#endif
