/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_SPELLING_H
#define BASE_SPELLING_H
/* Which known word was meant by one that was typed wrong. */

#define SPELLING_OTHER 3 /* from this distance on it is another word */

/* Levenshtein's distance: how many letters to add, drop or change. SPELLING_OTHER at the
   least for a word of more than 32 bytes, which no name of ours has. */
unsigned spelling_distance(const char *a, const char *b);

#endif
