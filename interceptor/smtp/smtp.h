/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SMTP_SMTP_H
#define INTERCEPTOR_SMTP_SMTP_H
/*
 * An SMTP session: the sans-I/O machine of wire/smtp/proxy.h between client and source,
 * for the whole session.
 *
 *   handler.c    the session's handler
 *   actions.c    what the proxy asks for: whose a recipient is, staging
 *   deliver.c    the end of a message: content filters, the mailstore
 *   report.c     the report of a delivery that its sender has asked for
 *   policy.c     what the source has said of a sender before
 *   login.c      AUTH
 *   starttls.c   STARTTLS: whether, and for which names it ends here
 *   quiesce.c    transactions of an account that switches
 *
 * with recipient.h (an address's account) and staging.h (a message for users here). For
 * the worker: recently_relayed.h, recipient_counts.h and shared/source_answers.h.
 */
#include "interceptor/protocols/protocol.h"
#include "interceptor/session/session.h"
#include "interceptor/smtp/filter.h"
#include "interceptor/smtp/recipient.h"
#include "interceptor/smtp/staging.h"
#include "wire/smtp/address.h"
#include "wire/smtp/proxy.h"
#include "wire/tls/hello.h"

#define SMTP_REFUSAL_MAX 256  /* a reply line of ours */
#define SMTP_MECHANISM_MAX 64 /* RFC 4422 has 20 */

/* A recipient that the source is asked for. */
struct smtp_at_source {
	struct smtp_at_source *next;
	struct str local, domain; /* both "": it may be anybody */
	struct str account;       /* "": none was known of that address */
};

struct smtp_session {
	struct smtp_proxy proxy;
	struct smtp_offer offer;
	char name[PROTOCOL_NAME_MAX];
	struct str ehlo_secure;      /* that the source shows inside TLS */
	struct staging *staging;     /* NULL: none */
	struct staging *room;        /* the recipient's mailbox is asked for it */
	struct account_route routed; /* that one's, or the one it waits for */
	bool is_held;                /* the recipient: its account is about to switch */
	struct filter *filter;       /* before it is sent; NULL: none */
	const struct smtp_recipient *added; /* by it, and asked for room */
	struct smtp_report *report;         /* when it is delivered; NULL: none */
	char refusal[SMTP_REFUSAL_MAX];     /* until the proxy has said it */
	struct tls_hello_reader hello;      /* behind STARTTLS */
	size_t hello_seen;                  /* bytes of from_client */
	const char *tls_name; /* that the client asks for; NULL: not known */
	bool is_checking;     /* the vault looks at a password */
	bool is_to_wipe;      /* one is in the buffers, or was */
	bool is_kicked;       /* it ends behind the message that is being decided */
	bool must_end; /* an account switches: the deadline is not put off any more */
	/* of this transaction */
	struct arena arena;
	struct smtp_at_source *at_source;
};

static inline struct smtp_session *smtp_of(const struct session *s)
{
	return s->memory->state;
}

/* handler.c */
extern const struct handler smtp_handler;
void smtp_say_bye(struct session *s, enum close_reason why);
/* Nobody lives here, and no account is moving. */
bool smtp_is_nobody_here(struct session *s);

/* actions.c */
/* IP address of the client as text. */
struct str smtp_client_address(
	const struct session *s, char text[static INET6_ADDRSTRLEN]);
/* Whose that address is; ptr NULL: of nobody who lives here. */
struct str smtp_account_here(struct session *s, struct str address, struct arena *arena);
struct recipient_names smtp_names(const struct session *s);
void smtp_route_recipient(struct session *s);
/* One that is held (session/mail_hold.h), once more. */
void smtp_route_held(struct session *s);
/* Whether the mailbox has room for that many bytes (0: not known): answered() is called,
   later. false: it cannot be asked. */
bool smtp_ask_for_room(struct session *s, const struct smtp_recipient *to,
	bool is_elsewhere, uint64_t size, staging_fn *answered);
void smtp_forget_room(struct session *s);
void smtp_count_recipient(struct session *s);

/* deliver.c */
void smtp_stage_begin(struct session *s);
void smtp_stage_bytes(struct session *s);
void smtp_stage_end(struct session *s);
/* Of a message that a smart host alone has taken, only the report. */
void smtp_commit(struct session *s);
/* Our Received line, before a message that is for the smart host. */
void smtp_trace_relayed(struct session *s);
void smtp_abort(struct session *s);

/* report.c */
/* Of the message that is about to be given to the mailstore for these, or also to a smart
   host that reports nothing. */
void smtp_report_make(
	struct session *s, struct str sender, const struct smtp_recipient *first);
/* It is delivered, and its client has not heard of it yet. */
void smtp_report_add(struct session *s);
void smtp_report_forget(struct session *s);

/* policy.c */
/* Of the recipient that is being routed. */
bool smtp_source_is_known_to_agree(struct session *s);
void smtp_recall_sender(struct session *s);
void smtp_remember_answer(struct session *s);
void smtp_forget_sender(struct session *s);
void smtp_renew_source(struct session *s);

/* login.c */
void smtp_check_login(struct session *s);
void smtp_forget_check(struct session *s);
void smtp_authenticated(struct session *s);
void smtp_login_refused(struct session *s); /* by the source */
void smtp_connect_relay(struct session *s);

/* starttls.c */
enum smtp_tls smtp_tls_of(struct session *s);
/* Whether we speak TLS to it whatever the client does. */
bool smtp_is_source_secure(const struct session *s);
void smtp_start_tls(struct session *s);
/* The client has sent more of its first message, or has left. */
void smtp_read_hello(struct session *s);
/* The source is ready for TLS with the client. */
void smtp_upgrade(struct session *s);

/* quiesce.c */
/* false: no memory, or too many. */
bool smtp_remember_at_source(struct session *s, const struct recipient *to);
/* The transaction is over: nothing of it is on its way to the source. */
void smtp_forget_at_source(struct session *s);
void smtp_kick(struct session *s);
enum quiesce smtp_quiesce(struct session *s, struct str account, bool force);
bool smtp_is_ending(const struct session *s, struct str account);
/* A recipient of that account was accepted for this transaction at the source. */
bool smtp_goes_to_source(const struct session *s, struct str account);

#endif
