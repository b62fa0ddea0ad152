/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_PROXY_PARTS_H
#define WIRE_SMTP_PROXY_PARTS_H
/*
 * What the files of the SMTP proxy share:
 *
 *   proxy.c          the table of states, the order of things in one step
 *   proxy_pipeline.c slots, replies of the source, answers in its place
 *   proxy_transaction.c  sender and recipients
 *   proxy_command.c  commands of the client
 *   proxy_auth.c     AUTH
 *   proxy_tls.c      STARTTLS
 *   proxy_relay.c    the smart host's beginning
 *   proxy_policy.c   questions that the source is spared
 *   proxy_message.c  DATA and the message
 *   proxy_chunk.c    BDAT
 */
#include "wire/smtp/proxy.h"

/* proxy.c */
void proxy_close(struct smtp_proxy *p); /* after what is written by now */
/* A buffer that is full means a peer that does not read: the end. */
void proxy_say(struct smtp_proxy *p, struct str bytes);
void proxy_say_line(struct smtp_proxy *p, const char *text);
/* A line without its end; nothing when the source is gone. */
void proxy_tell_source(struct smtp_proxy *p, struct str line);
/* The same, and its answer is not the client's. */
void proxy_tell_source_hidden(struct smtp_proxy *p, struct str line);
bool proxy_has_source(const struct smtp_proxy *p);
/* Its connection is closed in the middle: there may be no other way to undo a message. */
void proxy_drop_source(struct smtp_proxy *p);
/* It says what cannot be understood: the client goes on without it. */
enum smtp_proxy_action proxy_give_up_source(struct smtp_proxy *p);
void proxy_abort_copy(struct smtp_proxy *p);

/* proxy_transaction.c */
void proxy_transaction_init(struct smtp_transaction *t);
bool proxy_has_sender(const struct smtp_transaction *t);
/* A copy in the transaction's arena; false: too much. */
bool proxy_keep(struct smtp_transaction *t, struct str s, struct str *ret);
struct smtp_recipient *proxy_keep_recipient(
	struct smtp_transaction *t, struct str line, const struct smtp_path *path);
void proxy_add_recipient(struct smtp_recipient_list *list, struct smtp_recipient *r);
/* Whether its sender has asked for it, and will get it. */
bool proxy_is_to_be_reported(const struct smtp_proxy *p, const struct smtp_recipient *r);
void proxy_add_reported(struct smtp_transaction *t, struct smtp_recipient *r);
void proxy_forget_transaction(struct smtp_proxy *p);

/* proxy_pipeline.c */
/* Answers behind all that is not answered yet; text: without CRLF. */
void proxy_answer(struct smtp_proxy *p, const char *text);
struct smtp_slot *proxy_push(struct smtp_proxy *p); /* room was looked for before */
/* All answers at the front of the queue that need nobody else. */
void proxy_drain(struct smtp_proxy *p);
enum smtp_proxy_action proxy_slot_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply);
/* In the transaction's memory as long as it lasts; a second MAIL is never accepted. */
void proxy_mail_accepted(struct smtp_proxy *p, const struct smtp_slot *slot);
/* What the source says of itself. */
void proxy_note_hello(struct smtp_proxy *p, const struct smtp_reply *reply);

/* What a state does with bytes of the client, a reply that belongs to no slot, and the
   end of a peer. */
typedef enum smtp_proxy_action proxy_bytes_fn(
	struct smtp_proxy *p, struct smtp_proxy_io *io);
typedef enum smtp_proxy_action proxy_reply_fn(
	struct smtp_proxy *p, const struct smtp_reply *reply);
typedef void proxy_done_fn(struct smtp_proxy *p, struct str refusal);
typedef void proxy_lost_fn(struct smtp_proxy *p);

/* proxy_tls.c */
/* What there is for this client now. */
enum smtp_tls proxy_tls(const struct smtp_proxy *p);
enum smtp_proxy_action proxy_starttls(struct smtp_proxy *p, struct str line);
proxy_reply_fn proxy_tls_reply;
proxy_lost_fn proxy_tls_lost;

/* proxy_relay.c */
/* Behind a login that counts here alone. */
void proxy_wants_relay(struct smtp_proxy *p);
bool proxy_is_lmtp(const struct smtp_proxy *p);
/* What it takes is the last that anybody hears of it. */
bool proxy_relay_is_silent(const struct smtp_proxy *p);
/* The client's HELO or EHLO, to one that speaks LMTP. */
void proxy_tell_hello(struct smtp_proxy *p, struct str args);
/* A smart host that is not ready to be told anything. */
bool proxy_awaits_relay(const struct smtp_proxy *p);
/* A line of MAIL or RCPT, to the source or a smart host. */
void proxy_tell_envelope(struct smtp_proxy *p, struct str line);
proxy_reply_fn proxy_relay_reply;

/* proxy_policy.c */
/* The source's answer counts for those who come later: that to RCPT, and, where it is not
   asked about recipients here, that to MAIL. */
bool proxy_may_remember(const struct smtp_proxy *p);
bool proxy_may_remember_sender(const struct smtp_proxy *p);
/* Whether the source may hear of this MAIL later, or never. */
bool proxy_may_hold_mail(const struct smtp_proxy *p, struct str params);
/* It has not heard of this transaction; it has, too late, and refused it. */
bool proxy_is_untold(const struct smtp_proxy *p);
bool proxy_is_refused(const struct smtp_proxy *p);
/* Such a MAIL is on its way. */
bool proxy_tells_late(const struct smtp_proxy *p);
/* It has a part of its message, and no RSET is on its way. */
bool proxy_is_in_chunks(const struct smtp_proxy *p);
/* It knows of recipients that it was asked about, or will say so of some, and of none of
   its own. */
bool proxy_is_only_asked(const struct smtp_proxy *p);
/* Its transaction is taken back, and MAIL may be told again. */
void proxy_take_back(struct smtp_proxy *p);
/* Before a recipient that it must hear of. */
void proxy_tell_held_mail(struct smtp_proxy *p);
proxy_reply_fn proxy_late_mail_reply, proxy_renewal_reply;
/* Unless it knows of no transaction. */
void proxy_reset_source(struct smtp_proxy *p);
/* The client's RSET concerns nothing at the source. */
bool proxy_reset_is_ours(const struct smtp_proxy *p);
bool proxy_wants_renewal(const struct smtp_proxy *p);
/* A source that had nothing to do for us, and so has lost its patience. */
bool proxy_may_reopen(const struct smtp_proxy *p);

/* proxy_command.c */
/* Whether the source is the only one to deliver anything in this session. */
bool proxy_is_sources_alone(const struct smtp_proxy *p);
proxy_bytes_fn proxy_command, proxy_skip_line, proxy_start_over;

/* proxy_auth.c */
/* With its passwords. */
void proxy_forget_login(struct smtp_proxy *p);
enum smtp_proxy_action proxy_auth_begin(struct smtp_proxy *p, struct str args);
proxy_bytes_fn proxy_auth_line;
proxy_reply_fn proxy_auth_reply;
proxy_lost_fn proxy_login_lost, proxy_line_lost;

/* proxy_message.c */
/* Nothing of the message stays anywhere; what still comes of it is thrown away. At its
   end the client gets `reply`, unless it is empty. */
void proxy_refuse_message(struct smtp_proxy *p, struct str reply);
void proxy_refuse_message_with(struct smtp_proxy *p, struct str line);
enum smtp_proxy_action proxy_data_begin(struct smtp_proxy *p, struct str args);
/* Why there can be no message now, without CRLF; NULL: there can. */
const char *proxy_no_message(const struct smtp_proxy *p);
enum smtp_proxy_action proxy_message_begin(struct smtp_proxy *p, enum smtp_form form);
bool proxy_is_for_source(const struct smtp_message *m);
/* Bytes for those who live here. */
enum smtp_proxy_action proxy_stage_piece(struct smtp_proxy *p, struct str text);
enum smtp_proxy_action proxy_message_end(struct smtp_proxy *p);
/* The transaction is over, however it went. */
void proxy_message_finish(struct smtp_proxy *p);
proxy_bytes_fn proxy_data, proxy_discard;
proxy_reply_fn proxy_repeat_reply, proxy_data_reply, proxy_data_interrupted,
	proxy_final_reply;
proxy_done_fn proxy_staging_done, proxy_write_failed, proxy_ending_done,
	proxy_committing_done;
proxy_lost_fn proxy_data_lost, proxy_reply_lost; /* the source */
proxy_lost_fn proxy_message_left;                /* the client */

/* proxy_chunk.c */
/* The line of BDAT was taken; p->chunk bytes follow it. */
enum smtp_proxy_action proxy_chunk_begin(struct smtp_proxy *p, bool is_last);
/* Before its bytes, to a source that takes chunks. */
void proxy_tell_chunk(struct smtp_proxy *p);
/* In the place of the final dot. */
void proxy_tell_last_chunk(struct smtp_proxy *p);
/* What is left of it is for nobody; then p->message.reply. */
void proxy_skip_chunk(struct smtp_proxy *p);
/* Between two: the client wants no more of it. */
void proxy_leave_chunks(struct smtp_proxy *p);
proxy_bytes_fn proxy_relayed_chunk, proxy_skipped_chunk, proxy_chunk;
proxy_reply_fn proxy_chunk_reply;
proxy_lost_fn proxy_chunk_lost;

#endif
