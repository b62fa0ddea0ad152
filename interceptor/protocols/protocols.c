/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/protocols/protocol.h"

#include <errno.h>

static const struct protocol *const protocols[SERVICE_COUNT] = {
	[SERVICE_SMTP] = &protocol_smtp,
	[SERVICE_POP3] = &protocol_pop3,
	[SERVICE_IMAP] = &protocol_imap,
	[SERVICE_SUBMISSION] = &protocol_smtp,
	[SERVICE_SMTPS] = &protocol_smtp,
	[SERVICE_POP3S] = &protocol_pop3,
	[SERVICE_IMAPS] = &protocol_imap,
};

const struct protocol *protocol_of(enum service_id service)
{
	return (unsigned)service < SERVICE_COUNT ? protocols[service] : NULL;
}

int protocol_shown(struct arena *arena, struct str greeting, struct str capability,
	struct str id, struct learnt *ret_shown)
{
	struct learnt shown = { .greeting = arena_str(arena, greeting),
		.capability = arena_str(arena, capability),
		.id = arena_str(arena, id),
		.after = STR("") };

	if (!shown.greeting.ptr || !shown.capability.ptr || !shown.id.ptr)
		return -ENOMEM;
	*ret_shown = shown;
	return 0;
}
