/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FUZZ_FUZZ_IMAP_TEXT_H
#define FUZZ_FUZZ_IMAP_TEXT_H
/* Whether what we write is IMAP: abort() when it is not. */
#include "base/str.h"

/* One value: a nested list of strings, literals, numbers, NIL. */
void fuzz_check_value(struct str value);
/* Response lines, literals inside. */
void fuzz_check_responses(struct str output);

#endif
