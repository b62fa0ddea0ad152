/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/answers.h"

#include "base/fd.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRESH_MS 1000u
#define FRESH_TIMES 50u      /* what it took: two per cent of a processor */
#define FRESH_MOST_MS 10000u /* somebody looks: older is no picture of now */
#define OLD_MS 30000u        /* nobody has looked for so long */

/* ── one ───────────────────────────────────────────────────────────────────────────── */

static char *read_file(int fd, size_t *ret_len)
{
	struct stat about;
	size_t len;
	char *text;

	if (fd < 0 || fstat(fd, &about) < 0 || about.st_size < 0 ||
		about.st_size > ANSWER_MAX)
		return NULL;
	len = (size_t)about.st_size;
	text = malloc(len + 1);
	if (!text || lseek(fd, 0, SEEK_SET) < 0 || fd_read_all(fd, text, len) < 0) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	*ret_len = len;
	return text;
}

void answer_read(struct answer *a, int fd, int exit_code, struct str says, uint64_t now)
{
	answer_fini(a);
	a->at = now;
	a->exit_code = exit_code;
	a->text = read_file(fd, &a->len);
	if (a->text && exit_code == 0)
		a->json = json_loadb(a->text, a->len, 0, NULL);
	(void)snprintf(a->says, sizeof(a->says), "%.*s", STR_ARG(says));
}

struct str answer_why(const struct answer *a)
{
	if (*a->says)
		return str_from(a->says);
	return !a->at || a->exit_code == QUESTION_UNFINISHED
	               ? STR_LIT("no answer yet: it takes longer than is waited for")
	               : STR_LIT("it has failed without a word; see the log");
}

void answer_fini(struct answer *a)
{
	json_decref(a->json);
	free(a->text);
	*a = (struct answer){ .at = 0 };
}

/* ── all ───────────────────────────────────────────────────────────────────────────── */

void answers_fini(struct answers *a)
{
	for (int q = 0; q < QUESTION_WHOLE_COUNT; q++)
		answer_fini(&a->of[q].last);
}

static uint64_t fresh_ms(uint64_t took)
{
	uint64_t ms = took * FRESH_TIMES;

	if (ms < FRESH_MS)
		return FRESH_MS;
	return ms < FRESH_MOST_MS ? ms : FRESH_MOST_MS;
}

enum answer_state answers_state(const struct answers *a, enum question q, uint64_t now)
{
	uint64_t age = now - a->of[q].last.at;

	if (!a->of[q].last.at)
		return ANSWER_NONE;
	if (age < fresh_ms(a->of[q].took))
		return ANSWER_FRESH;
	return age < OLD_MS ? ANSWER_STALE : ANSWER_OLD;
}

bool answers_ask(struct answers *a, enum question q, uint64_t now)
{
	if (a->of[q].is_asked || answers_state(a, q, now) == ANSWER_FRESH)
		return false;
	a->of[q].is_asked = true;
	a->of[q].is_void = false;
	a->of[q].asked_at = now;
	return true;
}

void answers_take(struct answers *a, enum question q, int fd, int exit_code,
	struct str says, uint64_t now)
{
	a->of[q].is_asked = false;
	if (a->of[q].is_void)
		return;
	a->of[q].took = now - a->of[q].asked_at;
	if (a->of[q].took > question_rows[q].waits_ms)
		a->of[q].took -= question_rows[q].waits_ms;
	answer_read(&a->of[q].last, fd, exit_code, says, now);
}

void answers_forget(struct answers *a)
{
	for (int q = 0; q < QUESTION_WHOLE_COUNT; q++) {
		answer_fini(&a->of[q].last);
		a->of[q].is_void = a->of[q].is_asked;
	}
}
