/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The URLs of CATENATE (RFC 4469): a message here, or a part of one. */
#include "mailstore/serve/append.h"
#include "mailstore/serve/fetch_message.h"
#include "wire/imap/mutf7.h"
#include "wire/imap/url.h"

#include <errno.h>

#define LOOKED_MAX 16 /* times the longest message: each URL's is taken apart */

static void refuse_url(struct append *a, struct str url)
{
	if (!a->refused)
		(void)error_set(&a->refusal, 0, "[BADURL %.*s] No such message or part.",
			url.len < 512 ? (int)url.len : 512, url.ptr);
	a->refused = true;
}

/* A name in a URL is UTF-8 (RFC 5092, 3); one that was copied from a LIST is found,
   too. */
static int find_mailbox(struct imap *s, struct str name, struct mailbox *ret)
{
	struct buf text;
	int code = -ENOENT;

	buf_init(&text, 0);
	if (imap_mutf7_encode(name, &text))
		code = store_find_mailbox(
			s->serve->store, buf_view(&text), &s->arena, ret, NULL);
	buf_fini(&text);
	if (code < 0)
		code = store_find_mailbox(s->serve->store, name, &s->arena, ret, NULL);
	return code;
}

static int find_message(struct imap *s, const struct imap_url *url, int64_t *ret_mailbox)
{
	struct mailbox m = { .id = s->view.mailbox, .uidvalidity = s->view.uidvalidity };
	int code = 0;

	if (url->mailbox.ptr)
		code = find_mailbox(s, url->mailbox, &m);
	else if (s->state != IMAP_SELECTED)
		code = -ENOENT;
	if (code == 0 && url->uidvalidity && url->uidvalidity != m.uidvalidity)
		code = -ENOENT;
	*ret_mailbox = m.id;
	return code;
}

/* The section as FETCH would have it. */
static bool parse_section(
	struct imap *s, const struct imap_url *url, struct imap_fetch_item **ret)
{
	struct imap_cursor c;
	struct str copy = { 0 };
	struct buf text;

	buf_init(&text, 0);
	if (buf_printf(&text, "BODY.PEEK[%.*s]", STR_ARG(url->section)) == 0)
		copy = arena_str(&s->arena, buf_view(&text));
	buf_fini(&text);
	c = imap_cursor(copy);
	*ret = NULL;
	if (!copy.ptr || !imap_fetch_items(&c, &s->arena, ret) || !imap_end(&c) ||
		(*ret)->next)
		return false;
	(*ret)->partial = url->partial;
	(*ret)->offset = url->offset;
	(*ret)->length = url->length ? url->length : UINT32_MAX;
	return true;
}

void append_take_url(struct imap *s, struct append *a, struct str text)
{
	struct imap_fetch_item *item;
	struct fetch_message m;
	struct view view = { .store = s->serve->store };
	struct imap_url url;
	struct str bytes = { 0 };
	struct buf space;
	int code;

	if (a->refused)
		return;
	if (!imap_url(text, &s->arena, &url) || !parse_section(s, &url, &item) ||
		find_message(s, &url, &view.mailbox) < 0) {
		refuse_url(a, text);
		return;
	}
	buf_init(&space, 0);
	fetch_message_init(&m, &view, url.uid);
	code = fetch_message_body(&m, FETCH_WHOLE, NULL);
	a->looked += m.body.bytes.len;
	if (code == 0 && a->looked / LOOKED_MAX > s->serve->message_bytes)
		append_refuse(a, "[LIMIT] Too many parts of long messages.");
	else if (code == 0)
		code = fetch_section(&m, item, &space, &bytes);
	if (code < 0 || (!bytes.ptr && !a->refused))
		refuse_url(a, text);
	else if (!a->refused)
		append_take(s, a, bytes);
	fetch_message_fini(&m);
	buf_fini(&space);
}
