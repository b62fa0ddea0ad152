/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MESSAGES_ASK_H
#define MESSAGES_ASK_H
/*
 * A question to one of our running programs, by its socket in run_dir, and the wait for
 * its answer: for commands and for the process of one transfer. A process with an event
 * loop uses a channel (messages/exchange.h) instead.
 *
 * All of them return 0 or -errno with a sentence:
 *   -ECONNREFUSED  that program does not run
 *   -EPIPE         it ended, or closed the connection, before it answered
 *   -ETIMEDOUT     no answer in time
 *   -EREMOTEIO     it answered with MESSAGE_FAILED; the sentence is its own
 *   -EBADMSG       its answer cannot be understood (another version of the program)
 *   or what the patience's tick returned
 */
#include "base/error.h"
#include "base/ipc.h"
#include "event/wait.h"
#include "messages/message.h"

/* 10 s: a program that is alive answers within milliseconds. */
extern const struct patience ask_patience;

/* Returns the descriptor. socket_name: INTERCEPTOR_SOCKET, ... */
int ask_open(const char *run_dir, const char *socket_name, struct error *err);
int ask_send(
	int fd, const struct message *m, const struct patience *p, struct error *err);
/* With a descriptor, which stays the caller's; -1: none. */
int ask_send_fd(int fd, const struct message *m, int with, const struct patience *p,
	struct error *err);
/* The next message, whose views point into bytes. Descriptors are not expected and
   closed. */
int ask_receive(int fd, char bytes[static IPC_MESSAGE_MAX], const struct patience *p,
	struct message *ret, struct error *err);

/* The same, of one that comes with a descriptor, which is the caller's then; *ret_fd -1:
   it came without. */
int ask_receive_fd(int fd, char bytes[static IPC_MESSAGE_MAX], const struct patience *p,
	struct message *ret, int *ret_fd, struct error *err);

/* A question with one answer of that type; only its number is given back (NULL: not even
   that). */
int ask(const char *run_dir, const char *socket_name, const struct message *question,
	enum message_type answer, const struct patience *p, uint64_t *ret_number,
	struct error *err);
/* A message without an answer. */
int ask_tell(const char *run_dir, const char *socket_name, const struct message *m,
	struct error *err);
bool ask_runs(const char *run_dir, const char *socket_name);

/* The same in two steps, for a caller with other work meanwhile. ask_begin() returns a
   descriptor, which the caller closes; ask_answered() 1: it was answered, 0: not yet. */
int ask_begin(const char *run_dir, const char *socket_name,
	const struct message *question, struct error *err);
int ask_answered(
	int fd, enum message_type answer, uint64_t *ret_number, struct error *err);

#endif
