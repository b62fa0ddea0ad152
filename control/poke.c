/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/poke.h"

#include "control/ask.h"

bool poke(const struct control *c, struct str account)
{
	struct message route = { .type = MESSAGE_ROUTE_CHANGED, .account = account };
	struct message due = { .type = MESSAGE_ACCOUNT_DUE, .account = account };
	int a = tell(&c->settings, INTERCEPTOR_SOCKET, &route, NULL);
	int b = tell(&c->settings, TRANSFER_SOCKET, &due, NULL);

	return a == 0 && b == 0;
}
