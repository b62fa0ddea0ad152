/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_VIEW_PARTS_H
#define MAILSTORE_SERVE_VIEW_PARTS_H
/* How a view is filled: what view.c and view_resume.c share. */
#include "mailstore/serve/view.h"

/* Behind the others. 0 or -ENOMEM. */
int view_append(struct view *v, const struct store_message *m);
/* A store's keyword_each_fn; context: the view. */
int view_load_keyword(void *context, struct str word);
/* All its messages from their rows; their words behind those that it has. */
int view_read(struct view *v, struct error *err);
/* Takes in what changed since `seen`, of which no client was told: m is of now. 0 or an
   error; then it is not known what it is like. */
int view_catch_up(struct view *v, const struct mailbox *m);
/* Gives back what growing took too much. */
void view_trim(struct view *v);
/* This session has had \Recent of what there is. */
void view_take_recent(struct view *v);

/* view_words.c */
void view_forget_words(struct view_words *w);

#endif
