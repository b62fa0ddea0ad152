/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FUZZ_LOGIN_MODEL_H
#define FUZZ_LOGIN_MODEL_H
/*
 * An old server, as far as a login goes, in several dialects. It remembers of each answer
 * whose login it was the answer to, if to any. It reads by parsers of its own: what ours
 * take for one thing it may take for another.
 */
#include "base/buf.h"

enum dialect {
	DIALECT_LITERAL_PLUS = 1, /* IMAP: knows {n+}; else what follows is a command */
	DIALECT_SASL_IR = 2,      /* knows initial responses; else BAD */
	DIALECT_DEAF = 4,         /* does not hear them, and asks */
	DIALECT_CR_ENDS = 8,      /* a CR alone ends a line */
	DIALECT_CUTS = 16,        /* what does not fit its buffer is the next command */
	DIALECT_ACTS = 32,      /* authzid says whose mailbox it is; else it is ignored */
	DIALECT_CHATTY = 64,    /* IMAP: says something beside each answer */
	DIALECT_TWICE = 128,    /* says each answer twice, at once */
	DIALECT_HASTY = 256,    /* says OK to half a question */
	DIALECT_STARLESS = 512, /* "*" ends nothing: an answer like any */
	DIALECT_SILENT = 1024   /* SMTP: does not show AUTH, and has it */
};

#define MODEL_LINE_MAX 8192u
#define MODEL_ANSWERS_MAX 64u

struct model_account {
	const char *name, *password;
	bool at_source, at_destination;
};

struct model_answer {
	size_t end;                         /* of it in all that was said */
	const struct model_account *proved; /* NULL: it is no login's OK */
};

enum model_sasl {
	MODEL_NO_SASL,
	MODEL_PLAIN,
	MODEL_LOGIN_USER,
	MODEL_LOGIN_PASSWORD,
	MODEL_CRAM,
	MODEL_DIGEST,
	MODEL_DIGEST_END, /* the client's last answer is awaited, and not read */
	MODEL_TOKEN,
	MODEL_TOKEN_ERROR /* its reason was said; the client's empty line is awaited */
};

struct model {
	unsigned dialect;
	size_t line_max;     /* of DIALECT_CUTS */
	bool is_destination; /* which has other passwords than the source */
	struct buf in, out;
	size_t said, heard; /* bytes of out, ever; and those that were read by us */
	struct model_answer answers[MODEL_ANSWERS_MAX];
	size_t n_answers;
	unsigned commands; /* that it thinks to have got */
	enum model_sasl sasl;
	struct buf name;    /* given so far: USER, or AUTH LOGIN's first line */
	struct buf command; /* IMAP: the words so far, NUL behind each */
	struct buf tag;
	uint64_t literal; /* IMAP: bytes of it that are awaited */
	bool in_literal, is_bad, is_half;
	bool in_message;                    /* SMTP: behind DATA */
	const struct model_account *digest; /* whose proof it has got */
};

void model_init(struct model *m, unsigned dialect);
void model_fini(struct model *m);
/* IMAP's and POP3's reading of m->in, answers to m->out. */
void model_imap_greet(struct model *m);
void model_imap_read(struct model *m);
void model_pop3_greet(struct model *m);
void model_pop3_read(struct model *m);
/* SMTP's. */
void model_smtp_greet(struct model *m);
void model_smtp_read(struct model *m);
/* Of the answer that ends where we have read to: whose login it lets in; NULL: none. */
const struct model_account *model_proved(const struct model *m);

/* ---- what the two share ---- */

/* proved: NULL unless it is the OK to that login. */
void model_say(struct model *m, const char *tag, const char *text,
	const struct model_account *proved);
const struct model_account *model_account(
	const struct model *m, struct str name, struct str password);
/* The next line off m->in, without its end. false: none yet. */
bool model_line(struct model *m, struct str *ret_line);

enum model_step { MODEL_CHALLENGE, MODEL_OK, MODEL_NO };
/* initial.ptr NULL: none. *ret_challenge is base64. */
enum model_step model_sasl_begin(struct model *m, struct str mechanism,
	struct str initial, const char **ret_challenge,
	const struct model_account **ret_proved);
enum model_step model_sasl_line(struct model *m, struct str line,
	const char **ret_challenge, const struct model_account **ret_proved);

#endif
