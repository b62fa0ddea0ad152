/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/watch/log_story.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void log_story_init(struct log_story *s, const char *wanted)
{
	*s = (struct log_story){ .wanted = str_from(wanted) };
}

void log_story_fini(struct log_story *s)
{
	for (size_t i = 0; i < s->n_sessions; i++)
		free(s->sessions[i]);
	free(s->sessions);
	*s = (struct log_story){ 0 };
}

static bool is_about(const struct log_story *s, const struct log_line *line)
{
	return str_eq(line->session, s->wanted) ||
	       log_value_is(line->text, STR_LIT("account"), s->wanted);
}

int log_story_look(struct log_story *s, const struct log_line *line)
{
	char *copy;

	if (str_eq(line->session, STR_LIT("-")) || !is_about(s, line))
		return 0;
	if (s->n_sessions &&
		str_eq(line->session, str_from(s->sessions[s->n_sessions - 1])))
		return 0;
	if (s->n_sessions == s->size) {
		size_t size = s->size ? 2 * s->size : 64;
		char **more = reallocarray(s->sessions, size, sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->sessions = more;
		s->size = size;
	}
	copy = str_dup_c(line->session);
	if (!copy)
		return -ENOMEM;
	s->sessions[s->n_sessions++] = copy;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void log_story_looked(struct log_story *s)
{
	size_t kept = 0;

	if (s->n_sessions)
		qsort(s->sessions, s->n_sessions, sizeof(*s->sessions), compare);
	for (size_t i = 0; i < s->n_sessions; i++)
		if (kept && strcmp(s->sessions[i], s->sessions[kept - 1]) == 0)
			free(s->sessions[i]);
		else
			s->sessions[kept++] = s->sessions[i];
	s->n_sessions = kept;
}

bool log_story_tells(const struct log_story *s, const struct log_line *line)
{
	size_t low = 0, high = s->n_sessions;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_cmp(line->session, str_from(s->sessions[middle]));

		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return is_about(s, line);
}
