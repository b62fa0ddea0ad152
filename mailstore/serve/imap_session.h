/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_IMAP_SESSION_H
#define MAILSTORE_SERVE_IMAP_SESSION_H
/*
 * What the files of the IMAP server share. Inside mailstore/serve only.
 *
 *   imap.c            open, run, close: one phase, one function
 *   imap_commands.c   the table of commands, and who may be called when
 *   imap_reply.c      tagged and untagged answers, response codes for errors
 *   imap_hibernate.c  a session that waits, as bytes
 *   view.c            the selected mailbox as the client knows it
 *   cmd_*.c           the commands, one file a family
 */
#include "mailstore/serve/service.h"
#include "mailstore/serve/view.h"
#include "wire/imap/cursor.h"
#include "wire/imap/frame.h"
#include "wire/imap/resumption.h"

#define IMAP_LINE_MAX 65536 /* sets of thousands of UIDs; Dovecot's limit */
#define IMAP_COMMAND_MAX                                                                 \
	262144          /* with the literals that belong to it (names, search)           \
	                 */
#define IMAP_BAD_MAX 20 /* in a row; then it is no IMAP client. Dovecot's limit */

enum imap_state { IMAP_AUTHENTICATED, IMAP_SELECTED, IMAP_LOGGED_OUT, IMAP_STATE_COUNT };
#define IMAP_IN(state) (1u << (state))
#define IMAP_ANY_STATE (IMAP_IN(IMAP_AUTHENTICATED) | IMAP_IN(IMAP_SELECTED))

enum imap_phase {
	IMAP_PHASE_COMMAND, /* reading one */
	IMAP_PHASE_MESSAGE, /* a message of APPEND passes through */
	IMAP_PHASE_APPEND,  /* what follows it */
	IMAP_PHASE_IDLE,
	IMAP_PHASE_JOB,     /* a command that works piece by piece */
	IMAP_PHASE_DEFLATE, /* what comes next is compressed */
	IMAP_PHASE_END,
	IMAP_PHASE_COUNT
};

struct imap;

enum imap_command_flag {        /* bits */
	IMAP_UID_FORM = 1 << 0, /* "UID name" exists as well */
	/* Its answers or arguments are sequence numbers: nobody may be told of an EXPUNGE
	   before it is answered (RFC 3501, 7.4.1). The UID form may. */
	IMAP_KEEPS_NUMBERS = 1 << 1,
	IMAP_WRITES = 1 << 2, /* in the selected mailbox: not after EXAMINE */
	/* Without UID it names messages by their sequence numbers: not after ENABLE
	   UIDONLY (RFC 9586). */
	IMAP_NAMES_NUMBERS = 1 << 3,
};

enum imap_enabled { /* bits: what the client asked for (RFC 5161) */
	IMAP_CONDSTORE = 1 << 0,
	IMAP_QRESYNC = 1 << 1,
	IMAP_REV2 = 1 << 2,
	IMAP_UTF8 = 1 << 3,
	IMAP_UIDONLY = 1 << 4,
};

struct imap_command {
	struct str name;
	unsigned allowed; /* IMAP_IN(...) */
	unsigned flags;
	/* args: what follows the name. Ends with imap_done() or one of its kin, or has
	   set another phase. */
	void (*handle)(struct imap *s, struct imap_cursor *args);
};

/* Work in pieces. step() ends with imap_done(), or answers what it waits for. end() frees
   data, also when the session breaks off. */
struct imap_job {
	enum service_need (*step)(struct imap *s);
	void (*end)(struct imap *s);
	void *data;
};

struct append;
struct search_context;
struct notify;

struct imap {
	struct session *session;
	struct serve *serve;
	enum imap_state state;
	enum imap_phase phase;
	struct imap_framer framer;
	struct arena arena; /* of the command at work */
	struct str tag;
	const struct imap_command *command;
	bool uid;         /* its UID form */
	unsigned enabled; /* enum imap_enabled */
	struct view view;
	struct search_context *contexts; /* notify.h */
	struct notify *notify;           /* NULL: NOTIFY was not used */
	struct imap_range *saved;        /* "$": UIDs (RFC 5182); owned */
	size_t n_saved;
	struct store_watch watch;
	bool awake; /* the owner was told */
	struct imap_job job;
	struct append *append;
	unsigned bad;
};

static inline struct buf *imap_out(struct imap *s)
{
	return &s->session->out.text;
}

/* imap.c: a new session's state; NULL: no memory. */
struct imap *imap_make(struct session *session);
/* It goes on in the IDLE that had this tag. 0 or -ENOMEM. */
int imap_idle_again(struct imap *s, struct str tag);

/* imap_hibernate.c: see service.h */
int imap_hibernate(struct session *session, struct buf *out);
int imap_wake(struct session *session, struct str known);

/* imap_commands.c */
/* NULL: it is not served. */
const struct imap_command *imap_command_of(struct str name);
void imap_dispatch(struct imap *s, struct str command);
/* "IMAP4rev1 …" */
int imap_put_capabilities(const struct imap *s, struct buf *out);

/* cmd_enable.c */
/* A command of RFC 7162 does what ENABLE CONDSTORE does. */
void imap_enable_condstore(struct imap *s);
/* All of the words, which a server has enabled already; false: one is not known. */
bool imap_enable_words(struct imap *s, struct str words);

/* imap_reply.c. Text may begin with a response code. Memory that is missing ends the
   session. */
enum imap_status { IMAP_OK, IMAP_NO, IMAP_BAD };
void imap_done(struct imap *s, enum imap_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void imap_bad_arguments(struct imap *s);
/* The tagged answer is written: on to the next command. */
void imap_answered(struct imap *s);
/* NO with the code that fits what the store says; the admin hears what the client need
   not know. */
void imap_failed(struct imap *s, const struct error *err);
/* The text of that answer. */
const char *imap_failure(struct imap *s, const struct error *err);
/* "+ OK": the client may send its literal. */
void imap_say_go_on(struct imap *s);
/* "* …CRLF" */
void imap_say(struct imap *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* What a buf_ function returned while an answer was written. */
void imap_wrote(struct imap *s, int result);
void imap_bye(struct imap *s, const char *text);
/* True when there is nothing left; else answers BAD. */
bool imap_no_more(struct imap *s, const struct imap_cursor *args);

/* Runs between store_begin() and store_commit(): 0, or the answer is given. */
int imap_transaction(
	struct imap *s, int (*change)(void *context, struct error *err), void *context);
/* The same, and the answer is the caller's. */
int imap_change(struct imap *s, int (*change)(void *context, struct error *err),
	void *context, struct error *err);

/* What changes many messages does so in transactions of so many, or of as many as take so
   long: the account's other sessions have their turn in between. */
#define IMAP_PIECE_MESSAGES 1000
#define IMAP_PIECE_MS 8
/* One of a job: imap_change(), after the client was told what others have changed in its
   mailbox meanwhile. -ESHUTDOWN: the session ends. Another -errno is to be answered. */
int imap_piece(struct imap *s, int (*change)(void *context, struct error *err),
	void *context, struct error *err);
struct imap_piece {
	uint64_t began; /* 0: not yet */
	unsigned count;
};
/* Whether the next message is for the next piece. */
bool imap_piece_is_full(struct imap_piece *p);

/* notify.c; see notify.h */
/* A commit touched that mailbox (0: the list). True: there may be something to say. */
bool notify_changed(struct imap *s, int64_t mailbox);
/* Tells what is to be told between two commands. */
void notify_tell(struct imap *s);
void notify_end(struct imap *s); /* may be called twice */

/* imap_name.c */
/* A mailbox's name, as the store has it. */
bool imap_mailbox(struct imap *s, struct imap_cursor *c, struct str *ret);
bool imap_name_from_client(struct imap *s, struct str *name);
/* As the client has it. */
int imap_put_mailbox(struct imap *s, struct str name);
/* It exists, or the answer is given: missing is "TRYCREATE" or "NONEXISTENT". */
bool imap_find_name(
	struct imap *s, struct str name, const char *missing, struct mailbox *ret);
/* The same for one that can be opened. */
bool imap_find_mailbox(
	struct imap *s, struct str name, const char *missing, struct mailbox *ret);

/* cmd_select.c */
void imap_unselect(struct imap *s);
/* As the client knows the mailbox that it has selected at the source; the difference is
   told as any change is. false: it cannot be that mailbox. */
bool imap_select_again(struct imap *s, const struct resumption *r);
/* Tells what happened in the selected mailbox meanwhile. */
void imap_sync(struct imap *s, bool expunges);

/* imap_set.c */
/* Begins the walk over what the command names: numbers, UIDs, or "$". */
bool imap_walk(struct imap *s, struct imap_set set, struct view_walk *ret);
/* Makes a set of UIDs ready for imap_set_has(), "$" too. false: no memory. */
bool imap_resolve_uids(struct imap *s, struct arena *arena, struct imap_set *set);
/* "$" is from now on what the writer's text says ("": nothing). */
void imap_save_result(struct imap *s, struct str uids);

/* Of one message, and of all words of a mailbox that a client may add to: FLAGS shows
   them with each SELECT, and one command gives them to all messages. What comes from a
   source may be more. */
#define IMAP_KEYWORDS_LENGTH_MAX 4096
#define IMAP_MAILBOX_KEYWORDS_MAX 65536

/* cmd_store.c */
/* What a client may invent: system flags that RFC 3501 does not name are not theirs. */
bool imap_may_be_keyword(struct str word);

/* cmd_copy.c */
/* "[HIGHESTMODSEQ n] " for the tagged answer to what has removed messages (RFC 7162,
   3.2.7; RFC 6851, 4.4; RFC 8508, 4.1), when all of it is told; "" without QRESYNC. */
#define IMAP_HIGHEST_MAX 48
void imap_highest_code(struct imap *s, char ret[static IMAP_HIGHEST_MAX]);

/* cmd_append.c */
/* Whether that line is an APPEND up to a message's literal: then it is under way. */
bool imap_append_begin(
	struct imap *s, struct str line, const struct imap_literal *literal);
enum service_need imap_append_data(struct imap *s);
enum service_need imap_append_line(struct imap *s);
void imap_append_end(struct imap *s);

#endif
