/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of an account: route and stage, the mail on both sides, and who is served
 * where, with a crash of each process at any of its steps.
 *
 *   clients ──► interceptor (logins, SMTP) ──► source | mailstore
 *                      registry: route, stage, pin
 *   transfer: copy, switch, quiesce, prove, arrive        admin: to source, and back
 *
 * Everything an actor does without anybody in between is one `atomic` option of its `do`.
 * What it knows is in globals, so that a crash is one more option: it forgets them. What
 * is in the registry, in the store and at the source stays. (All of a worker's sessions
 * that end at once are the same as one after the other.)
 *
 * Mail is a set of messages. A message that is sent again because nobody answered is
 * another message: SMTP doubles those by itself (RFC 5321 4.5.3.2.6).
 *
 * One thing is taken for granted, which the code has a second for (recently_relayed.h): the source
 * delivers what it took before a quiesce ends.
 *
 * Each BREAK_* drops one rule of the code, and verify.py wants a counter-example for it.
 * Whose passwords are kept is in attribution.pml, the rules of the kernel in closed.pml.
 */
#define ACCOUNTS 2
#define CLIENTS 2
#ifndef MESSAGES
#define MESSAGES 1
#endif
#define BIT(n) (1 << (n))

/* As in lib/registry/registry.h. */
mtype:route = { ROUTE_SOURCE, ROUTE_BUSY, ROUTE_LOCAL };
mtype:stage = { STAGE_IDLE, STAGE_DUE, STAGE_COPYING, STAGE_CATCHING_UP, STAGE_SWITCHING,
	STAGE_DONE, STAGE_FAILED };
mtype:event = { EVENT_DUE, EVENT_COPY, EVENT_CATCH_UP, EVENT_SWITCH, EVENT_SWITCH_BACK,
	EVENT_ARRIVE, EVENT_FAIL, EVENT_LEAVE, EVENT_STAY, EVENT_RETURN, EVENT_CANCEL };

typedef account {
	mtype:route route = ROUTE_SOURCE;
	mtype:stage stage = STAGE_IDLE;
	bit pinned;                  /* to the source */
	unsigned source : MESSAGES;  /* in the old mailbox */
	unsigned queued : MESSAGES;  /* taken by the source, on its way into it */
	unsigned copied : MESSAGES;  /* here, from the source */
	unsigned arrived : MESSAGES; /* here, from a client or a sender */
	unsigned staged : MESSAGES;  /* here, durable, not visible */
	unsigned acked : MESSAGES;   /* somebody was told that it is safe */
	bit left; /* the folder says that it is not served here any more */
	bit marked;   /* and this, that it is in service: believed when the registry is lost */
	bit arriving; /* the registry says that it may be marked */
	/* forgotten with the process: */
	bit quiet, proved; /* the transfer's child, in STAGE_SWITCHING */
	bit locked;        /* the command that takes it back has the folder for itself */
};
account at[ACCOUNTS];

mtype:session = { SESSION_NONE,
	SESSION_LOGIN,  /* the source was asked */
	SESSION_SOURCE, /* relayed */
	SESSION_HELD,   /* waits for the switch */
	SESSION_CHECK,  /* the vault was asked whether the password is right */
	SESSION_HANDED, /* on its way to the mailstore */
	SESSION_HERE }; /* served by it */
typedef client {
	mtype:session is = SESSION_NONE;
	bit who;
};
client clients[CLIENTS];

mtype:smtp = { SMTP_IDLE, SMTP_RECIPIENTS, SMTP_STAGED, SMTP_TAKEN };
mtype:smtp smtp = SMTP_IDLE;
unsigned smtp_source : ACCOUNTS; /* recipients that the source accepted */
unsigned smtp_here : ACCOUNTS;
unsigned next : 2; /* the number of the next message */

/* ---- the table of lib/registry/transition.c ---- */

#define ROW(e, r, s, to_r, to_s)                                                           \
	:: ev == e && at[a].route == r && at[a].stage == s ->                              \
		at[a].route = to_r;                                                        \
		at[a].stage = to_s;                                                        \
		ok = 1

inline transition(a, ev, ok)
{
	if
	ROW(EVENT_DUE, ROUTE_SOURCE, STAGE_IDLE, ROUTE_SOURCE, STAGE_DUE)
	ROW(EVENT_DUE, ROUTE_SOURCE, STAGE_FAILED, ROUTE_SOURCE, STAGE_DUE)
	ROW(EVENT_COPY, ROUTE_SOURCE, STAGE_DUE, ROUTE_SOURCE, STAGE_COPYING)
	ROW(EVENT_COPY, ROUTE_SOURCE, STAGE_FAILED, ROUTE_SOURCE, STAGE_COPYING)
	ROW(EVENT_COPY, ROUTE_SOURCE, STAGE_COPYING, ROUTE_SOURCE, STAGE_COPYING)
	ROW(EVENT_COPY, ROUTE_SOURCE, STAGE_CATCHING_UP, ROUTE_SOURCE, STAGE_COPYING)
	ROW(EVENT_CATCH_UP, ROUTE_SOURCE, STAGE_COPYING, ROUTE_SOURCE, STAGE_CATCHING_UP)
	ROW(EVENT_SWITCH, ROUTE_SOURCE, STAGE_CATCHING_UP, ROUTE_BUSY, STAGE_SWITCHING)
	ROW(EVENT_SWITCH_BACK, ROUTE_BUSY, STAGE_SWITCHING, ROUTE_SOURCE, STAGE_CATCHING_UP)
	ROW(EVENT_ARRIVE, ROUTE_BUSY, STAGE_SWITCHING, ROUTE_LOCAL, STAGE_DONE)
	ROW(EVENT_FAIL, ROUTE_SOURCE, STAGE_DUE, ROUTE_SOURCE, STAGE_FAILED)
	ROW(EVENT_FAIL, ROUTE_SOURCE, STAGE_COPYING, ROUTE_SOURCE, STAGE_FAILED)
	ROW(EVENT_FAIL, ROUTE_SOURCE, STAGE_CATCHING_UP, ROUTE_SOURCE, STAGE_FAILED)
	ROW(EVENT_FAIL, ROUTE_BUSY, STAGE_SWITCHING, ROUTE_SOURCE, STAGE_FAILED)
	ROW(EVENT_LEAVE, ROUTE_LOCAL, STAGE_DONE, ROUTE_BUSY, STAGE_DONE)
	ROW(EVENT_STAY, ROUTE_BUSY, STAGE_DONE, ROUTE_LOCAL, STAGE_DONE)
	ROW(EVENT_RETURN, ROUTE_BUSY, STAGE_DONE, ROUTE_SOURCE, STAGE_IDLE)
	ROW(EVENT_CANCEL, ROUTE_SOURCE, STAGE_DUE, ROUTE_SOURCE, STAGE_IDLE)
	ROW(EVENT_CANCEL, ROUTE_SOURCE, STAGE_COPYING, ROUTE_SOURCE, STAGE_IDLE)
	ROW(EVENT_CANCEL, ROUTE_SOURCE, STAGE_CATCHING_UP, ROUTE_SOURCE, STAGE_IDLE)
	ROW(EVENT_CANCEL, ROUTE_SOURCE, STAGE_FAILED, ROUTE_SOURCE, STAGE_IDLE)
	ROW(EVENT_CANCEL, ROUTE_BUSY, STAGE_SWITCHING, ROUTE_SOURCE, STAGE_IDLE)
	:: else -> ok = 0
	fi
}


/* ---- the invariants ---- */

#define HERE(a) (at[a].copied | at[a].arrived)
#define SOURCE_SIDE(a) (at[a].source | at[a].queued)
#define SESSION_IS(c, a, state) (clients[c].who == a && clients[c].is == state)
#define ANY_SESSION(a, state) (SESSION_IS(0, a, state) || SESSION_IS(1, a, state))

/* What was acknowledged is where the account is served from, or on its way there. */
#define LOST(a)                                                                            \
	((at[a].route == ROUTE_LOCAL && (at[a].acked & ~(HERE(a) | at[a].staged))) ||      \
		(at[a].route == ROUTE_SOURCE && (at[a].acked & ~SOURCE_SIDE(a))))
#define DOUBLED(a) ((at[a].arrived | at[a].staged) & (SOURCE_SIDE(a) | at[a].copied))

inline check_account(a)
{
	assert(!LOST(a));    /* no acknowledged message is lost */
	assert(!DOUBLED(a)); /* or there twice */
	/* the registry's loss gives nobody back a mailbox that the source serves */
	assert(!(at[a].route == ROUTE_SOURCE && at[a].marked));
	/* nobody is served from two sides */
	assert(!(ANY_SESSION(a, SESSION_SOURCE) && ANY_SESSION(a, SESSION_HERE)))
}

inline into_source(a, m)
{
	assert(at[a].route != ROUTE_LOCAL); /* nothing reaches it after the switch */
	at[a].source = at[a].source | m
}

inline open_staged(a) /* who opens a folder delivers what is staged in it */
{
	at[a].arrived = at[a].arrived | at[a].staged;
	at[a].staged = 0
}

/* As refuse_when_arriving(), of the events that take it to the source. */
#ifdef BREAK_ARRIVING
#define MAY_GO_BACK(a) true
#else
#define MAY_GO_BACK(a) (!at[a].arriving)
#endif

inline change(a, ev)
{
	transition(a, ev, ok);
	ok = 0
}

/* ---- logins ---- */

inline end_session(c)
{
	clients[c].is = SESSION_NONE;
	clients[c].who = 0
}

inline goes_where(c, a, at_source)
{
	if
	:: at[a].route == ROUTE_SOURCE -> clients[c].is = at_source
	:: at[a].route == ROUTE_BUSY -> clients[c].is = SESSION_HELD
	:: at[a].route == ROUTE_LOCAL -> clients[c].is = SESSION_CHECK
	fi
}

/* The source has said OK: the account is due, and looked at again. */
inline proven(c, a)
{
	if
	:: !at[a].pinned && at[a].stage == STAGE_IDLE -> change(a, EVENT_DUE)
	:: else
	fi;
	goes_where(c, a, SESSION_SOURCE)
}

inline enter_here(c, a)
{
	/* nobody is served from an incomplete mailbox */
	assert(at[a].stage == STAGE_DONE && !(at[a].acked & ~(HERE(a) | at[a].staged)));
	open_staged(a);
	clients[c].is = SESSION_HERE
}

/* By IMAP, acknowledged at once. */
inline append(c, a)
{
	if
	:: clients[c].is == SESSION_SOURCE -> into_source(a, BIT(next))
	:: else -> at[a].arrived = at[a].arrived | BIT(next)
	fi;
	at[a].acked = at[a].acked | BIT(next);
	next++
}

proctype login_handler(bit c)
{
	bit ok;

end:	do
	:: atomic { clients[c].is == SESSION_NONE ->
		if
		:: clients[c].who = 0
		:: clients[c].who = 1
		fi;
		goes_where(c, clients[c].who, SESSION_LOGIN) }
	:: atomic { clients[c].is == SESSION_LOGIN -> proven(c, clients[c].who) }
	:: atomic { clients[c].is == SESSION_HELD &&
			at[clients[c].who].route != ROUTE_BUSY ->
		goes_where(c, clients[c].who, SESSION_LOGIN) }
	:: atomic { clients[c].is == SESSION_CHECK ->
		if
		:: at[clients[c].who].route == ROUTE_LOCAL ->
			clients[c].is = SESSION_HANDED
		:: else -> goes_where(c, clients[c].who, SESSION_LOGIN)
		fi }
	/* an account that is being released waits; a folder that was left refuses */
	:: atomic { clients[c].is == SESSION_HANDED && !at[clients[c].who].locked ->
		if
#ifndef BREAK_LEFT
		:: at[clients[c].who].left -> end_session(c)
#endif
		:: else ->
			enter_here(c, clients[c].who);
			check_account(clients[c].who)
		fi }
	:: atomic { next < MESSAGES && smtp == SMTP_IDLE &&
			(clients[c].is == SESSION_SOURCE ||
				clients[c].is == SESSION_HERE) ->
		append(c, clients[c].who);
		check_account(clients[c].who) }
	/* the client leaves, is refused, or its worker, the vault or the mailstore dies */
	:: atomic { clients[c].is != SESSION_NONE -> end_session(c) }
	od
}

/* ---- mail ---- */

#define FOR_EACH(mask, what)                                                               \
	if                                                                                 \
	:: (mask) & 1 -> what(0)                                                           \
	:: else                                                                            \
	fi;                                                                                \
	if                                                                                 \
	:: (mask) & 2 -> what(1)                                                           \
	:: else                                                                            \
	fi

inline stage_mail(a) { at[a].staged = at[a].staged | BIT(next) }
inline unstage(a) { at[a].staged = at[a].staged & ~BIT(next) }
inline queue(a) { at[a].queued = at[a].queued | BIT(next) }
inline acknowledge(a) { at[a].acked = at[a].acked | BIT(next) }
inline deliver(a)
{
	if /* somebody else may have opened the folder meanwhile */
	:: at[a].staged & BIT(next) ->
		unstage(a);
		at[a].arrived = at[a].arrived | BIT(next)
	:: else
	fi
}

inline smtp_over()
{
	smtp = SMTP_IDLE;
	smtp_source = 0;
	smtp_here = 0;
	next++;
	check_account(0);
	check_account(1)
}

/* all_live_here(), and the mailstore does not refuse. */
#define LIVES_HERE(a)                                                                      \
	(!(smtp_here & BIT(a)) || (at[a].route == ROUTE_LOCAL && !at[a].locked))

inline recipient(a)
{
	if
	:: at[a].route == ROUTE_SOURCE -> smtp_source = smtp_source | BIT(a)
	:: at[a].route == ROUTE_LOCAL -> smtp_here = smtp_here | BIT(a)
	:: else /* 450 for this one alone */
	fi
}

proctype smtp_proxy()
{
end:	do
	:: atomic { smtp == SMTP_IDLE && next < MESSAGES -> smtp = SMTP_RECIPIENTS }
	:: atomic { smtp == SMTP_RECIPIENTS && !((smtp_source | smtp_here) & 1) ->
		recipient(0) }
	:: atomic { smtp == SMTP_RECIPIENTS && !((smtp_source | smtp_here) & 2) ->
		recipient(1) }
	/* the message has come: durable here before the source gets its final dot */
	:: atomic { smtp == SMTP_RECIPIENTS && (smtp_source | smtp_here) &&
#ifdef BREAK_STAGE /* hands mail on for an account that is on its way back */
			true ->
#else
			LIVES_HERE(0) && LIVES_HERE(1) ->
#endif
#ifdef BREAK_EARLY /* the sender hears 250 before it is durable */
		FOR_EACH(smtp_source | smtp_here, acknowledge);
#else
		FOR_EACH(smtp_here, stage_mail);
#endif
		smtp = SMTP_STAGED }
	:: atomic { smtp == SMTP_STAGED -> FOR_EACH(smtp_source, queue); smtp = SMTP_TAKEN }
	:: atomic { smtp == SMTP_STAGED && smtp_source -> /* the source refuses it */
		FOR_EACH(smtp_here, unstage);
		smtp_over() }
	/* a mailstore that is away delivers later: it stays staged, and is safe */
	:: atomic { smtp == SMTP_TAKEN ->
#ifdef BREAK_EARLY
		FOR_EACH(smtp_here, stage_mail);
#endif
		FOR_EACH(smtp_here, deliver);
		FOR_EACH(smtp_source | smtp_here, acknowledge);
		smtp_over() }
	/* 421, to make way for a switch; the sender leaves; its worker dies. What is staged
	   is delivered, since the source may have it. The sender heard nothing. */
	:: atomic { smtp != SMTP_IDLE -> smtp_over() }
	od
}

/* ---- the source's queue, and a mailstore that finds staged mail of nobody ---- */

#define IS_STAGING(a) ((smtp_here & BIT(a)) && (smtp == SMTP_STAGED || smtp == SMTP_TAKEN))

proctype queues(bit a)
{
end:	do
	:: atomic { at[a].queued ->
		into_source(a, at[a].queued);
		at[a].queued = 0;
		check_account(a) }
	:: atomic { at[a].staged && !IS_STAGING(a) -> open_staged(a) }
	/* a crash while somebody waits for its word: the next process delivers */
	:: atomic { at[a].staged && smtp == SMTP_TAKEN -> open_staged(a) }
	od
}

/* ---- the transfer ---- */

#define MAIL_UNDER_WAY(a) ((smtp_source & BIT(a)) || at[a].queued || IS_STAGING(a))

inline end_under_way(c, a)
{
	if
	:: SESSION_IS(c, a, SESSION_LOGIN) || SESSION_IS(c, a, SESSION_SOURCE) ->
		end_session(c)
	:: else
	fi
}

inline quiesce(a)
{
	end_under_way(0, a);
	end_under_way(1, a)
}

inline forget_switch(a)
{
	at[a].quiet = 0;
	at[a].proved = 0
}

/* The next pass reads all that is there: what an earlier one brought does not matter. */
inline forget_copy(a)
{
	forget_switch(a);
	at[a].copied = 0
}

proctype transfer_child(bit a)
{
	bit ok;

end:	do
	:: atomic { !at[a].pinned && at[a].route == ROUTE_SOURCE &&
			(at[a].stage == STAGE_DUE || at[a].stage == STAGE_FAILED ||
				at[a].stage == STAGE_CATCHING_UP) ->
		change(a, EVENT_COPY);
		forget_copy(a) }
	:: atomic { at[a].stage == STAGE_COPYING ->
		at[a].copied = at[a].source;
		change(a, EVENT_CATCH_UP) }
	/* log-off, or the deadline */
	:: atomic { at[a].stage == STAGE_CATCHING_UP -> change(a, EVENT_SWITCH) }
	:: atomic { at[a].stage == STAGE_SWITCHING && !at[a].quiet && !at[a].arriving &&
#ifdef BREAK_QUIESCE
			true ->
#else
			!MAIL_UNDER_WAY(a) ->
		quiesce(a);
#endif
		at[a].quiet = 1 }
	/* a session is open, or nobody can say so */
	:: atomic { at[a].stage == STAGE_SWITCHING && !at[a].quiet && MAY_GO_BACK(a) ->
		change(a, EVENT_SWITCH_BACK);
		check_account(a) }
	:: atomic { at[a].stage == STAGE_SWITCHING && at[a].quiet && !at[a].proved ->
#ifndef BREAK_PROVE
		at[a].copied = at[a].source;
#endif
		at[a].proved = 1 }
	:: atomic { at[a].stage == STAGE_SWITCHING && at[a].proved && !at[a].arriving ->
		at[a].arriving = 1 }
	:: atomic { at[a].stage == STAGE_SWITCHING && at[a].proved && at[a].arriving &&
			!at[a].marked ->
		at[a].marked = 1 }
	:: atomic { at[a].stage == STAGE_SWITCHING && at[a].proved && at[a].marked ->
		at[a].left = 0;
		change(a, EVENT_ARRIVE);
		at[a].arriving = 0;
		forget_switch(a);
		check_account(a) }
	/* something comes between, or the process before this one was killed */
	:: atomic { at[a].arriving && at[a].marked ->
		forget_switch(a);
		at[a].marked = 0 }
	:: atomic { at[a].arriving && !at[a].marked && !at[a].proved ->
		at[a].arriving = 0 }
	:: atomic { at[a].stage == STAGE_DUE || at[a].stage == STAGE_COPYING ||
			at[a].stage == STAGE_CATCHING_UP ||
			(at[a].stage == STAGE_SWITCHING && MAY_GO_BACK(a)) ->
		change(a, EVENT_FAIL);
		forget_copy(a);
		check_account(a) }
	/* a crash; the next one begins where the registry says */
	:: atomic { at[a].quiet -> forget_switch(a) }
	/* left behind on its way back for half a minute, even if somebody is still at it */
	:: atomic { at[a].route == ROUTE_BUSY && at[a].stage == STAGE_DONE ->
		change(a, EVENT_STAY) }
	od
}

/* ---- the admin, who toggles ---- */

inline release(a)
{
	if
	:: SESSION_IS(0, a, SESSION_HERE) -> end_session(0)
	:: else
	fi;
	if
	:: SESSION_IS(1, a, SESSION_HERE) -> end_session(1)
	:: else
	fi;
	open_staged(a)
}

#define MAY_RETURN(a) (at[a].route == ROUTE_BUSY && at[a].stage == STAGE_DONE)

proctype route_command(bit a)
{
	bit ok;

end:	do
	:: atomic { at[a].stage != STAGE_DONE && !at[a].pinned && MAY_GO_BACK(a) ->
		at[a].pinned = 1;
		change(a, EVENT_CANCEL);
		forget_copy(a);
		check_account(a) }
	:: atomic { at[a].pinned -> /* auto, local */
		at[a].pinned = 0;
		if
		:: change(a, EVENT_DUE)
		:: true
		fi }
	:: atomic { at[a].route == ROUTE_LOCAL && !at[a].locked ->
		change(a, EVENT_LEAVE) }
	:: atomic { at[a].route == ROUTE_BUSY && at[a].stage == STAGE_DONE &&
			!at[a].locked && !MAIL_UNDER_WAY(a) ->
		quiesce(a);
		release(a);
		at[a].locked = 1 }
	:: atomic { at[a].locked ->
		if
#ifdef BREAK_CHANGES /* goes back whatever is new here */
		:: MAY_RETURN(a) ->
#else
		:: MAY_RETURN(a) && !at[a].arrived ->
#endif
			change(a, EVENT_RETURN);
			forget_copy(a);
			at[a].pinned = 1;
			at[a].marked = 0;
			at[a].left = 1
		:: else -> change(a, EVENT_STAY)
		fi;
		at[a].locked = 0;
		check_account(a) }
	:: atomic { at[a].locked -> at[a].locked = 0 } /* the command dies */
	od
}

init
{
	atomic {
		run login_handler(0);
		run login_handler(1);
		run smtp_proxy();
		run queues(0);
		run queues(1);
		run transfer_child(0);
		run transfer_child(1);
		run route_command(0);
		run route_command(1)
	}
}
