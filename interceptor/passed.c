/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/passed.h"

#include "registry/alias.h"

#include <string.h>

void passed_note(struct passed *p, struct str local, struct str domain, uint64_t now)
{
	struct passed_mail *mail = &p->held[p->next];

	if (local.len > PASSED_LOCAL_MAX || domain.len > PASSED_DOMAIN_MAX)
		return;
	mail->at = now;
	mail->local_len = (uint8_t)local.len;
	mail->domain_len = (uint8_t)domain.len;
	memcpy(mail->local, local.ptr, local.len);
	memcpy(mail->domain, domain.ptr, domain.len);
	p->next = (p->next + 1) % PASSED_HELD;
}

/* The registry is asked now, since an account may have become known since. */
static bool is_for(const struct passed_mail *mail, struct registry *r, struct str account)
{
	struct account_route route;

	return registry_address(r, str_of(mail->local, mail->local_len),
		       str_of(mail->domain, mail->domain_len), &route, NULL) == 0 &&
	       str_eq(str_from(route.name), account);
}

bool passed_lately(
	const struct passed *p, struct registry *r, struct str account, uint64_t now)
{
	/* the newest first, back to the first one that is old */
	for (size_t i = 1; i <= PASSED_HELD; i++) {
		const struct passed_mail *mail =
			&p->held[(p->next + PASSED_HELD - i) % PASSED_HELD];

		if (!mail->at || now - mail->at >= PASSED_SETTLE_MS)
			return false;
		if (is_for(mail, r, account))
			return true;
	}
	return false;
}
