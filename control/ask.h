/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ASK_H
#define CONTROL_ASK_H
/* Talking to our running programs from a command: one question, its answers, and a limit
   to how long a person waits. */
#include "base/ipc.h"
#include "messages/message.h"
#include "settings/settings.h"

#define ASK_TIMEOUT_MS 10000 /* a program that is alive answers within milliseconds */

/* socket_name: INTERCEPTOR_SOCKET, … Returns the descriptor; -ECONNREFUSED: that program
   does not run. */
int ask_open(const struct settings *s, const char *socket_name, struct error *err);

/* Sends a message on it. */
int ask_send(int fd, const struct message *m, struct error *err);

/* The next message, in bytes[IPC_MESSAGE_MAX]; descriptors are not expected and closed.
   What is not one of ours or MESSAGE_FAILED gives an error. */
int ask_receive(int fd, char bytes[static IPC_MESSAGE_MAX], struct message *ret,
	struct error *err);

/* A question with one answer of that type, whose text nobody needs. */
int ask(const struct settings *s, const char *socket_name, const struct message *question,
	enum message_type answer, struct error *err);

/* The same, and the answer's number. */
int ask_number(const struct settings *s, const char *socket_name,
	const struct message *question, enum message_type answer, uint64_t *ret_number,
	struct error *err);

/* A message without an answer. */
int tell(const struct settings *s, const char *socket_name, const struct message *m,
	struct error *err);

bool program_answers(const struct settings *s, const char *socket_name);

#endif
