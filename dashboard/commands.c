/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/commands.h"

#include "base/fd.h"
#include "base/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "mailferry"

static void on_late(void *context)
{
	struct command_slot *s = context;

	s->is_late = true;
	child_signal(&s->child, SIGKILL); /* its end is told */
}

int commands_init(struct commands *c, struct loop *loop, const char *config,
	command_ended_fn *ended, void *context, struct error *err)
{
	int r;

	*c = (struct commands){
		.loop = loop, .config = config, .ended = ended, .context = context
	};
	r = process_sibling(PROGRAM, c->program, sizeof(c->program), err);
	for (size_t i = 0; i < COMMANDS_MAX; i++) {
		struct command_slot *s = &c->slots[i];

		s->all = c;
		s->outputs[0] = s->outputs[1] = -1;
		if (r == 0)
			r = timer_new(loop, on_late, s, &s->late);
	}
	return r;
}

static void close_outputs(struct command_slot *s)
{
	fd_closep(&s->outputs[0]);
	fd_closep(&s->outputs[1]);
}

void commands_fini(struct commands *c)
{
	for (size_t i = 0; i < COMMANDS_MAX; i++) {
		struct command_slot *s = &c->slots[i];

		child_signal(&s->child, SIGTERM);
		if (child_runs(&s->child))
			child_forget(&s->child);
		timer_free(s->late);
		close_outputs(s);
	}
}

static struct str read_says(int fd, char text[static COMMAND_SAYS_MAX])
{
	ssize_t n = pread(fd, text, COMMAND_SAYS_MAX, 0);

	return str_trim(str_of(text, n < 0 ? 0 : (size_t)n));
}

static void on_ended(void *context, int status)
{
	struct command_slot *s = context;
	char text[COMMAND_SAYS_MAX];
	struct str says = read_says(s->outputs[1], text);

	timer_stop(s->late);
	s->all->ended(s->all->context, s->id,
		s->is_late          ? QUESTION_UNFINISHED
		: WIFEXITED(status) ? WEXITSTATUS(status)
				    : EXIT_FAILURE,
		&s->outputs[0], says);
	close_outputs(s);
}

static struct command_slot *find_free(struct commands *c)
{
	for (size_t i = 0; i < COMMANDS_MAX; i++)
		if (!child_runs(&c->slots[i].child))
			return &c->slots[i];
	return NULL;
}

static int open_outputs(struct command_slot *s)
{
	for (size_t i = 0; i < 2; i++) {
		s->outputs[i] = memfd_create("mailferry-says", MFD_CLOEXEC);
		if (s->outputs[i] < 0)
			return -errno;
	}
	return 0;
}

static int start(struct command_slot *s, const char *const *words, const char *argument,
	struct error *err)
{
	const char *arguments[QUESTION_WORDS_MAX + 4] = { PROGRAM, "-c", s->all->config };
	const struct child_plan plan = {
		.program = s->all->program, .arguments = arguments, .outputs = s->outputs
	};

	for (size_t i = 0; words[i]; i++)
		arguments[3 + i] = *words[i] ? words[i] : argument;
	return child_start(&s->child, s->all->loop, &plan, on_ended, s, err);
}

int command_run(struct commands *c, enum question q, struct str argument, uint64_t id,
	struct error *err)
{
	struct command_slot *s = find_free(c);
	char *copy;
	int r;

	if (!s)
		return error_set(err, -EBUSY, "too many questions at a time; try again");
	copy = str_dup_c(argument);
	r = copy ? open_outputs(s) : -ENOMEM;
	if (r < 0)
		(void)error_errno(err, r, "cannot run `mailferry`");
	s->id = id;
	s->is_late = false;
	if (r == 0)
		r = start(s, question_rows[q].words, copy, err);
	if (r == 0)
		timer_start(s->late, COMMAND_MS);
	else
		close_outputs(s);
	free(copy);
	return r;
}
