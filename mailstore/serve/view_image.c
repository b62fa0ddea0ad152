/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/view_image.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGES_MAX 100000 /* of an image: 3.2 MB */

static void forget_told(struct view *v)
{
	for (uint32_t i = 0; i < v->count; i++)
		v->messages[i].untold = v->messages[i].quiet = false;
	v->untold = false;
}

static void drop(struct view_images *all, size_t i)
{
	view_close(&all->kept[i]);
	all->kept[i].mailbox = 0;
}

/* A view whose own change failed (seen 0) knows nothing for sure; one that lost words
   would go on showing them. */
void view_images_keep(struct view_images *all, struct view *v)
{
	size_t place = VIEW_IMAGES - 1;

	if (!v->mailbox || !v->count || v->count > MESSAGES_MAX || !v->seen ||
		v->lost_words)
		return;
	for (size_t i = 0; i < VIEW_IMAGES; i++)
		if (all->kept[i].mailbox == v->mailbox)
			place = i;
	drop(all, place);
	memmove(&all->kept[1], &all->kept[0], place * sizeof(all->kept[0]));
	for (uint32_t i = 0; i < v->count; i++)
		v->messages[i].recent = false;
	forget_told(v);
	v->recent = 0;
	all->kept[0] = *v;
	*v = (struct view){ .store = v->store };
	buf_init(&v->keywords, 0);
}

static int copy(const struct view *image, struct view *v)
{
	v->messages = malloc(image->count * sizeof(*v->messages));
	if (!v->messages)
		return -1;
	memcpy(v->messages, image->messages, image->count * sizeof(*v->messages));
	v->count = v->cap = image->count;
	v->seen = image->seen;
	v->seen_expunges = image->seen_expunges;
	return buf_append(&v->keywords, buf_view(&image->keywords));
}

/* What changed since is news to no client: it has not seen the image. */
static int catch_up(struct view *v)
{
	struct buf unheard;
	int code;

	buf_init(&unheard, 0);
	v->dirty = true;
	code = view_sync(v, true, &unheard, NULL);
	buf_fini(&unheard);
	forget_told(v);
	return code;
}

static struct view *find(struct view_images *all, const struct mailbox *m)
{
	for (size_t i = 0; i < VIEW_IMAGES; i++) {
		struct view *image = &all->kept[i];

		if (image->mailbox == m->id && image->uidvalidity == m->uidvalidity &&
			image->base == m->modseq_base &&
			image->base_from == m->modseq_from)
			return image;
	}
	return NULL;
}

/* false: the mailbox has to be read. \Recent is of rows; so is what a transfer has put
   between two messages (then the counts differ). */
static bool recall(struct view_images *all, struct view *v, struct store *store,
	const struct mailbox *m, bool read_only)
{
	const struct view *image = m->recent ? NULL : find(all, m);

	if (!image)
		return false;
	view_init(v, store, m, read_only);
	if (copy(image, v) == 0 && catch_up(v) == 0 && v->count == m->messages &&
		!v->lost_words)
		return true;
	view_close(v);
	return false;
}

int view_images_open(struct view_images *all, struct view *v, struct store *store,
	const struct mailbox *m, bool read_only, struct error *err)
{
	if (recall(all, v, store, m, read_only))
		return 0;
	return view_open(v, store, m, read_only, err);
}

void view_images_fini(struct view_images *all)
{
	for (size_t i = 0; i < VIEW_IMAGES; i++)
		drop(all, i);
}
