/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SESSION_UNIQUE_H
#define INTERCEPTOR_SESSION_UNIQUE_H
/* What a tag of ours begins with, so that neither a client nor a message can guess it. */
#include <stdbool.h>

#define UNIQUE_LEN 16 /* letters and digits; 64 random bits */

/* With a NUL behind it. false: there is no randomness, and it can be guessed. */
bool unique_make(char ret[static UNIQUE_LEN + 1]);

#endif
