/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SESSION_INTERNAL_H
#define INTERCEPTOR_SESSION_INTERNAL_H
/* What the files of a session share with each other and with nobody else. */
#include "interceptor/session/session.h"

/* The only way from one state to another; asserts that the change is one that may be. */
void session_set_state(struct session *s, enum session_state state);

/* Into the list of those that the mailstore has. */
void session_add_numbered(struct session *s);

/* session_io.c */
stream_ready_fn session_client_event, session_source_event;
void session_want_events(struct session *s);
void session_connected(struct session *s);
void session_free_memory(struct session *s);

/* session_counts.c */
void session_count_begin(struct session *s);
/* Its memory may have grown, or shrunk. Closes it when there is no place for more. */
void session_recount(struct session *s);
/* Closes the oldest in which nothing is under way and that has what is short. false:
   there is none. */
bool session_make_room(struct host *h, enum crowd crowd);
/* Closes it: there are too many. */
void session_refuse(struct session *s, const char *why);

/* session_relay.c */
void session_relay_begin(struct session *s);
void session_relay_event(
	struct session *s, const struct stream *which, int events, int error);
void session_relay_end(struct session *s); /* keeps its counts */
/* The client is told why, and the source finishes what it was told. */
void session_relay_leave(struct session *s, enum close_reason reason);
enum quiesce session_relay_quiesce(struct session *s, enum switch_manner manner);
bool session_can_cross(const struct session *s);
void session_drop_follower(struct session *s);

#endif
