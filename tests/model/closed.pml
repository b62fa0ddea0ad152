/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Closed stays closed: the kernel's rules while `mailferry up` starts, runs, ends and dies,
 * the host boots, and others take away what is there.
 *
 *   client ──SYN──► table (tproxy, else refuse) ──► wall of ip rules ──► the old mailbox
 *
 * Two accounts move and two clients connect; whose account it is is known only after the
 * login, so what counts is that no SYN gets past us while any account lives here.
 *
 * Taken for granted: nobody takes away table and wall within the moment that a repair
 * takes (a second at the most); an account does not switch in the 100 ms in which the
 * rules follow it (BREAK_FOLLOW shows what that would mean); and at boot `rules install --closed` runs before
 * forwarding begins, where the admin has said so.
 *
 * Each BREAK_* drops one rule of the code, and verify.py wants a counter-example for it.
 */
#define ACCOUNTS 2
#define CLIENTS 2

bit moves[ACCOUNTS]; /* registry_any_local(): from the first copy on */
bit here[ACCOUNTS];  /* EVENT_ARRIVE has been */
bit up = 0, listens = 0;
bit table = 0, closed = 0, wall = 0; /* in the kernel; closed: the table refuses */
bit forwards = 1;
bit past[CLIENTS]; /* a session at the source that we do not see */

#define ANY (moves[0] || moves[1])
#define ANY_HERE (here[0] || here[1])

inline reset_past() /* the forward chain, or the wall, ends what was there */
{
	past[0] = 0;
	past[1] = 0
}

inline install()
{
	table = 1;
	closed = ANY;
	wall = ANY;
	if
	:: closed -> reset_past()
	:: else
	fi
}

proctype client(bit c)
{
end:	do
	/* nobody takes it, and nothing refuses it */
	:: atomic { forwards && !(table && listens) && !(table && closed) && !wall ->
		assert(!ANY_HERE);
		past[c] = 1 }
	:: atomic { past[c] -> past[c] = 0 }
	od
}

proctype account(bit a)
{
end:	do
	:: atomic { !moves[a] && up && listens -> moves[a] = 1 }
#ifdef BREAK_FOLLOW /* the switch does not wait for the rules */
	:: atomic { moves[a] && !here[a] && up -> here[a] = 1;
		assert(!past[0] && !past[1]) }
#else
	:: atomic { moves[a] && !here[a] && up && table && closed && wall -> here[a] = 1;
		assert(!past[0] && !past[1]) }
#endif
	:: atomic { moves[a] && up -> moves[a] = 0; here[a] = 0 } /* failed, or back */
	od
}

proctype supervisor()
{
end:	do
	:: atomic { !up -> /* before anything else can fail */
		up = 1;
		if
		:: ANY -> install()
		:: else
		fi }
	:: atomic { up && !listens -> listens = 1; install() }
	/* the tick and the watch */
	:: atomic { up && listens && (!table || closed != ANY || wall != ANY) -> install() }
	/* the interceptor dies, or the start fails */
	:: atomic { up && listens -> listens = 0 }
	/* the end */
	:: atomic { up ->
		up = 0;
		listens = 0;
		if
#ifdef BREAK_END /* they go with us */
		:: true -> table = 0; closed = 0; wall = 0
#else
		:: !ANY -> table = 0; closed = 0; wall = 0
		:: else -> install()
#endif
		fi }
	:: atomic { up -> up = 0; listens = 0 } /* kill -9 */
	od
}

proctype others()
{
end:	do
	/* nft flush ruleset, a restart of nftables.service; the other stands meanwhile */
#ifdef BREAK_WALL /* there is none */
	:: atomic { table -> table = 0; wall = 0 }
#else
	:: atomic { table && (wall || !ANY) -> table = 0; closed = 0 }
#endif
	:: atomic { wall && table && closed -> wall = 0 } /* ip rule del */
	/* a reboot: nothing is left of the kernel's side, nor of any session */
	:: atomic { forwards ->
		forwards = 0;
		up = 0;
		listens = 0;
		table = 0;
		closed = 0;
		wall = 0;
		reset_past() }
	:: atomic { !forwards ->
#ifndef BREAK_BOOT /* rules install --closed, before forwarding */
		table = 1;
		closed = 1;
		wall = 1;
#endif
		forwards = 1 }
	od
}

init
{
	atomic {
		run client(0);
		run client(1);
		run account(0);
		run account(1);
		run supervisor();
		run others()
	}
}
