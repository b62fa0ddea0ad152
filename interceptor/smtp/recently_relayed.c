/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/smtp/recently_relayed.h"

#include "registry/alias.h"

#include <string.h>

void recently_relayed_note(
	struct recently_relayed *p, struct str local, struct str domain, uint64_t now)
{
	struct relayed_mail *mail = &p->held[p->next];

	if (local.len > RELAYED_LOCAL_MAX || domain.len > RELAYED_DOMAIN_MAX)
		return;
	mail->at = now;
	mail->local_len = (uint8_t)local.len;
	mail->domain_len = (uint8_t)domain.len;
	memcpy(mail->local, local.ptr, local.len);
	memcpy(mail->domain, domain.ptr, domain.len);
	p->next = (p->next + 1) % RELAYED_HELD;
}

/* The registry is asked now, since an account may have become known since. */
static bool is_for(
	const struct relayed_mail *mail, struct registry *r, struct str account)
{
	struct account_route route;

	return registry_address(r, str_of(mail->local, mail->local_len),
		       str_of(mail->domain, mail->domain_len), &route, NULL) == 0 &&
	       str_eq(str_from(route.name), account);
}

bool recently_relayed_has(const struct recently_relayed *p, struct registry *r,
	struct str account, uint64_t now)
{
	/* the newest first, back to the first one that is old */
	for (size_t i = 1; i <= RELAYED_HELD; i++) {
		const struct relayed_mail *mail =
			&p->held[(p->next + RELAYED_HELD - i) % RELAYED_HELD];

		if (!mail->at || now - mail->at >= RELAYED_SETTLE_MS)
			return false;
		if (is_for(mail, r, account))
			return true;
	}
	return false;
}
