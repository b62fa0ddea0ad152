/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_STORE_H
#define MAILSTORE_STORE_STORE_H
/*
 * One account = one folder = one process that has it open.
 *
 *   <folder>/lock             flock(2): one opener at a time
 *   <folder>/index.sqlite     mailboxes, messages, expunged UIDs, subscriptions …
 *   <folder>/bodies/NNNN.pack bodies byte for byte, append-only, a new file every 1 GiB
 *
 * (drawn in schema.h and pack.h)
 *
 * A body is written and synced before the index commits the row that points at it, so a
 * crash leaves at most a torn tail that no row points at; the next opener reuses it. A
 * small body that comes alone (APPEND, delivery) may lie in the index instead: one fsync.
 *
 * Everything that changes the index runs between store_begin() and store_commit(); the
 * commit is durable when it returns (bodies: fdatasync; index: WAL, synchronous=FULL).
 * Watchers are called after a commit, once for each mailbox that it touched. Writing a
 * body is no change of the index: it may begin before the transaction that adds it, and
 * several sessions may do so side by side. After an error in a transaction roll it back,
 * unless the error is -ENOENT, -EEXIST or -EINVAL: those left everything as it was.
 *
 * Names of mailboxes are bytes exactly as the source spells them (mUTF-7 or not); only
 * INBOX is compared without case. Functions return 0 or -errno with the sentence in err:
 * -ENOENT no such mailbox or message, -EEXIST, -ENOSPC disk full, -EBUSY locked by
 * another process, -EUCLEAN the index is damaged, -EIO a body is not where its row says
 * (other messages are fine), -EINVAL a change outside a transaction. ret_* that are
 * numbers may be NULL.
 */
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

/* Makes the folder (0700) when `create`, upgrades the index, takes the lock. -ENOENT: no
   such folder. Not to be used on both sides of a fork(). */
int store_open(const char *folder, bool create, struct store **ret, struct error *err);
/* Rolls an open transaction back; NULL is fine. Release all bodies before. */
void store_close(struct store *s);
/* Its close will take no time, if little changes until then: the index's log is written
   back now, and what comes to it stays there for the next opener. */
int store_prepare_close(struct store *s, struct error *err);
/* As it is at this moment, for a look at its rows: without the lock, while its process
   goes on. No body can be read, and nothing changed. */
int store_open_reading(const char *folder, struct store **ret, struct error *err);

/* So many bytes of the disk are left free by bodies that are added from now on: -ENOSPC
   beyond them. Changes of what is there go on. 0, as at first: no reserve. */
void store_set_reserve(struct store *s, uint64_t bytes);

/* ── a folder that somebody copies back ────────────────────────────────────────────── */

enum store_presence {
	STORE_THERE,
	STORE_GONE,        /* another folder is in its place, or none */
	STORE_OVERWRITTEN, /* files in it are others: it cannot be opened again */
};
/* Whether what is open is still what has that name. From the moment on when it is not,
   store_begin() answers -ESTALE, and nothing that is read means anything. */
enum store_presence store_presence(struct store *s);

/* For while nothing happens: memory that only makes it faster goes back. */
void store_give_back(struct store *s);

/* ── whose it is ───────────────────────────────────────────────────────────────────── */

/* The folder says it, so that a registry that is lost or too old is no reason to copy
   over mail that is only here. */
enum store_service {
	STORE_COPYING, /* a copy of what the source has: it may be made equal to it */
	STORE_SERVED,  /* the account lives here; what is here may be nowhere else */
	STORE_LEAVING, /* nothing is new here; as soon as the registry says so it has left
	                */
	STORE_LEFT,    /* it went back to the source: nothing is to come here any more */
	STORE_SERVICE_COUNT
};
const char *store_service_name(enum store_service s);

struct store_identity {
	struct str owner; /* the account's name; "": it was made before this was kept */
	enum store_service service;
	uint64_t served_at; /* since when, wall milliseconds; 0: not served */
	/* of one that is served: where it lives, which may be another server, as the
	   vault has bound it (registry/residence.h); ptr NULL or "": not said */
	struct str residence;
	/* of store_peek(): names that led to it before it was renamed and still do, the
	   last one first */
	const struct str *former;
	size_t n_former;
};
#define FORMER_NAMES_MAX 32 /* more that one account ever has is no use of names */
int store_identity(struct store *s, struct arena *arena, struct store_identity *ret,
	struct error *err);
/* In a transaction. */
int store_set_identity(
	struct store *s, const struct store_identity *identity, struct error *err);
/* In a transaction: it is served from now on, here or where `residence` says. */
int store_take_into_service(
	struct store *s, struct str residence, uint64_t now, struct error *err);
/* In a transaction: it lives where that says. */
int store_set_residence(struct store *s, struct str residence, struct error *err);
/* In a transaction of its own when it is another one. */
int store_set_service(
	struct store *s, enum store_service service, uint64_t now, struct error *err);
/* Its owner has another name; the one before stays one of its former ones, unless it is
   `drop` ("": none), and it has another residence. In a transaction of its own. */
int store_rename(struct store *s, struct str owner, struct str drop, struct str residence,
	struct error *err);
/* What a folder says that another process may have open. */
int store_peek(const char *folder, struct arena *arena, struct store_identity *ret,
	struct error *err);

/* ── transactions ──────────────────────────────────────────────────────────────────── */

/* -EALREADY: one is open. */
int store_begin(struct store *s, struct error *err);
/* For what may be lost, such as what is derived: a power failure may take the commit, and
   nobody waits for the disk. */
int store_begin_derived(struct store *s, struct error *err);
/* With an error everything was rolled back. */
int store_commit(struct store *s, struct error *err);
void store_rollback(struct store *s);

/* ── mailboxes ─────────────────────────────────────────────────────────────────────── */

enum mailbox_attribute { /* bits */
	MAILBOX_NOSELECT = 1 << 0,
	MAILBOX_NOINFERIORS = 1 << 1,
	MAILBOX_NONEXISTENT = 1 << 2,
};

struct mailbox {
	int64_t id;
	struct str name;
	char separator; /* 0: flat (NIL) */
	unsigned attributes;
	struct str special_use; /* "\\Sent" …, "" */
	uint32_t uidvalidity, uidnext;
	uint64_t highestmodseq;
	uint64_t modseq_base; /* expunged UIDs are known from here on (QRESYNC) */
	uint64_t modseq_from; /* those up to it are shown as modseq_base */
	uint64_t source_modseq;
	uint32_t messages, unseen, recent, deleted; /* kept with the row: no counting */
	uint64_t bytes;                             /* of RFC822.SIZE */
};
#define STORE_NAME_MAX 4096 /* bytes; servers end far below, lines of ours far above */

typedef int mailbox_each_fn(void *context, const struct mailbox *m);
/* In byte order of the name, INBOX first. Non-zero from the callback ends and returns. */
int store_each_mailbox(
	struct store *s, mailbox_each_fn *each, void *context, struct error *err);
int store_find_mailbox(struct store *s, struct str name, struct arena *arena,
	struct mailbox *ret, struct error *err);
int store_find_inbox(struct store *s, int64_t *ret_id, struct error *err);
/* All but the strings, which stay as they are in *m. */
int store_mailbox_counts(
	struct store *s, int64_t id, struct mailbox *m, struct error *err);

/* A mailbox as the transfer found it (all fields given), or a new one of the user's
   (uidvalidity 0: a fresh one that was never used in this account). uidnext 0 means 1;
   highestmodseq: ours lies above it; the counters are ignored. */
int store_create_mailbox(
	struct store *s, const struct mailbox *m, int64_t *ret_id, struct error *err);
/* Attributes, separator, special use of an existing one (by id, or by name when the id
   is 0) follow the source. */
int store_update_mailbox(struct store *s, const struct mailbox *m, struct error *err);
/* With all its messages. Its UIDVALIDITY is never given to the name again. */
int store_delete_mailbox(struct store *s, int64_t id, struct error *err);
/* This one only: children are the caller's business (RFC 3501, 6.3.5). It keeps its
   UIDVALIDITY, unless another mailbox of that name had the same once. */
int store_rename_mailbox(struct store *s, int64_t id, struct str name, struct error *err);
/* The source made the mailbox anew: drops all messages, takes the new UIDVALIDITY (0: a
   fresh one); UIDNEXT is 1 again. */
int store_reset_mailbox(
	struct store *s, int64_t id, uint32_t uidvalidity, struct error *err);
/* 1: another mailbox had that name with that UIDVALIDITY once, so that its UIDs meant
   other messages. Of a mailbox by id, or of a name when the id is 0. */
int store_uidvalidity_was_used(struct store *s, const struct mailbox *m,
	uint32_t uidvalidity, struct error *err);
/* UIDNEXT only grows; the source's may be above the last UID. */
int store_raise_uidnext(struct store *s, int64_t id, uint32_t uidnext, struct error *err);

/* Subscriptions are names: they may outlive the mailbox (RFC 3501, 6.3.6). */
int store_subscribe(struct store *s, struct str name, bool subscribed, struct error *err);
bool store_is_subscribed(struct store *s, struct str name);
typedef int name_each_fn(void *context, struct str name);
int store_each_subscription(
	struct store *s, name_each_fn *each, void *context, struct error *err);

/* ── messages ──────────────────────────────────────────────────────────────────────── */

enum message_flag { /* bits; everything else is a keyword */
	FLAG_SEEN = 1 << 0,
	FLAG_ANSWERED = 1 << 1,
	FLAG_FLAGGED = 1 << 2,
	FLAG_DELETED = 1 << 3,
	FLAG_DRAFT = 1 << 4,
	FLAG_RECENT = 1 << 5, /* this server's own bookkeeping: given to store_add() by
	                   who delivers, set on copies, cleared by the first SELECT */
};

/* The source had it in INBOX and did not show it in its maildrop. */
#define STORE_POP3_HIDDEN UINT32_MAX

struct store_message {
	uint32_t uid;
	unsigned flags;
	struct str keywords; /* separated by single spaces, sorted; case kept */
	int64_t date;        /* INTERNALDATE, seconds since 1970 */
	int16_t zone;        /* its zone in minutes east */
	uint64_t size;       /* RFC822.SIZE as the source shows it (may be wrong there) */
	uint64_t body_len;   /* bytes that are really here */
	uint64_t modseq;
	struct str uidl;     /* POP3 unique-id, "" : none known */
	uint32_t pop3_order; /* place in the source's maildrop from 1; 0: by UID after
	                        those */
	int64_t saved;       /* when it came to this mailbox; 0 for store_add(): now */
	uint64_t email;      /* the same for all copies, never used again. The store's */
};

typedef int message_each_fn(void *context, const struct store_message *m);
/* By UID, from..to inclusive (1..UINT32_MAX: all). Strings live until the next row, or
   until the callback writes: it may change and expunge what it is shown. */
int store_each_message(struct store *s, int64_t mailbox, uint32_t from, uint32_t to,
	message_each_fn *each, void *context, struct error *err);
/* All of them, with UID, flags, keywords and modseq alone: a third of the time. */
int store_each_state(struct store *s, int64_t mailbox, message_each_fn *each,
	void *context, struct error *err);
/* Changed since (modseq > since), by UID; and the UIDs expunged since. */
int store_each_changed(struct store *s, int64_t mailbox, uint64_t since,
	message_each_fn *each, void *context, struct error *err);
typedef int uid_each_fn(void *context, uint32_t uid);
int store_each_expunged(struct store *s, int64_t mailbox, uint64_t since,
	uid_each_fn *each, void *context, struct error *err);

/* With \\Recent, in no order. */
int store_each_recent(struct store *s, int64_t mailbox, uid_each_fn *each, void *context,
	struct error *err);

struct store_range {
	uint32_t from, to; /* UIDs */
	unsigned add, take;
	uint32_t n_changed;
};
/* Replaces flags and keywords (a new modseq when they differ; FLAG_RECENT alone is no
   difference, but is replaced with the others: pass it on to keep it). */
int store_set_flags(struct store *s, int64_t mailbox, uint32_t uid, unsigned flags,
	struct str keywords, uint64_t *ret_modseq, struct error *err);
/* Adds and takes flags (not \\Recent) of all messages in from..to. That changes n_changed
   of them, as the caller knows: 1, with one modseq for all. 0: it would be another
   number, and nothing was changed. */
int store_change_range(struct store *s, int64_t mailbox, const struct store_range *range,
	uint64_t *ret_modseq, struct error *err);
/* What that left to be rewritten, so many rows of it, in a transaction of its own. 1: it
   was nothing. Nobody sees a difference, so this can be done at any time. */
int store_rewrite_changed(struct store *s, unsigned rows, struct error *err);
/* SELECT takes \\Recent: cleared on all messages, no new modseq. How many had it. */
int store_take_recent(
	struct store *s, int64_t mailbox, uint32_t *ret_count, struct error *err);
int store_set_uidl(struct store *s, int64_t mailbox, uint32_t uid, struct str uidl,
	uint32_t pop3_order, struct error *err);
int store_expunge(struct store *s, int64_t mailbox, uint32_t uid, struct error *err);
/* The unique-id that POP3 shows of a message that has none of the source. */
#define STORE_UIDL_SIZE 17
void store_make_uidl(
	uint32_t uid, uint32_t uidvalidity, char text[static STORE_UIDL_SIZE]);

/* ── bodies ────────────────────────────────────────────────────────────────────────── */

/* Where a body lies. Opaque to callers: made by a writer, used by store_add(). */
struct body_place {
	uint32_t pack; /* 0: in the row */
	uint64_t offset, len;
	uint32_t checksum; /* of the bytes */
	struct str inline_bytes;
};

/* A body whose length is known before it comes (IMAP literal): the range is reserved,
   so several may be written side by side. Ends with store_body_end() or _abort(). */
struct body_writer {
	uint32_t pack;
	uint64_t offset, len, written;
	uint32_t checksum; /* of what was written */
	int fd; /* the store's, for looking only: small pieces are gathered first */
};
int store_body_begin(
	struct store *s, uint64_t len, struct body_writer *ret, struct error *err);
/* -EOVERFLOW past len. May be large and called often: no copy is kept. After another
   error (-ENOSPC) this writer can only be aborted. */
int store_body_write(
	struct store *s, struct body_writer *w, struct str bytes, struct error *err);
/* -EINVAL when fewer than len came. */
int store_body_end(struct store *s, struct body_writer *w, struct body_place *ret,
	struct error *err);

/* Gives the range back (and the room on the disk): the client went away, disk full. */
void store_body_abort(struct store *s, struct body_writer *w);

#define STORE_INLINE_MAX 65536 /* above, two fsyncs cost less than rewriting pages */
/* A whole small body in the index; the bytes must live until store_add(). */
struct body_place store_body_inline(struct str bytes);

/* Adds a message: m->uid 0 takes UIDNEXT, else that UID (-EEXIST when taken; it may lie
   below UIDNEXT, which rises as needed). m->modseq and m->body_len are ignored. In a
   transaction. A place may be added several times (one delivery, two mailboxes).
   -EOVERFLOW: no UID left. */
int store_add(struct store *s, int64_t mailbox, const struct store_message *m,
	const struct body_place *body, uint32_t *ret_uid, struct error *err);
/* Another row for the same bytes (COPY, MOVE): no body is written twice. Flags, keywords
   and dates go along, the UIDL does not (it names one message). */
int store_copy(struct store *s, int64_t mailbox, uint32_t uid, int64_t to_mailbox,
	uint32_t *ret_uid, struct error *err);

/* A body to read: a view of all of it (mapped, or in memory), valid until
   store_body_release(); fd and offset when it lies in a pack, else fd -1. Its
   checksum is compared at the first reading in this process: -EIO, damaged. */
struct body {
	struct str bytes;
	int fd;
	uint64_t offset;
	void *map;
	size_t map_len;
	void *copy;
	struct pack *pack; /* the store's: kept open for us */
	struct body_place place;
	int64_t checksum; /* -1: none is known, or it was compared already */
};
int store_body(struct store *s, int64_t mailbox, uint32_t uid, struct body *ret,
	struct error *err);
/* The same for who needs no more than its beginning: a large one is not read as a whole
   and hence not compared, unless store_body_check() is called before the rest is used. */
int store_body_head(struct store *s, int64_t mailbox, uint32_t uid, struct body *ret,
	struct error *err);
int store_body_check(struct store *s, struct body *b, struct error *err);
/* The same for who sends it from its file: one in a pack that is longer than read_max is
   compared and not kept in memory. Its bytes.ptr is NULL, bytes.len is its length, until
   store_body_read(), which may be called of any body; with an error it is released. */
int store_body_to_send(struct store *s, int64_t mailbox, uint32_t uid, uint64_t read_max,
	struct body *ret, struct error *err);
int store_body_read(struct body *b);
/* Of such a one: its bytes from `at` on, as many as can be seen at once, for a system
   call that sends them and nobody else (pack_see()). Those of other bodies are not seen
   any more when may_move; else ptr NULL says that they would not be. */
struct str store_body_see(struct body *b, uint64_t at, bool may_move);
void store_body_release(struct body *b);

/* ── staged messages ───────────────────────────────────────────────────────────────── */

/* A delivery in two steps: durable with the commit after store_stage(), in a mailbox only
   after store_deliver(). Whoever opens the store owns no staged message any more, so
   store_open() delivers what it finds to INBOX: whether the sender was told "accepted" is
   not known, and twice is better than lost. (It stays staged while the disk is full.) */
int store_stage(struct store *s, const struct store_message *m,
	const struct body_place *body, int64_t *ret_id, struct error *err);
/* Without flags but \\Recent. -ENOENT: it is not staged (any more). */
int store_deliver(struct store *s, int64_t id, int64_t mailbox, uint32_t *ret_uid,
	struct error *err);
int store_discard(struct store *s, int64_t id, struct error *err); /* -ENOENT */
/* Delivers all to INBOX in a transaction of its own, and says how many. */
int store_settle(struct store *s, uint64_t *ret_count, struct error *err);
/* How many store_open() delivered. */
uint64_t store_settled(const struct store *s);

/* ── what clients note ─────────────────────────────────────────────────────────────── */

/* Entries of a mailbox (0: of the account), names in lower case (RFC 5464). value ptr
   NULL: removes it. The names of entries and mailboxes are the caller's business. */
int store_set_metadata(struct store *s, int64_t mailbox, struct str entry,
	struct str value, struct error *err);
typedef int metadata_each_fn(void *context, struct str entry, struct str value);
int store_each_metadata(struct store *s, int64_t mailbox, metadata_each_fn *each,
	void *context, struct error *err);

/* Of the whole account. */
struct store_counts {
	uint64_t mailboxes, subscriptions, metadata_bytes;
};
int store_counts(struct store *s, struct store_counts *ret, struct error *err);

/* Keywords that FLAGS shows though no message has them. */
int store_add_keyword(
	struct store *s, int64_t mailbox, struct str word, struct error *err);
int store_each_keyword(struct store *s, int64_t mailbox, name_each_fn *each,
	void *context, struct error *err);

/* Of the whole account. */
/* Of messages with \\Deleted in that mailbox. */
int store_deleted_bytes(
	struct store *s, int64_t mailbox, uint64_t *ret_bytes, struct error *err);
int store_usage(
	struct store *s, uint64_t *ret_bytes, uint64_t *ret_messages, struct error *err);

/* ── the rest ──────────────────────────────────────────────────────────────────────── */

/* The transfer's own notes, in the same transaction as what they cover. value "" or
   absent: -ENOENT. */
int store_set_checkpoint(
	struct store *s, struct str name, struct str value, struct error *err);
int store_checkpoint(struct store *s, struct str name, struct arena *arena,
	struct str *ret_value, struct error *err);

/* The transfer's note of store_modseq() when the account was served here from then on. */
#define SWITCH_MODSEQ "switch-modseq"

/* The same before its sessions at the source were held: what changed later may not have
   been told to them. */
#define LIVE_MODSEQ "live-modseq"

/* The highest modseq of the whole account: did anything change since? */
uint64_t store_modseq(struct store *s);
/* The next change lies above modseq: a source's HIGHESTMODSEQ must not go back. -ERANGE
   when it is absurd (RFC 7162 gives 63 bits; changes of centuries must still fit). */
#define STORE_MODSEQ_MAX ((uint64_t)1 << 62)
int store_raise_modseq(struct store *s, uint64_t modseq, struct error *err);

/* The mailbox was compared with the source, whose HIGHESTMODSEQ was that: clients know
   such numbers. Those of the copy itself are shown as it is; when the source's was the
   same and nothing had to be changed the time before, it is proven that this is what a
   client has that knows of it, else all of the mailbox is news to that client (RFC 7162).
   Every later change lies above both. */
int store_base_modseq(struct store *s, int64_t id, uint64_t modseq, struct error *err);
/* As clients are shown it. */
static inline uint64_t mailbox_modseq(const struct mailbox *m, uint64_t modseq)
{
	return modseq > m->modseq_from ? modseq : m->modseq_base;
}

/* Called after each commit for each mailbox it touched (0: the list of mailboxes, or the
   subscriptions). A watcher may unwatch, itself or others, and begin a transaction. */
typedef void store_watch_fn(void *context, int64_t mailbox);
struct store_watch {
	store_watch_fn *changed;
	void *context;
	struct store_watch *next; /* the store's */
};
void store_watch(struct store *s, struct store_watch *w); /* w is the caller's memory */
void store_unwatch(struct store *s, struct store_watch *w);

/* Rows against files: every row's body in range, counters right. 0 or -EUCLEAN with
   what is wrong. For `check` and crash tests. */
int store_verify(struct store *s, struct error *err);

#endif
