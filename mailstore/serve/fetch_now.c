/* SPDX-License-Identifier: GPL-3.0-or-later */
/* FETCH of a message that the client has not asked for just now (RFC 5465). */
#include "mailstore/serve/fetch_message.h"
#include "mailstore/serve/notify.h"
#include "wire/imap/encode.h"

#include <errno.h>
#include <inttypes.h>

#define SECTION_MAX ((size_t)1048576)

bool fetch_now_items(
	struct str text, struct arena *arena, struct imap_fetch_item **ret_items)
{
	struct imap_cursor c = imap_lenient_cursor(text);

	if (!imap_fetch_items(&c, arena, ret_items) || !imap_end(&c))
		return false;
	for (struct imap_fetch_item *i = *ret_items; i; i = i->next)
		if (i->kind == IMAP_FETCH_BINARY || i->kind == IMAP_FETCH_BINARY_SIZE)
			return false;
	return true;
}

static int put_section(
	struct fetch_message *m, const struct imap_fetch_item *item, struct buf *out)
{
	struct str bytes = { 0 };
	struct buf space;
	int r;

	buf_init(&space, 0);
	r = fetch_section(m, item, &space, &bytes);
	if (r == 0)
		r = buf_printf(out, "%.*s ", STR_ARG(item->label));
	if (r == 0 && (!bytes.ptr || bytes.len > SECTION_MAX))
		r = buf_append_c(out, "NIL");
	else if (r == 0)
		r = bytes.len ? imap_put_literal(out, bytes, false)
		              : buf_append_c(out, "\"\"");
	buf_fini(&space);
	return r;
}

static int put_item(struct imap *s, struct fetch_message *m,
	const struct imap_fetch_item *item, const struct view_message *view)
{
	struct buf *out = imap_out(s);

	if (item->kind == IMAP_FETCH_FLAGS)
		return view_put_message_flags(&s->view, view, out, NULL);
	if (item->kind == IMAP_FETCH_MODSEQ)
		return buf_printf(out, "MODSEQ (%" PRIu64 ")", view->modseq);
	if (item->kind == IMAP_FETCH_SECTION)
		return put_section(m, item, out);
	if (item->kind == IMAP_FETCH_PREVIEW || item->kind == IMAP_FETCH_SNIPPET)
		return fetch_put_preview(
			m, item, s->enabled & (IMAP_UTF8 | IMAP_REV2), out);
	return fetch_put_item(m, item, out);
}

static int put_message(struct imap *s, struct fetch_message *m,
	const struct imap_fetch_item *items, uint32_t index)
{
	const struct view_message *view = &s->view.messages[index];
	int r = view_put_fetch(&s->view, index, imap_out(s));

	if (r == 0 && !(s->view.form & VIEW_UIDFETCH))
		r = buf_printf(imap_out(s), "UID %" PRIu32, view->uid);
	else if (r == 0)
		r = buf_printf(imap_out(s), "MODSEQ (%" PRIu64 ")", view->modseq);
	for (; items && r == 0; items = items->next) {
		if (items->kind == IMAP_FETCH_UID)
			continue;
		r = buf_byte(imap_out(s), ' ');
		if (r == 0)
			r = put_item(s, m, items, view);
	}
	return r < 0 ? r : buf_append_c(imap_out(s), ")\r\n");
}

int fetch_now(struct imap *s, const struct imap_fetch_item *items, uint32_t index)
{
	struct fetch_message m;
	int r;

	fetch_message_init(&m, &s->view, s->view.messages[index].uid);
	r = fetch_message_row(&m, NULL);
	if (r == 0)
		r = fetch_message_body(&m, FETCH_WHOLE, NULL);
	/* one that cannot be read is told when it is asked for */
	r = r == 0 ? put_message(s, &m, items, index) : 0;
	fetch_message_fini(&m);
	return r;
}
