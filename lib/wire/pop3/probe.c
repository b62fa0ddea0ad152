/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks a server what it shows before login: greeting and CAPA (RFC 2449). */
#include "wire/pop3/upstream.h"

#include <string.h>

void pop3_probe_init(struct pop3_probe *p, struct arena *arena)
{
	*p = (struct pop3_probe){ .arena = arena, .capability = STR("") };
	pop3_upstream_init(&p->upstream);
}

static enum pop3_probe_event greeted(
	struct pop3_probe *p, struct str response, struct buf *to_server)
{
	p->greeting = arena_str(p->arena, str_trim(response));
	pop3_reader_expect(&p->reader, POP3_EXPECT_LINES);
	if (!p->greeting.ptr || buf_append_c(to_server, "CAPA\r\n") < 0)
		return POP3_PROBE_BROKEN;
	return POP3_PROBE_AGAIN;
}

static enum pop3_probe_event greeting(struct pop3_probe *p, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_server)
{
	switch (pop3_upstream_next(
		&p->upstream, input, ret_response, ret_used, to_server)) {
	case UPSTREAM_NEED_MORE:
		return POP3_PROBE_NEED_MORE;
	case UPSTREAM_GREETED:
		return greeted(p, *ret_response, to_server);
	case UPSTREAM_BYE:
		return POP3_PROBE_BYE;
	case UPSTREAM_AGAIN:
	case UPSTREAM_UNTAGGED:
	case UPSTREAM_CONTINUE:
	case UPSTREAM_OK:
	case UPSTREAM_NO:
	case UPSTREAM_BROKEN:
		break;
	}
	return POP3_PROBE_BROKEN;
}

static bool add_line(struct pop3_probe *p, struct str line)
{
	size_t have = p->capability.len;
	char *all;

	if (line.len > POP3_CAPABILITY_MAX || have + line.len + 2 > POP3_CAPABILITY_MAX)
		return false;
	all = arena_alloc(p->arena, have + line.len + 2);
	if (!all)
		return false;
	if (have)
		memcpy(all, p->capability.ptr, have);
	if (line.len)
		memcpy(all + have, line.ptr, line.len);
	all[have + line.len] = '\r';
	all[have + line.len + 1] = '\n';
	p->capability = str_of(all, have + line.len + 2);
	return true;
}

enum pop3_probe_event pop3_probe_next(struct pop3_probe *p, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_server)
{
	if (p->upstream.state == POP3_UPSTREAM_IN_GREETING)
		return greeting(p, input, ret_response, ret_used, to_server);
	switch (pop3_reader_next(&p->reader, input, ret_response, ret_used)) {
	case POP3_READ_NEED_MORE:
		return POP3_PROBE_NEED_MORE;
	case POP3_READ_OK:
		return POP3_PROBE_AGAIN;
	case POP3_READ_BYTES:
		return add_line(p, *ret_response) ? POP3_PROBE_AGAIN : POP3_PROBE_BROKEN;
	case POP3_READ_ERR: /* no CAPA: a server from before 1998 */
	case POP3_READ_END:
		return POP3_PROBE_DONE;
	case POP3_READ_BROKEN:
		break;
	}
	return POP3_PROBE_BROKEN;
}
