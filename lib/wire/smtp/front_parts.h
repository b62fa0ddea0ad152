/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_FRONT_PARTS_H
#define WIRE_SMTP_FRONT_PARTS_H
/*
 * What the files of the SMTP front share: front.c (slots, replies of the source),
 * front_command.c (commands of the client), front_auth.c, front_message.c (DATA).
 *
 * Whoever has no buffers at hand (the caller's answers, a lost source) leaves a note in
 * `owed` and an answer in a slot; the next smtp_front_next() writes them.
 */
#include "wire/smtp/front.h"

enum owed {                     /* in the order in which they are done */
	OWED_GREETING = 1 << 0, /* in the source's place */
	OWED_LINE = 1 << 1,     /* f->line to the source */
	OWED_RSET = 1 << 2,     /* to the source, its reply swallowed */
	OWED_DATA = 1 << 3,     /* to the source */
	OWED_DOT = 1 << 4,      /* to the source */
	OWED_HELD = 1 << 5,     /* f->held to the client */
	OWED_ABORT = 1 << 6,    /* actions from here on */
	OWED_DROP = 1 << 7,
	OWED_COMMIT = 1 << 8,
	OWED_CLOSE = 1 << 9
};

/* front.c */
void front_close(struct smtp_front *f); /* after what is written by now */
/* A buffer that is full means a peer that does not read: the end. */
void front_say(struct smtp_front *f, struct buf *to, struct str bytes);
/* Answers behind all that is not answered yet; text: static, without CRLF. */
void front_answer(struct smtp_front *f, const char *text);
struct smtp_slot *front_push(struct smtp_front *f); /* room was looked for before */
/* A copy in the transaction's arena; false: too much. */
bool front_keep(struct smtp_front *f, struct str s, struct str *ret);
void front_forget_transaction(struct smtp_front *f);

/* front_command.c */
enum smtp_front_action front_command(struct smtp_front *f, struct smtp_front_io *io);
enum smtp_front_action front_skip_line(struct smtp_front *f, struct smtp_front_io *io);
enum smtp_front_action front_skip_bytes(struct smtp_front *f, struct smtp_front_io *io);
void front_relay_line(struct smtp_front *f, struct str line, struct buf *to_source);

/* front_auth.c */
enum smtp_front_action front_auth_begin(
	struct smtp_front *f, struct str line, struct str args, struct smtp_front_io *io);
enum smtp_front_action front_auth_line(struct smtp_front *f, struct smtp_front_io *io);
enum smtp_front_action front_auth_reply(
	struct smtp_front *f, const struct smtp_reply *reply, struct smtp_front_io *io);

/* front_message.c */
enum smtp_front_action front_data_begin(struct smtp_front *f, struct str args);
enum smtp_front_action front_repeat_reply(
	struct smtp_front *f, const struct smtp_reply *reply);
enum smtp_front_action front_data_reply(
	struct smtp_front *f, const struct smtp_reply *reply, struct smtp_front_io *io);
enum smtp_front_action front_data_bytes(struct smtp_front *f, struct smtp_front_io *io);
/* The source says something before the message is over. */
void front_data_interrupted(struct smtp_front *f, const struct smtp_reply *reply);
enum smtp_front_action front_final_reply(
	struct smtp_front *f, const struct smtp_reply *reply, struct smtp_front_io *io);
enum smtp_front_action front_swallow(struct smtp_front *f, struct smtp_front_io *io);

#endif
