/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_POP3_COMMAND_H
#define WIRE_POP3_COMMAND_H
/*
 * A POP3 command is a line: a keyword, a space, arguments (RFC 1939, 3). Where the
 * arguments of PASS begin and end is part of the password: nothing is trimmed.
 */
#include "base/str.h"

/* RFC 2449, 4 allows 255 bytes; passwords of the wild and AUTH with a token go beyond. */
#define POP3_LINE_MAX 2048

struct pop3_command {
	struct str name;
	struct str args; /* all behind the first space; "" when there is none */
	bool has_args;   /* there was a space */
};

struct pop3_command pop3_command(struct str line);

/* A number and the spaces behind it off the front of *args; false: none, or too big. */
bool pop3_number(struct str *args, uint32_t *ret);

#endif
