/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_TERMINAL_PROMPT_H
#define CONTROL_TERMINAL_PROMPT_H
/* What a person types: a password that is not shown, a yes. */
#include "base/buf.h"
#include "base/error.h"

#define PASSWORD_MAX 1024 /* bytes; longer ones fit no login of a mail client */

/* On a terminal asked for twice and not shown; else the first line of stdin. Never empty.
   What it leaves in `to` is the caller's to wipe. */
int prompt_new_password(struct buf *to, struct error *err);

/* Whether the word "yes" is typed. -ENOTTY: nobody could be asked. */
int prompt_yes(const char *question, bool *ret_yes, struct error *err);

#endif
