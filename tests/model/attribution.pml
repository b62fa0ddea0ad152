/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whose login did the source accept? A client, the interceptor's session, the source that
 * answers what it counts as a command, in order; and the vault, which keeps passwords.
 *
 *   client ──lines──► session ──lines──► source
 *          (ahead)            ◄─answers─
 *                        │
 *                     learns ──► vault: candidates ──transfer's own login──► proved
 *
 * Alice is an honest user, who mistypes at times. Mallory has an account, too, and sends
 * what they want when they want: more lines than were asked for, a command in the place of
 * an exchange line, a login that the source counts as two, another's name beside
 * their own (authzid). (What we know of the latter is spelt anew; the model takes it that
 * some source has a way that we do not know.) Sessions may die at each step.
 *
 * Each BREAK_* drops one rule of the code, and verify.py wants a counter-example for it.
 */
#define CLIENTS 2
#ifndef LINES
#define LINES 3 /* that each client sends */
#endif
#define ALICE 0
#define MALLORY 1

/* What a line says, or would say if it were read as a login. */
#define CLAIMS 4
#define ALICE_RIGHT 0
#define ALICE_WRONG 1 /* with mallory's password */
#define MALLORY_RIGHT 2
#define ALICE_BY_MALLORY 3 /* mallory's password, and alice as the mailbox wanted */
#define NAME(claim) (claim == MALLORY_RIGHT)
#define BY(claim) (claim >= MALLORY_RIGHT)
#define SECRET(claim) (claim != ALICE_RIGHT) /* 0: alice's password, 1: mallory's */
#define IS_RIGHT(claim) (SECRET(claim) == BY(claim))
#define IS_OWN(claim) (NAME(claim) == BY(claim))

mtype:line = { LOGIN, /* complete */
	AUTHENTICATE, /* an exchange begins */
	CONTINUATION, /* a line of it */
	ODD };        /* a login that the source reads as two: nonsense, and mallory's own */
mtype:answer = { OK, NO, CHALLENGE };

chan from_client[CLIENTS] = [2] of { mtype:line, byte };
chan to_source[CLIENTS] = [2] of { mtype:line, byte };
chan from_source[CLIENTS] = [2] of { mtype:answer, byte }; /* and what was judged */

mtype:route = { ROUTE_SOURCE, ROUTE_LOCAL };
mtype:route route = ROUTE_SOURCE; /* alice's; mallory stays at the source */
bit candidate[2]; /* for alice: by whose password; sealed, proves nothing */
bit proved[2];    /* opens alice's mailbox here */

bit closed[CLIENTS];

proctype client(bit c)
{
	byte sent;

end:	do
	:: atomic { c == ALICE && sent < LINES ->
		sent++;
		if
		:: from_client[c] ! LOGIN, ALICE_RIGHT
		:: from_client[c] ! LOGIN, ALICE_WRONG
		:: from_client[c] ! AUTHENTICATE, ALICE_RIGHT
		:: from_client[c] ! CONTINUATION, ALICE_RIGHT
		fi }
	:: atomic { c == MALLORY && sent < LINES ->
		sent++;
		if
		:: from_client[c] ! LOGIN, ALICE_WRONG
		:: from_client[c] ! LOGIN, MALLORY_RIGHT
		:: from_client[c] ! LOGIN, ALICE_BY_MALLORY
		:: from_client[c] ! AUTHENTICATE, ALICE_WRONG
		:: from_client[c] ! CONTINUATION, ALICE_WRONG
		:: from_client[c] ! CONTINUATION, MALLORY_RIGHT
		:: from_client[c] ! ODD, ALICE_WRONG
		fi }
	od
}

/* ---- the source ---- */

inline judge(claim)
{
	if
	:: IS_RIGHT(claim) -> from_source[c] ! OK, claim
	:: else -> from_source[c] ! NO, claim
	fi
}

/* One connection after the other; `asks` is how often it still may in an exchange: some
   want the name and the password apart. */
proctype source(bit c)
{
	bit in_exchange;
	byte claim;

end:	do
	:: atomic { to_source[c] ? LOGIN, claim ->
		if
		:: in_exchange -> from_source[c] ! NO, claim
		:: else -> judge(claim)
		fi;
		in_exchange = 0;
		claim = 0 }
	:: atomic { to_source[c] ? AUTHENTICATE, claim ->
		if
		:: in_exchange -> from_source[c] ! NO, claim; in_exchange = 0
		:: !in_exchange -> from_source[c] ! CHALLENGE, claim; in_exchange = 1
		:: !in_exchange -> from_source[c] ! NO, claim /* not offered */
		fi;
		claim = 0 }
	/* out of an exchange the same bytes are a command */
	:: atomic { to_source[c] ? CONTINUATION, claim ->
		if
		:: in_exchange -> from_source[c] ! CHALLENGE, claim
		:: true -> judge(claim); in_exchange = 0
		fi;
		claim = 0 }
	:: atomic { to_source[c] ? ODD, claim ->
		from_source[c] ! NO, claim;
		from_source[c] ! OK, MALLORY_RIGHT;
		in_exchange = 0;
		claim = 0 }
	:: atomic { closed[c] -> /* the session has closed it: a new one begins */
		closed[c] = 0;
		in_exchange = 0 }
	od
}

/* ---- the session ---- */

mtype:session = { SESSION_READY, SESSION_ASKED, SESSION_STARTED, SESSION_CHALLENGED,
	SESSION_IN, SESSION_HERE, SESSION_GONE };

inline close_source()
{
	do
	:: to_source[c] ? _, _
	:: from_source[c] ? _, _
	:: empty(to_source[c]) && empty(from_source[c]) -> break
	od;
	closed[c] = 1
}

inline over()
{
	close_source();
	do
	:: from_client[c] ? _, _
	:: empty(from_client[c]) -> break
	od;
	state = SESSION_GONE;
	booked = 0
}

/* Here only the vault decides, by what it has proved. */
inline enter_here()
{
	if
#ifdef BREAK_WORD /* the source has just said that it is right */
	:: true ->
#else
	:: IS_OWN(booked) && proved[SECRET(booked)] ->
#endif
		assert(booked == ALICE_RIGHT); /* nobody else opens alice's mailbox here */
		over();
		state = SESSION_HERE
	:: else -> over()
	fi
}

/* Sealed only after the source accepted those very bytes for that very name. */
inline learn()
{
	if
#ifdef BREAK_AUTHZID /* whoever proved it */
	:: NAME(booked) == ALICE ->
#else
	:: NAME(booked) == ALICE && IS_OWN(booked) ->
#endif
		assert(SECRET(booked) == ALICE);
		candidate[SECRET(booked)] = 1
	:: else
	fi
}

inline accepted()
{
	/* an OK belongs to the bytes that were sent for that attempt */
	assert(claim == booked);
	learn();
	if
	:: NAME(booked) == ALICE && route == ROUTE_LOCAL -> enter_here()
	:: else -> over(); state = SESSION_IN
	fi
}

inline refused()
{
#ifndef BREAK_REUSE
	close_source();
#endif
	booked = 0;
	state = SESSION_READY
}

inline attempt(kind)
{
	booked = claim;
	if
	:: kind != AUTHENTICATE && NAME(claim) == ALICE && route == ROUTE_LOCAL ->
		close_source();
		enter_here()
	:: else ->
		to_source[c] ! kind, claim;
		if
		:: kind == AUTHENTICATE -> state = SESSION_STARTED
		:: else -> state = SESSION_ASKED
		fi
	fi
}

proctype login_session(bit c)
{
	mtype:session state = SESSION_READY;
	byte claim, booked;

end:	do
	/* a question at a time; `!closed`: connected anew when it must be */
	:: atomic { state == SESSION_READY && !closed[c] && from_client[c] ? [LOGIN, claim] ->
		from_client[c] ? LOGIN, claim;
		attempt(LOGIN);
		claim = 0 }
	:: atomic { state == SESSION_READY && !closed[c] && from_client[c] ? [ODD, claim] ->
		from_client[c] ? ODD, claim;
		attempt(ODD);
		claim = 0 }
	:: atomic { state == SESSION_READY && !closed[c] &&
			from_client[c] ? [AUTHENTICATE, claim] ->
		from_client[c] ? AUTHENTICATE, claim;
		attempt(AUTHENTICATE);
		claim = 0 }
	:: atomic { state == SESSION_READY && from_client[c] ? [CONTINUATION, claim] ->
		from_client[c] ? CONTINUATION, claim; /* BAD */
		claim = 0 }
	/* one line for each challenge, whatever it is */
	:: atomic { state == SESSION_CHALLENGED && nempty(from_client[c]) ->
		if
		:: from_client[c] ? CONTINUATION, claim -> booked = claim
		:: from_client[c] ? LOGIN, claim -> booked = claim
		:: from_client[c] ? ODD, claim -> booked = claim
		:: from_client[c] ? AUTHENTICATE, claim -> booked = claim
		fi;
		to_source[c] ! CONTINUATION, claim;
		claim = 0;
		state = SESSION_STARTED }
#ifdef BREAK_EXCHANGE /* what comes ahead is passed on */
	:: atomic { state == SESSION_STARTED && from_client[c] ? [CONTINUATION, claim] &&
			nfull(to_source[c]) ->
		from_client[c] ? CONTINUATION, claim;
		booked = claim;
		to_source[c] ! CONTINUATION, claim;
		claim = 0 }
#endif
	:: atomic { (state == SESSION_ASKED || state == SESSION_STARTED) &&
			nempty(from_source[c]) ->
		if
		:: from_source[c] ? OK, claim -> accepted()
		:: from_source[c] ? NO, claim -> refused()
		:: from_source[c] ? CHALLENGE, claim ->
			if
			:: state == SESSION_STARTED -> state = SESSION_CHALLENGED
			:: else -> over()
			fi
		fi;
		claim = 0 }
	/* an answer that nobody asked for ends both sides */
	:: atomic { (state == SESSION_READY || state == SESSION_CHALLENGED) &&
			nempty(from_source[c]) -> over() }
	:: atomic { state != SESSION_GONE -> over() } /* it dies, at any step */
	od
}

/* ---- what is kept ---- */

inline keep(by)
{
	proved[by] = 1;
	assert(by == ALICE) /* no password is kept that was not proved */
}

/* The transfer's own login, with those bytes. */
inline prove(by)
{
	if
#ifdef BREAK_PROOF /* what was seen is enough */
	:: true -> keep(by)
#endif
	:: by == ALICE -> keep(by)
	:: by != ALICE -> candidate[by] = 0
	fi
}

proctype vault()
{
end:	do
	/* SMTP AUTH, or an app password of another service: the source's word there is about
	   something else */
	:: atomic { !candidate[MALLORY] -> candidate[MALLORY] = 1 }
	:: atomic { candidate[ALICE] && !proved[ALICE] -> prove(ALICE) }
	:: atomic { candidate[MALLORY] && !proved[MALLORY] -> prove(MALLORY) }
	:: atomic { route == ROUTE_SOURCE && proved[ALICE] -> route = ROUTE_LOCAL }
	:: atomic { route == ROUTE_LOCAL -> route = ROUTE_SOURCE } /* the way back */
	od
}

init
{
	atomic {
		run client(0);
		run client(1);
		run source(0);
		run source(1);
		run login_session(0);
		run login_session(1);
		run vault()
	}
}
