/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_TALK_H
#define TRANSFER_TALK_H
/* Questions of an account's process to the interceptor and the mailstore. */
#include "messages/message.h"
#include "settings/settings.h"

/* A message without an answer. -ECONNREFUSED: that program does not run now. */
int talk_tell(const struct settings *s, const char *socket_name, const struct message *m,
	struct error *err);

struct talk_patience {
	unsigned ms;
	int (*tick)(void *context); /* several times a second; non-zero ends the wait */
	void *context;
};

/* One question; `answer` is the type that is waited for, its number is returned. 0, what
   tick returned, -ETIMEDOUT, -ECONNREFUSED (it does not run), -EPIPE (it ended). */
int talk_ask(const struct settings *s, const char *socket_name,
	const struct message *question, enum message_type answer,
	const struct talk_patience *patience, uint64_t *ret_number, struct error *err);

/* The same for who has other things to do: a descriptor, then, now and then, 1: answered,
   0: not yet, or as above. The caller closes it. */
int talk_begin(const struct settings *s, const char *socket_name,
	const struct message *question, struct error *err);
int talk_answered(
	int fd, enum message_type answer, uint64_t *ret_number, struct error *err);

/* Pauses, ticking. 0 or what tick returned. */
int talk_pause(const struct talk_patience *patience);

#endif
