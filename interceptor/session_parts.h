/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SESSION_PARTS_H
#define INTERCEPTOR_SESSION_PARTS_H
/* What the session_*.c files share with each other and with nobody else. */
#include "interceptor/session.h"

#define SESSION_READ_CHUNK 16384 /* of a client before login: a login is far smaller */

stream_ready_fn session_client_ready;
void session_want_events(struct session *s);
bool session_reads_client(const struct session *s); /* in its state */
void session_free_pre(struct session *s);
void session_count_waiting(struct session *s, bool waiting);
void session_relay_event(
	struct session *s, const struct stream *which, int events, int error);
void session_end_relay(struct session *s); /* keeps its counts */

#endif
