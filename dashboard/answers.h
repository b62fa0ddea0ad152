/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_ANSWERS_H
#define DASHBOARD_ANSWERS_H
/*
 * The last answer to each question of the whole, so that many browsers cost what one
 * does. An answer is asked for again when somebody looks and it is older than a second,
 * or than fifty times what it took (so that watching costs two per cent of a processor),
 * but ten seconds at the most. What is not too old is shown meanwhile.
 */
#include "dashboard/questions.h"

#include <jansson.h>

#define ANSWER_MAX (64u << 20) /* bytes: 100,000 accounts and more */
#define ANSWER_SAYS_MAX 512

enum answer_state {
	ANSWER_NONE,  /* nothing to show yet */
	ANSWER_OLD,   /* too old to be shown without waiting for a new one */
	ANSWER_STALE, /* may be shown; a new one is asked for */
	ANSWER_FRESH,
};

/* What a command has said. */
struct answer {
	char *text; /* its JSON, or "" */
	size_t len;
	json_t *json;               /* NULL: answer_why() */
	char says[ANSWER_SAYS_MAX]; /* of a failure: its sentence, or "" */
	int exit_code;
	uint64_t at; /* monotonic, when it came; 0: never */
};

/* Reads it from the file (-1: none); says is what it wrote besides. */
void answer_read(struct answer *a, int fd, int exit_code, struct str says, uint64_t now);
void answer_fini(struct answer *a);
/* Why there is no JSON: a sentence. */
struct str answer_why(const struct answer *a);

struct answers {
	struct {
		struct answer last;
		uint64_t asked_at, took;
		bool is_asked, is_void;
	} of[QUESTION_WHOLE_COUNT];
};

void answers_fini(struct answers *a);
enum answer_state answers_state(const struct answers *a, enum question q, uint64_t now);
/* Whether it is to be asked now; then it counts as asked. */
bool answers_ask(struct answers *a, enum question q, uint64_t now);
/* The answer to the one that is asked has come. */
void answers_take(struct answers *a, enum question q, int fd, int exit_code,
	struct str says, uint64_t now);
/* Something was changed: no answer from before, nor one that is on its way, is shown. */
void answers_forget(struct answers *a);

#endif
