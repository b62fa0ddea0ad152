/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/transfer_ask.h"

#include <errno.h>

#define AGAIN_MS 300
#define AGAIN_MAX 50 /* 15 s: a transfer that ran a moment ago is being restarted */

int transfer_ask(struct control *c, const struct message *m, enum message_type answer,
	const struct patience *p)
{
	const char *run_dir = c->settings.run_dir;
	const struct patience pause = { .ms = AGAIN_MS };
	int code = ask(run_dir, TRANSFER_SOCKET, m, answer, p, NULL, &c->err);
	bool was_there = code != -ECONNREFUSED;

	for (int i = 0; was_there && i < AGAIN_MAX; i++) {
		if (code != -ECONNREFUSED && code != -EPIPE)
			break;
		(void)wait_pause(&pause);
		code = ask(run_dir, TRANSFER_SOCKET, m, answer, p, NULL, &c->err);
	}
	return code;
}
