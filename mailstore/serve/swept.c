/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/swept.h"

#include "base/buf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define KEPT_FLAGS                                                                       \
	(unsigned)(FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT)

/* The mailbox of that name that holds messages, else INBOX: its user may have renamed or
   removed it here, and that stays so. */
static int find_place(struct store *s, struct str folder, int64_t inbox, int64_t *ret,
	struct error *err)
{
	struct mailbox m = { 0 };
	struct arena arena;
	int code;

	arena_init(&arena);
	code = store_find_mailbox(s, folder, &arena, &m, err);
	*ret = code == 0 && !(m.attributes & (MAILBOX_NOSELECT | MAILBOX_NONEXISTENT))
	               ? m.id
	               : inbox;
	arena_fini(&arena);
	return code == -ENOENT ? 0 : code;
}

/* "UIDVALIDITY next" */
static bool came_before(struct str checkpoint, const struct swept *m)
{
	struct str uidvalidity = str_split(&checkpoint, ' ');
	uint32_t validity, next;

	return str_to_u32(uidvalidity, &validity) && str_to_u32(checkpoint, &next) &&
	       validity == m->uidvalidity && m->uid < next;
}

static struct store_counterpart counterpart_of(const struct swept *m)
{
	return (struct store_counterpart){ .folder = m->folder,
		.uidvalidity = m->uidvalidity,
		.other_uid = m->uid,
		.digest = m->digest };
}

static int add(struct store *s, const struct swept *m, uint64_t size,
	const struct body_place *place, int64_t inbox, struct error *err)
{
	struct store_message row = { .flags = (m->flags & KEPT_FLAGS) | FLAG_RECENT,
		.keywords = m->keywords.ptr ? m->keywords : STR_LIT(""),
		.uidl = STR_LIT(""),
		.size = size,
		.date = m->date,
		.zone = m->zone };
	struct store_counterpart pair = counterpart_of(m);
	int code = find_place(s, m->folder, inbox, &pair.mailbox, err);

	if (code == 0)
		code = store_add(s, pair.mailbox, &row, place, &pair.uid, err);
	pair.digest = STR_LIT(""); /* date and size tell: they are the source's */
	return code < 0 ? code : store_set_counterpart(s, &pair, err);
}

static int put(struct store *s, const struct swept *m, uint64_t size,
	const struct body_place *place, int64_t inbox, struct str name, struct error *err)
{
	const struct store_counterpart pair = counterpart_of(m);
	struct arena arena;
	struct str before = STR_LIT("");
	char next[32];
	int code, is_here;

	arena_init(&arena);
	code = store_checkpoint(s, name, &arena, &before, err);
	if (code == -ENOENT)
		code = 0;
	if (code == 0 && came_before(before, m))
		code = 1;
	arena_fini(&arena);
	if (code)
		return code;
	(void)snprintf(
		next, sizeof(next), "%" PRIu32 " %" PRIu32, m->uidvalidity, m->uid + 1);
	is_here = store_knows_counterpart(s, &pair, err);
	if (is_here == 0)
		is_here = store_find_in_base(s, &pair, m->date, size, place, err);
	code = is_here ? is_here : add(s, m, size, place, inbox, err);
	if (code >= 0)
		code = store_set_checkpoint(s, name, str_from(next), err);
	return code < 0 ? code : is_here;
}

int swept_put(struct store *s, const struct swept *m, uint64_t size,
	const struct body_place *place, int64_t inbox, struct error *err)
{
	struct buf name;
	int code;

	if (!m->uidvalidity || !m->uid || m->uid == UINT32_MAX || !m->folder.len)
		return error_set(err, -EINVAL, "a swept message without its UID");
	buf_init(&name, 0);
	code = buf_printf(&name, "sweep:%.*s", STR_ARG(m->folder));
	code = code < 0 ? error_set(err, code, "no memory")
	                : put(s, m, size, place, inbox, buf_view(&name), err);
	buf_fini(&name);
	return code;
}
