/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/view_image.h"

#include "mailstore/serve/view_parts.h"
#include "mailstore/serve/view_stored.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void forget_told(struct view *v)
{
	for (uint32_t i = 0; i < v->count; i++)
		v->messages[i].untold = v->messages[i].quiet = v->messages[i].held =
			false;
	v->untold = v->held = false;
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

	if (!v->mailbox || !v->count || v->count > VIEW_IMAGE_MESSAGES || !v->seen ||
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

int view_catch_up(struct view *v, const struct mailbox *m)
{
	struct buf unheard;
	int code;

	if (m->highestmodseq <= v->seen && m->highestmodseq <= v->seen_expunges) {
		v->seen = v->seen_expunges = store_modseq(v->store);
		return 0;
	}
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

/* false: there is none, or a transfer has put messages between two that it has (then the
   counts differ). */
static bool recall(struct view_images *all, struct view *v, struct store *store,
	const struct mailbox *m)
{
	const struct view *image = find(all, m);

	if (!image)
		return false;
	view_init(v, store, m, true);
	if (copy(image, v) == 0 && view_catch_up(v, m) == 0 && v->count == m->messages &&
		!v->lost_words)
		return true;
	view_close(v);
	return false;
}

static int mark_recent(void *context, uint32_t uid)
{
	struct view *v = context;
	uint32_t index = view_index(v, uid);

	if (index == v->count || v->messages[index].uid != uid)
		return -ENOENT;
	v->recent += !v->messages[index].recent;
	v->messages[index].recent = true;
	return 0;
}

/* Images have no \Recent: it is of the rows alone. */
static bool see_recent(struct view *v, const struct mailbox *m, bool read_only)
{
	if (m->recent && store_each_recent(v->store, m->id, mark_recent, v, NULL) < 0) {
		view_close(v);
		return false;
	}
	v->read_only = read_only;
	if (v->recent)
		view_take_recent(v);
	return true;
}

int view_images_open(struct view_images *all, struct view *v, struct store *store,
	const struct mailbox *m, bool read_only, struct error *err)
{
	if ((recall(all, v, store, m) || view_stored_open(v, store, m)) &&
		see_recent(v, m, read_only))
		return 0;
	return view_open(v, store, m, read_only, err);
}

void view_images_fini(struct view_images *all)
{
	for (size_t i = 0; i < VIEW_IMAGES; i++)
		drop(all, i);
}
