/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_COMMANDS_H
#define CONTROL_COMMANDS_H
/* The command line: a row for each command, a row for each option; help is printed from
   them. */
#include "control/terminal/control.h"

/* Which options a command takes: at most 64. */
typedef uint64_t option_bits;
#define OPTION_BIT(n) (UINT64_C(1) << (n))
#define OPTION_JSON OPTION_BIT(0)
#define OPTION_WAIT OPTION_BIT(1)
#define OPTION_WATCH OPTION_BIT(2)
#define OPTION_PRINT_CONFIG OPTION_BIT(3)
#define OPTION_FORMAT OPTION_BIT(4)
#define OPTION_DOMAIN OPTION_BIT(5)
#define OPTION_DRY_RUN OPTION_BIT(6)
#define OPTION_DAYS OPTION_BIT(7)
#define OPTION_YES OPTION_BIT(8)
#define OPTION_FORCE OPTION_BIT(9)
#define OPTION_ONLY OPTION_BIT(10)
#define OPTION_EXIT_CODE OPTION_BIT(11)
#define OPTION_UNDO OPTION_BIT(12)
#define OPTION_ERASE OPTION_BIT(13)
#define OPTION_USERS OPTION_BIT(14)
#define OPTION_CLOSED OPTION_BIT(15)
#define OPTION_TRUST_SOURCE OPTION_BIT(16)
#define OPTION_LIST OPTION_BIT(17)
#define OPTION_REMOVE OPTION_BIT(18)
#define OPTION_SERVICE OPTION_BIT(19)
#define OPTION_CONFIRM OPTION_BIT(20)
#define OPTION_REPAIR OPTION_BIT(21)
#define OPTION_SINCE OPTION_BIT(22)
#define OPTION_BY OPTION_BIT(23)
#define OPTION_FILE OPTION_BIT(24)
#define OPTION_SET OPTION_BIT(25)
#define OPTION_KICK OPTION_BIT(26)
#define OPTION_ACCOUNT OPTION_BIT(27)
#define OPTION_CLIENT OPTION_BIT(28)
#define OPTION_PAUSE OPTION_BIT(29)
#define OPTION_RESUME OPTION_BIT(30)
#define OPTION_DROP_OLD OPTION_BIT(31)
#define OPTION_SEPARATE OPTION_BIT(32)
#define OPTION_AGAIN OPTION_BIT(33)
#define OPTION_USE OPTION_BIT(34)
#define OPTION_HOME OPTION_BIT(35)
#define OPTION_MASTER OPTION_BIT(36)

struct command {
	const char *name;
	const char *arguments; /* as help shows them */
	size_t least, most;    /* how many */
	option_bits options;   /* -c and --help go everywhere */
	command_fn *run;
	const char *help;
};

struct command_option {
	const char *name;  /* with its "--" */
	const char *value; /* as help shows it; NULL: takes none */
	option_bits bit;
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
