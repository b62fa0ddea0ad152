/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/poke.h"

#include "messages/ask.h"

bool poke(const struct control *c, struct str account)
{
	struct message route = { .type = MESSAGE_ROUTE_CHANGED, .account = account };
	struct message due = { .type = MESSAGE_ACCOUNT_DUE, .account = account };
	int a = ask_tell(c->settings.run_dir, INTERCEPTOR_SOCKET, &route, NULL);
	int b = ask_tell(c->settings.run_dir, TRANSFER_SOCKET, &due, NULL);

	return a == 0 && b == 0;
}
