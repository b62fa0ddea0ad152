/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MESSAGES_MESSAGE_H
#define MESSAGES_MESSAGE_H
/*
 * What our processes tell each other over SOCK_SEQPACKET (base/ipc.h).
 *
 * One form for all: a fixed head (version, type, two numbers), then length-prefixed
 * fields. A type uses the fields that its comment names; the others are empty. A message
 * that message_decode() refuses comes from a bug when the peer is our own program (exit);
 * on a control socket it costs that client its connection.
 *
 *   worker ──SERVE(fd)──► mailstore master ──SERVE(fd)──► account process
 *          ◄─SERVED, SERVE_END──           ◄─SERVED, SERVE_END──
 *   worker ──STAGE(fd), DELIVER──►  and on to the account process
 *          ◄─STAGED, DELIVERED──
 *   process of a transfer ──SWEEP(fd), MEND(fd)──►  likewise
 *   worker ──REPORTS(SESSION_BEGIN, SESSION_END)──► interceptor master (own socketpair)
 *   anybody ──AWAIT_LOGOFF / QUIESCE / ROUTE_CHANGED / FLOWS / KICK──► interceptor.sock
 *   anybody ──ACCOUNT_DUE, RETURN, AGAIN, LOGGED_IN──► transfer.sock
 *   admission ──LOAD──► interceptor.sock; anybody ──JUDGED──► admission.sock
 *   worker ──CHECK──► vault ──VERDICT(ticket)──► worker ──SERVE(ticket)──► mailstore
 *   scheduler ──LEND(fd)──► vault ──PASSWORD──► process of that account
 */
#include "base/str.h"

#include <stdbool.h>
#include <sys/types.h>

#define MESSAGE_VERSION 1
#define MESSAGE_SMALL_MAX 8192 /* of those without mail in them */

/* What the vault says of a password. */
enum verdict {
	VERDICT_RIGHT,
	VERDICT_WRONG,
	VERDICT_NO_PASSWORD, /* a digest, and nothing here to make one of */
	VERDICT_UNKNOWN,     /* it could not be looked at now */
	VERDICT_COUNT
};

/* How an account's sessions at the source are treated when it switches. */
enum switch_manner {
	SWITCH_LOGGED_OFF, /* only if there is none */
	SWITCH_FORCED,     /* those that cannot change sides are ended (* BYE) */
	SWITCH_LIVE,       /* only if all can change sides; then they do */
	SWITCH_LIVE_ASKED, /* would they? Nothing is done */
	SWITCH_SOON,       /* within seconds: new mail waits, what is there arrives */
	SWITCH_MANNER_COUNT
};

/* A certificate is followed by its key and what else belongs to it. */
enum renewal_file {
	RENEWAL_CERTIFICATE,
	RENEWAL_KEY,
	RENEWAL_STAPLE,
	RENEWAL_FILE_COUNT
};

enum message_type {
	MESSAGE_NONE,

	/* To the mailstore, with the client's socket (1 descriptor): serve this login.
	   account, session, service ("imap"), tag (of the login command), client
	   ("192.0.2.1:40000"), text (the vault's ticket), payload (bytes the client sent
	   after the login command).
	   The account process answers the login itself, under `tag`. number = 1: it is a
	   session that was at the source so far (wire/imap/resumption.h); tag = its IDLE
	   that goes on or "", payload = what its client knows. number = 2, from the master
	   alone: it is one that slept; session, service, payload as in ASLEEP, number2 =
	   when it is due now. */
	MESSAGE_SERVE,
	/* From the mailstore: that session has ended. session, number = bytes from the
	   client, number2 = bytes to it, text = reason. FAILED: its process has died. */
	MESSAGE_SERVE_END,

	/* Worker to interceptor master: a session of a known account now exists / has
	   ended. account, number = enum route. */
	MESSAGE_SESSION_BEGIN,
	MESSAGE_SESSION_END,

	/* To the interceptor: tell me when this account has no session at the source
	   (strategy immediate: held logins do not count). Answered by LOGGED_OFF, at once
	   when that is already so. account. */
	MESSAGE_AWAIT_LOGOFF,
	MESSAGE_LOGGED_OFF,
	/* To the interceptor, after route=busy is committed (LIVE_ASKED, SOON: before):
	   end what this account still has at the source. number = enum switch_manner.
	   Answered by QUIESCED: number = 1 nothing of it is left there, or is held until
	   the route says where it goes on; 0 sessions exist (and were left alone); of
	   SOON it says nothing. account. */
	MESSAGE_QUIESCE,
	MESSAGE_QUIESCED,
	/* To the interceptor, no answer: the registry's route of this account changed;
	   look at once (held logins go in). account. */
	MESSAGE_ROUTE_CHANGED,
	/* To the interceptor: list live flows. Answered by one FLOW each (payload = a
	   JSON object as in the operator contract), then FLOWS_END. */
	MESSAGE_FLOWS,
	MESSAGE_FLOW,
	MESSAGE_FLOWS_END,

	/* To the transfer scheduler, no answer: the registry says this account is due. */
	MESSAGE_ACCOUNT_DUE,

	/* To the mailstore: end this account's process and tell when its folder is free
	   (before a carry-back or a new transfer). account. Answered by RELEASED. */
	MESSAGE_RELEASE,
	MESSAGE_RELEASED,

	/* Any question that could not be served: text = the sentence. */
	MESSAGE_FAILED,

	/* Interceptor master to its workers: the registry's facts about what the source
	   shows on a service are new; and back: they seem to be old. service. */
	MESSAGE_FACTS_CHANGED,

	/* To the mailstore, with the message as a file (1 descriptor, read from its
	   beginning): put it on the disk for this account, in no mailbox yet; number = 1:
	   into INBOX at once. account, session (of this one message for this one account,
	   unique on this host), client, text (envelope sender), tag (recipient), payload
	   (header lines that go before it). number2 = 1: the quota does not hold it back;
	   others get it, too, and would lose it. Answered by STAGED or DELIVERED, or by
	   DELIVERY_FAILED. When its sender disconnects without DELIVER or DISCARD,
	   it is delivered: an SMTP client may have been told that it was accepted. */
	MESSAGE_STAGE,
	MESSAGE_STAGED, /* account, session, number = for DELIVER and DISCARD */
	/* Into INBOX, or the mailbox that payload names, a sub-address, if there is such
	   a one; and it may be said twice. account, session, number. Answered by
	   DELIVERED or DELIVERY_FAILED. */
	MESSAGE_DELIVER,
	MESSAGE_DELIVERED, /* account, session */
	/* Forget it; no answer. account, session, number. */
	MESSAGE_DISCARD,
	/* account, session, text = what the SMTP client is to hear: "452 4.3.1 ...". */
	MESSAGE_DELIVERY_FAILED,

	/* To the transfer scheduler: take this account back to the source, as long as
	   nothing is new here. account. Answered by RETURNED when that is settled; the
	   registry says how. */
	MESSAGE_RETURN,
	MESSAGE_RETURNED,

	/* ---- the vault; who may say what: vault/requests.c ---- */

	/* From the vault, to whoever connects. To a worker: payload = the public key that
	   passwords are closed with (registry/box.h). To the mailstore: number = epoch,
	   payload = key of the tickets (messages/ticket.h). */
	MESSAGE_VAULT_READY,
	/* From a worker: is this what opens the account's mailbox here? number = account,
	   session, service, client; payload = the password, or with text "APOP" or
	   "CRAM-MD5" the digest of it and of the challenge in tag, or with text "BOX" a
	   box that was closed for this session (registry/box.h). Answered by VERDICT.
	 */
	MESSAGE_CHECK,
	MESSAGE_VERDICT, /* session, number = enum verdict, number2 = ms until it is to be
	                    said, payload = a ticket */
	/* From a worker: is the password in this box (payload) one of those that are
	   sealed for the account? number = account, session. Answered by COMPARED. */
	MESSAGE_COMPARE,
	MESSAGE_COMPARED, /* session, number = which one (registry/passwords.h), 0: none
	                   */
	/* From the scheduler, with one end of a socketpair (1 descriptor): lend the
	   account's passwords to the process that holds the other end. number = account.
	   From that process, without a descriptor: those that it was not lent yet;
	   answered by a PASSWORD each, then DONE. */
	MESSAGE_LEND,
	/* number = which one, account, text = login, payload. number 0, which comes once:
	   of the master user by whom the account is copied; tag = whom to act as, "" */
	MESSAGE_PASSWORD,
	/* From that process, of what it was lent: make the verifier / the source took it,
	   so it opens the mailbox from now on. number = which one. Answered by DONE
	   (number2 = 1: it is not kept any more) or FAILED. */
	MESSAGE_PREPARE,
	MESSAGE_PROVED,
	/* From a command: payload is a new password for logins here, number2 = 1: no
	   other opens the mailbox then. number = account. Answered by DONE or FAILED. */
	MESSAGE_SET_PASSWORD,
	/* From a command: the admin says that the source takes that login (account) with
	   that password (payload); what comes of it is the transfer's business. Answered
	   by DONE (number = enum import_outcome, registry/passwords.h) or FAILED.
	   number2 = the account's size there, 0: not known. */
	MESSAGE_IMPORT_PASSWORD,
	/* Likewise: the account is copied by the master user text, whose password is
	   payload; number = 1: text stands behind the user's name in the login. */
	MESSAGE_IMPORT_MASTER,
	MESSAGE_DONE,
	/* Something that the admin should know of (alarms.h). service = kind, account,
	   text, number = how often. A worker or an account process to its master; a
	   master in answer to ALARMS, to be followed by ALARMS_END. */
	MESSAGE_ALARM,
	MESSAGE_ALARMS,
	MESSAGE_ALARMS_END,
	/* From the vault to a worker, behind VAULT_READY: so many IDENTITY follow
	   (number), and take the place of those before. number2 = when (s), payload = the
	   secret that ticket keys begin with (tls/ticket.h). */
	MESSAGE_IDENTITIES,
	/* number = of its key, text = file, payload = chain (PEM), tag = OCSP response or
	   "". */
	MESSAGE_IDENTITY,
	/* From a worker: sign this digest (payload). number = of the question, number2 =
	   key << 16 | TLS scheme. Answered by SIGNED. */
	MESSAGE_SIGN,
	MESSAGE_SIGNED, /* number = of the question, payload = signature; "": refused */
	/* From the mailstore, every few seconds while bytes pass: that session goes on.
	   session, number = bytes from the client so far, number2 = bytes to it. */
	MESSAGE_SERVED,
	/* From a command: the next file (1 descriptor) of the certificates and keys that
	   shall take the place of those there are. number = enum renewal_file, text = its
	   name. No answer. */
	MESSAGE_RENEWAL_FILE,
	/* These were all. Answered by DONE; by FAILED when they do not fit: the old ones
	   stay. */
	MESSAGE_RENEW,

	/* To the interceptor: how many sessions are there? Answered by LOAD_IS: number =
	   connections of all workers, number2 = the most that there may be, text = how
	   many were accepted so far. */
	MESSAGE_LOAD,
	MESSAGE_LOAD_IS,
	/* To the admission: what was judged? Answered by JUDGED_IS, whose payload is a
	   JSON object of numbers and one reason. */
	MESSAGE_JUDGED,
	MESSAGE_JUDGED_IS,

	/* To the mailstore, with a message of the source as a file (1 descriptor): into
	   the mailbox that the source calls `tag` (INBOX, when there is none here),
	   unless it came before. account, session, number = UIDVALIDITY << 32 | UID at
	   the source, number2 = flags, client = INTERNALDATE ("seconds zone", unsigned),
	   text = keywords. Each folder's come in the order of their UIDs, the next one
	   after the answer: DELIVERED or DELIVERY_FAILED. */
	MESSAGE_SWEEP,

	/* To the interceptor: end that session. session = its id, as in FLOW. Answered by
	   KICKED: number = 1: it is on its way out, 0: there is none. For one that is
	   served there the worker says it to the mailstore, with account; no answer. */
	MESSAGE_KICK,
	MESSAGE_KICKED,

	/* From the supervisor to each program that has a socket in run_dir, and from that
	   to its children (watched.h); each answers at once. number = how long the
	   supervisor waits, in milliseconds; of anybody else it is nothing to go by. */
	MESSAGE_PING,
	MESSAGE_PONG,

	/* ---- one generation of a program follows the other (takeover.h) ---- */

	/* To the one that runs: give what the next one needs. Answered by a HANDED each,
	   then TAKEN_OVER; it goes on as before. */
	MESSAGE_TAKE_OVER,
	/* With a descriptor of what text says: "door", the program's own listening socket;
	   "memory", what workers share; "queue", number = which; else a service's
	   listening socket, number = which worker's. */
	MESSAGE_HANDED,
	/* To the one that runs, and on to its workers: take no new sessions, end with the
	   last of those there are. What the follower must know is told first, then
	   TAKEN_OVER; what changes is told later on the same connection. */
	MESSAGE_RETIRE,
	MESSAGE_TAKEN_OVER, /* number, number2: as the program says */
	/* To its follower, or in answer to RETIRED: number = connections that are left
	   with those that have retired, number2 = all that were ever accepted. */
	MESSAGE_RETIRED_IS,
	MESSAGE_RETIRED, /* from a command */
	/* From a mailstore that retires: that account has its process here, and what
	   concerns it is to be told over this descriptor, as to a process. account,
	   number = the process's state, number2 = MESSAGE_TYPE_COUNT as it knows it; 0:
	   it does not know ROOM. */
	MESSAGE_ADOPT,
	/* Over that descriptor. Nothing is left to do, after all that was told so far
	   (number = how many messages); and back: so end it, I send nothing more; and
	   again: there is something now, go on. The same between an account's process
	   whose sessions all wait (IDLE, without a number) and its master. */
	MESSAGE_IDLE,
	MESSAGE_LEAVE,
	MESSAGE_BUSY,
	/* To the interceptor: what was counted? Answered by TALLY_IS, whose payload is a
	   JSON object of numbers; they begin anew with the processes that count. */
	MESSAGE_TALLY,
	MESSAGE_TALLY_IS,

	/* ---- the dashboard's processes (dashboard/dashboard.h) ---- */

	/* From the one that reads what browsers send, or `mailferry metrics http` before
	   it reads a byte: run that command. number = enum
	   question, number2 = of the request, account = its argument or "". */
	MESSAGE_RUN,
	/* It has ended. number = its exit code, number2 = of the request, text = what it
	   said of its failure; with its output as a file (1 descriptor), or none when it
	   was not run. */
	MESSAGE_RAN,

	/* To the mailstore: has this account room for a message? account, session (as of
	   STAGE), number = its bytes, 0: not known. Answered by DELIVERED, or by
	   DELIVERY_FAILED. */
	MESSAGE_ROOM,

	/* To the vault, from a command: that account (number), which is called `account`
	   and lives here, is called `text` from now on; tag = what is no name of it any
	   more, or "" (registry/rename.h). Answered by DONE or FAILED. */
	MESSAGE_RENAME,

	/* To the transfer scheduler, no answer: its user has logged in here. account,
	   client ("192.0.2.1"), service. Nothing without `pop_before_smtp`. */
	MESSAGE_LOGGED_IN,

	/* To the mailstore, with the bytes of a body that is lost here as a file (1
	   descriptor): it is put back, unless it is sound by now, or the message gone.
	   account, session (of this one body, unique on this host), number = mailbox,
	   number2 = UID here. Answered by DELIVERED, or by DELIVERY_FAILED with the
	   sentence, number = 1: because these are other bytes (store/mend.h). */
	MESSAGE_MEND,
	/* To the transfer scheduler: transfer anew what is lost of this account. account.
	   Answered by MENDED when that is settled; the registry says how (mendings.h). */
	MESSAGE_AGAIN,
	MESSAGE_MENDED,
	/* From an account's process that leaves, to its master, with the client's socket
	   (1 descriptor): a session that waits for its client. session, service, payload
	   = what the next process needs to go on, text = the line by which the client is
	   kept alive or "", number = CLOCK_MONOTONIC in ms when that is due, number2 =
	   ms until it is due once more; 0: it is to be woken then. From a mailstore that
	   retires to the one after it: account, too. */
	MESSAGE_ASLEEP,

	/* To the vault: what the account's mail folder is to say of where it lives
	   (registry/residence.h). From the process that moves it, or from a command:
	   number = account. Answered by RESIDENCE_IS (text) or FAILED. */
	MESSAGE_RESIDENCE,
	MESSAGE_RESIDENCE_IS,
	/* From a command: has the vault said this (text) of that account? Answered by
	   DONE; number = 1: yes. */
	MESSAGE_CONFIRM,
	/* Worker to interceptor master: several SESSION_BEGIN and SESSION_END. payload =
	   one behind the other. */
	MESSAGE_REPORTS,

	MESSAGE_TYPE_COUNT
};

struct message {
	enum message_type type;
	uint64_t number, number2;
	struct str account, session, service, tag, client, text;
	struct str payload;
};

const char *message_type_name(enum message_type type);

size_t message_length(const struct message *m); /* of what is encoded */
/* Into bytes[size]; returns the length or -EMSGSIZE. */
ssize_t message_encode(const struct message *m, char *bytes, size_t size);

/* Gives take() the encoded bytes, for the time of the call, and wipes them: one may have
   a password. What take() returns; -EMSGSIZE: more than IPC_MESSAGE_MAX; -ENOMEM. */
typedef int message_take_fn(void *context, struct str bytes);
int message_give(const struct message *m, message_take_fn *take, void *context);

/* Views into `bytes`. 0 or -EBADMSG (cut short, too long, unknown type, other version).
 */
int message_decode(struct str bytes, struct message *ret_message);
/* The same of the first of several; *rest: behind it. */
int message_next(struct str *rest, struct message *ret_message);

#endif
