/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/crossing/crossing.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Messages: what a session keeps of them for the switch takes four bytes each. */
#define LOOK_MAX 200000

static struct imap_follow *imap_of(struct follower *f)
{
	return &((struct crossing_follower *)f)->imap;
}

static void drop_box(struct crossing_follower *c)
{
	char *box = (char *)(uintptr_t)c->box.ptr;

	if (box)
		explicit_bzero(box, c->box.len);
	free(box);
	c->box = (struct str){ 0 };
}

/* Of its own size: a buffer's would be four times that, for each session. */
static int add_box(struct crossing_follower *c, struct session *s, struct str password)
{
	struct buf box;
	char *copy;
	int r;

	buf_init(&box, 0);
	r = s->host->ops->close_password(s->host, s, password, &box);
	copy = r == 0 ? malloc(buf_len(&box)) : NULL;
	if (copy) {
		memcpy(copy, buf_view(&box).ptr, buf_len(&box));
		c->box = str_of(copy, buf_len(&box));
	}
	buf_wipe(&box);
	buf_fini(&box);
	return r == 0 && !copy ? -ENOMEM : r;
}

/* One that is lost never crosses: nothing opens its mailbox any more. */
static void forget_if_lost(struct follower *f)
{
	struct crossing_follower *c = (struct crossing_follower *)f;

	if (c->imap.lost)
		drop_box(c);
}

static void client_says(struct follower *f, struct str bytes)
{
	imap_follow_client(imap_of(f), bytes);
	forget_if_lost(f);
}

static void source_says(struct follower *f, struct str bytes)
{
	imap_follow_source(imap_of(f), bytes);
	forget_if_lost(f);
}

static uint64_t client_skips(const struct follower *f)
{
	return ((const struct crossing_follower *)f)->imap.lost ? UINT64_MAX : 0;
}

static uint64_t source_skips(const struct follower *f)
{
	return imap_follow_skips(&((const struct crossing_follower *)f)->imap);
}

static void source_skipped(struct follower *f, uint64_t n)
{
	imap_follow_skipped(imap_of(f), n);
}

static bool can_cross(const struct follower *f)
{
	return imap_follow_can_cross(&((const struct crossing_follower *)f)->imap);
}

/* For nothing, when all of it is known already: the switch was put off. */
static bool can_look(const struct follower *f)
{
	const struct imap_follow *imap = &((const struct crossing_follower *)f)->imap;

	return imap->selected.state == IMAP_SELECTION_KNOWN && !imap->selecting &&
	       imap->selected.count && imap->selected.count <= LOOK_MAX &&
	       !imap->numbers.n;
}

static void forget(struct crossing_follower *c)
{
	imap_follow_fini(&c->imap);
	drop_box(c);
	explicit_bzero(c, sizeof(*c)); /* ends of lines */
	free(c);
}

static void free_follower(struct follower *f)
{
	forget((struct crossing_follower *)f);
}

static const struct follower_ops ops = {
	.client_says = client_says,
	.source_says = source_says,
	.client_skips = client_skips,
	.source_skips = source_skips,
	.source_skipped = source_skipped,
	.can_cross = can_cross,
	.can_look = can_look,
	.free = free_follower,
	.crossing = &crossing_handler,
};

void crossing_follow(struct session *s, struct str password)
{
	struct crossing_follower *c = calloc(1, sizeof(*c));
	char id[SESSION_ID_MAX];
	int r;

	if (!c)
		return;
	c->follower.ops = &ops;
	imap_follow_init(&c->imap);
	r = add_box(c, s, password);
	if (r == 0) {
		session_follow(s, &c->follower);
		return;
	}
	log_info(session_id(s, id), "not-followed", "error=\"%s\"", strerror(-r));
	forget(c);
}
