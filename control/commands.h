/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_COMMANDS_H
#define CONTROL_COMMANDS_H
/* The command line: a row for each command, a row for each option; help is printed from
   them. */
#include "control/control.h"

enum option_bit {
	OPTION_JSON = 1 << 0,
	OPTION_WAIT = 1 << 1,
	OPTION_WATCH = 1 << 2,
	OPTION_PRINT_CONFIG = 1 << 3,
	OPTION_FORMAT = 1 << 4,
	OPTION_DOMAIN = 1 << 5,
	OPTION_DRY_RUN = 1 << 6,
	OPTION_DAYS = 1 << 7,
	OPTION_YES = 1 << 8,
	OPTION_FORCE = 1 << 9,
	OPTION_ONLY = 1 << 10,
	OPTION_EXIT_CODE = 1 << 12,
	OPTION_UNDO = 1 << 13,
	OPTION_ERASE = 1 << 14,
	OPTION_USERS = 1 << 15,
	OPTION_CLOSED = 1 << 11,
	OPTION_TRUST_SOURCE = 1 << 16,
	OPTION_LIST = 1 << 17,
	OPTION_REMOVE = 1 << 18,
	OPTION_SERVICE = 1 << 19,
	OPTION_CONFIRM = 1 << 20,
	OPTION_REPAIR = 1 << 21,
	OPTION_SINCE = 1 << 22,
	OPTION_BY = 1 << 23,
	OPTION_FILE = 1 << 24,
	OPTION_SET = 1 << 25,
	OPTION_KICK = 1 << 26,
	OPTION_ACCOUNT = 1 << 27,
	OPTION_CLIENT = 1 << 28,
	OPTION_PAUSE = 1 << 29,
	OPTION_RESUME = 1 << 30,
};

struct command {
	const char *name;
	const char *arguments; /* as help shows them */
	size_t least, most;    /* how many */
	unsigned options;      /* enum option_bit; -c and --help go everywhere */
	command_fn *run;
	const char *help;
};

struct command_option {
	const char *name;  /* with its "--" */
	const char *value; /* as help shows it; NULL: takes none */
	unsigned bit;
	size_t offset; /* in struct control, of a const char *; without a value of a bool
	                */
	const char *help;
};

/* The rows of the two tables; NULL behind the last. */
const struct command *command_at(size_t place);
const struct command_option *command_option_at(size_t place);

/* What a command line means. */
struct request {
	const struct command *command; /* NULL: help for the whole */
	bool help, version;
	struct control control;
};

/* 0, or -EINVAL with the sentence (exit 2). */
int command_line_read(
	int argc, char *const *argv, struct request *ret_request, struct error *err);

void help_print(const struct command *command, FILE *to);
/* One line: the command with its arguments and options. */
void help_print_synopsis(const struct command *command, FILE *to);

#endif
