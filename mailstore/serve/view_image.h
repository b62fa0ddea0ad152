/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_VIEW_IMAGE_H
#define MAILSTORE_SERVE_VIEW_IMAGE_H
/*
 * Views of mailboxes that were closed, so that the next SELECT reads only what changed
 * since. In the memory of the account's process; few, and of bounded size.
 */
#include "mailstore/serve/view.h"

#define VIEW_IMAGE_MESSAGES 100000 /* of one at most: 3.2 MB */
#define VIEW_IMAGES 2              /* INBOX, and the one that is looked at beside it */

struct view_images {
	struct view kept[VIEW_IMAGES]; /* mailbox 0: none; the first was kept last */
};
/* Takes what a view has that is about to be closed. */
void view_images_keep(struct view_images *all, struct view *v);
/* As view_open(), from an image where there is a fitting one. */
int view_images_open(struct view_images *all, struct view *v, struct store *store,
	const struct mailbox *m, bool read_only, struct error *err);
void view_images_fini(struct view_images *all);

#endif
