/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the source says while it is listed, or gives bodies to be compared. */
#include "transfer/back/carry_parts.h"

#include <errno.h>
#include <stdio.h>

static int on_folder(void *context, const struct mail_folder *folder)
{
	struct carry *c = context;

	return folders_add(&c->folders, folder) < 0 ? carry_no_memory(c) : 0;
}

static int on_subscription(void *context, struct str name)
{
	struct carry *c = context;

	return folders_subscribe(&c->folders, name, true, false) < 0 ? carry_no_memory(c)
	                                                             : 0;
}

static int on_namespaces(void *context, struct str text)
{
	struct carry *c = context;

	c->prefix_len = namespaces_own_prefix(text, c->prefix).len;
	c->namespaces = arena_str(&c->arena, text);
	return c->namespaces.ptr ? 0 : carry_no_memory(c);
}

static int on_opened(void *context, size_t folder, const struct source_status *looks)
{
	struct carry *c = context;

	if (c->match) /* for its bodies: it is compared already */
		return 0;
	c->boxes[folder].looks = *looks;
	listing_fini(&c->listing);
	return 0;
}

static int on_keywords(void *context, size_t folder, struct str words)
{
	struct carry *c = context;

	(void)folder;
	c->words = arena_str(&c->arena, words);
	return c->words.ptr ? 0 : carry_no_memory(c);
}

static int on_row(void *context, size_t folder, const struct mail *m)
{
	struct carry *c = context;

	(void)folder;
	return !c->match && listing_add(&c->listing, m) < 0 ? carry_no_memory(c) : 0;
}

/* One that is not understood may be any of ours. */
static int on_unreadable(void *context, size_t folder, uint32_t uid, struct str text)
{
	struct carry *c = context;

	return error_set(c->err, -EREMOTEIO,
		"the source says of \"%.*s\", UID %u what cannot be understood: %.*s",
		STR_ARG(c->boxes[folder].name), uid, STR_ARG(text));
}

static int on_listed(void *context, size_t folder, enum source_end end, struct str text)
{
	struct carry *c = context;

	(void)folder;
	if (end != SOURCE_DONE)
		(void)snprintf(c->refused, sizeof(c->refused), "%.*s ",
			STR_ARG(str_take(text, 120)));
	return 0;
}

static int on_body(void *context, unsigned connection, uint64_t len)
{
	struct carry *c = context;

	if (c->home)
		return carry_home_body(c, connection, len);
	carry_body(c->match, connection);
	return 0;
}

static int on_bytes(void *context, unsigned connection, struct str bytes)
{
	struct carry *c = context;

	if (c->home)
		return carry_home_bytes(c, connection, bytes);
	carry_bytes(c->match, connection, bytes);
	return 0;
}

static int on_message(
	void *context, unsigned connection, size_t folder, const struct mail *m)
{
	struct carry *c = context;

	(void)folder;
	if (c->home)
		return carry_home_message(c, connection, m->uid);
	carry_message(c->match, connection, m->uid);
	return 0;
}

static int on_fetched(void *context, size_t folder, const struct wanted *first, size_t n,
	enum source_end end, struct str text)
{
	struct carry *c = context;

	(void)folder;
	for (size_t i = 0; i < n; i++)
		if (!first[i].came)
			(void)snprintf(c->refused, sizeof(c->refused), "UID %u: %.*s ",
				first[i].uid, STR_ARG(str_take(text, 120)));
	(void)end;
	return 0;
}

static int on_tick(void *context)
{
	struct carry *c = context;

	return c->tick ? c->tick(c->context) : 0;
}

int carry_run(struct carry *c)
{
	struct source_events events = { .context = c,
		.folder = on_folder,
		.subscription = on_subscription,
		.namespaces = on_namespaces,
		.opened = on_opened,
		.keywords = on_keywords,
		.row = on_row,
		.unreadable = on_unreadable,
		.listed = on_listed,
		.body = on_body,
		.bytes = on_bytes,
		.message = on_message,
		.fetched = on_fetched,
		.tick = on_tick };

	c->refused[0] = '\0';
	return c->source.ops->run(c->source.self, &events, c->err);
}

int carry_read_source(struct carry *c)
{
	int r = c->source.ops->folders(c->source.self, c->err);

	if (r == 0)
		r = carry_run(c);
	folders_settle(&c->folders);
	if (r == 0 && !c->folders.count)
		r = error_set(c->err, -EPROTO, "the source lists no folder");
	return r;
}
