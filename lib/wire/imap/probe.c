/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks a server what it shows before login: greeting, CAPABILITY, ID (RFC 2971). */
#include "wire/imap/cursor.h"
#include "wire/imap/upstream.h"

void imap_probe_init(struct imap_probe *p, struct arena *arena)
{
	*p = (struct imap_probe){ .arena = arena, .id = STR("NIL") };
	imap_upstream_init(&p->upstream, STR_LIT("probe"));
}

static enum imap_probe_event ask(
	struct imap_probe *p, struct str command, struct buf *to_server)
{
	if (imap_upstream_ask(&p->upstream, command, to_server) < 0)
		return IMAP_PROBE_BROKEN;
	return IMAP_PROBE_AGAIN;
}

static enum imap_probe_event ask_id(struct imap_probe *p, struct buf *to_server)
{
	if (!str_has_word(p->capability, STR_LIT("ID")))
		return IMAP_PROBE_DONE;
	p->asked_id = true;
	return ask(p, STR_LIT("ID NIL"), to_server);
}

static void learn_capability(struct imap_probe *p, struct str response)
{
	struct str list;

	if (imap_capability_of(response, &list))
		p->capability = arena_str(p->arena, list);
}

static enum imap_probe_event greeted(
	struct imap_probe *p, struct str response, struct buf *to_server)
{
	p->greeting = arena_str(p->arena, str_trim(response));
	learn_capability(p, response);
	if (p->capability.len)
		return ask_id(p, to_server);
	return ask(p, STR_LIT("CAPABILITY"), to_server);
}

static void learn(struct imap_probe *p, struct str response)
{
	struct imap_cursor c = imap_cursor(response);

	if (!imap_char(&c, '*') || !imap_space(&c))
		return;
	if (imap_keyword(&c, STR_LIT("ID")) && imap_space(&c))
		p->id = arena_str(p->arena, str_trim(c.rest));
	else
		learn_capability(p, response);
}

enum imap_probe_event imap_probe_next(struct imap_probe *p, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_server)
{
	switch (imap_upstream_next(
		&p->upstream, input, ret_response, ret_used, to_server)) {
	case UPSTREAM_NEED_MORE:
		return IMAP_PROBE_NEED_MORE;
	case UPSTREAM_GREETED:
		return greeted(p, *ret_response, to_server);
	case UPSTREAM_AGAIN:
	case UPSTREAM_CONTINUE:
		return IMAP_PROBE_AGAIN;
	case UPSTREAM_UNTAGGED:
		learn(p, *ret_response);
		return IMAP_PROBE_AGAIN;
	case UPSTREAM_OK:
	case UPSTREAM_NO:
		return p->asked_id ? IMAP_PROBE_DONE : ask_id(p, to_server);
	case UPSTREAM_BYE:
		return IMAP_PROBE_BYE;
	case UPSTREAM_BROKEN:
		break;
	}
	return IMAP_PROBE_BROKEN;
}
