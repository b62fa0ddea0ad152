/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_PROGRAM_H
#define SETTINGS_PROGRAM_H
/*
 * How each of our daemons begins: command line, log, settings. A daemon that starts
 * itself once more for a single account is told so by --account NAME, for a worker by
 * --worker NUMBER.
 *
 * --take-over: another one of it runs, and this one is to follow it
 * (messages/takeover.h). Descriptor 3 is then a pipe that hears when that is done.
 *
 * --handed: none runs; what the one before it left comes by descriptor 3, a message
 * socket (takeover_receive()).
 */
#include "settings/settings.h"
#include "settings/state_lock.h"

#define PROGRAM_CONFIG "/etc/mailferry/mailferry.conf"
#define PROGRAM_MISUSED 2 /* exit status: a mistake of whoever called */

struct program {
	const char *name; /* after "mailferry-", and in its log lines */
	const char *usage;
	bool has_account;  /* knows --account */
	bool has_return;   /* --return, --foretell, --sweep, --again, --log-in, with it */
	bool has_worker;   /* knows --worker */
	bool has_task;     /* knows --task */
	bool has_takeover; /* knows --take-over and --handed */
};

struct program_start {
	const char *config;  /* the file's name, as given */
	const char *account; /* NULL: the daemon itself */
	const char *worker;  /* as account */
	bool returns;        /* --return */
	bool foretells;      /* --foretell */
	bool sweeps;         /* --sweep */
	bool again;          /* --again */
	const char *logs_in; /* --log-in SERVICE; NULL */
	const char *task;    /* NULL: the daemon itself */
	bool takes_over;     /* --take-over */
	int ready;           /* the pipe; -1: nobody wants to know */
	bool is_handed;      /* --handed */
	int handed;          /* its socket; -1: none */
	/* Of the daemon itself: locked already, or to be locked (takes_over). */
	struct state_lock_files lock;
	struct settings settings;
};

/* -1: go on; settings are the caller's to free. Else the exit status: help was asked for
   (0), the settings cannot be used (1), a mistake of whoever called (2). */
int program_begin(
	const struct program *p, int argc, char **argv, struct program_start *ret);

/* From now on this process logs as the settings say. Before it gives up its rights. */
void program_log_as(const struct settings *s);

/* Tells whoever started us that the other one has been followed. */
void program_has_taken_over(struct program_start *start);

#endif
