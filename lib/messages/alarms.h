/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MESSAGES_ALARMS_H
#define MESSAGES_ALARMS_H
/*
 * What a running program has seen that an admin should know of: kept in its memory, told
 * to `mailferry status` on request (MESSAGE_ALARMS).
 *
 *   worker, account process ──ALARM──► its master ◄──ALARMS── mailferry status
 *                                                 ──ALARM …, ALARMS_END──►
 *
 * One alarm a kind and subject; counted over the last minutes, so that "refused 40 times"
 * is about now. The kinds and what cures them: control/watch/trouble.c.
 */
#include "messages/message.h"

#include <stddef.h>

#define ALARMS_MAX 32 /* different ones; then the oldest goes */
#define ALARM_WINDOW_MS (5 * 60 * 1000)
#define ALARM_KIND_MAX 24
#define ALARM_SUBJECT_MAX 96
#define ALARM_TEXT_MAX 512
#define HUNG_ALARM "hung"

struct alarm {
	char kind[ALARM_KIND_MAX];       /* "damage" */
	char subject[ALARM_SUBJECT_MAX]; /* an account, "" */
	char text[ALARM_TEXT_MAX];       /* the last sentence about it */
	uint64_t window_at;              /* when counting began anew */
	uint64_t now, before;            /* since then, and in the window before */
	uint64_t last_at;                /* wall clock, ms */
};

struct alarms {
	struct alarm at[ALARMS_MAX];
	size_t n;
};

/* m: an ALARM: service = kind, account = subject, text, number = how often (0: once). */
void alarms_take(struct alarms *a, const struct message *m, uint64_t now_ms);
/* All of them, each as an ALARM with number = how often lately, number2 = last_at; then
   ALARMS_END. */
void alarms_tell(const struct alarms *a,
	void (*send)(void *context, const struct message *m), void *context);

#endif
