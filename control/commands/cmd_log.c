/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry log USER|SESSION: its story, from the journal or a file. */
#include "control/terminal/control.h"
#include "control/terminal/output.h"
#include "control/terminal/since.h"
#include "control/watch/log_source.h"
#include "control/watch/log_story.h"

#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

struct line_row {
	struct str time, program, level, session, event, text;
};

#define ROW(field) offsetof(struct line_row, field)
static const struct column line_columns[] = {
	{ "time", "time", COLUMN_TEXT, IN_JSON, ROW(time) },
	{ "program", "program", COLUMN_TEXT, IN_JSON, ROW(program) },
	{ "level", "level", COLUMN_TEXT, IN_JSON, ROW(level) },
	{ "session", "session", COLUMN_TEXT, IN_JSON, ROW(session) },
	{ "event", "event", COLUMN_TEXT, IN_JSON, ROW(event) },
	{ "text", "text", COLUMN_TEXT, IN_JSON, ROW(text) },
};
#define LINE_COLUMNS (sizeof(line_columns) / sizeof(line_columns[0]))

struct reading {
	struct control *control;
	struct log_story story;
	struct users users; /* of the programs that write it */
	json_t *lines;      /* NULL: text */
	uint64_t told;
	uint64_t since; /* wall clock in ms; 0: from the beginning */
};

static int look(void *context, const struct log_line *line)
{
	struct reading *r = context;

	return log_story_look(&r->story, line);
}

static int tell(void *context, const struct log_line *line)
{
	struct reading *r = context;
	const struct line_row row = { line->time, line->program, line->level,
		line->session, line->event, line->text };
	char since[LOG_TIME_MAX];
	struct buf shown;

	if (str_cmp(line->time, log_time_text(r->since, since)) < 0 ||
		!log_story_tells(&r->story, line))
		return 0;
	r->told++;
	if (r->lines)
		return json_array_append_new(r->lines,
			       output_object(line_columns, LINE_COLUMNS, &row)) < 0
		               ? -ENOMEM
		               : 0;
	/* the file may be anybody's: no part of a line is taken for ours */
	buf_init(&shown, 0);
	if (buf_printf(&shown, "%.*s %-11.*s %-12.*s %.*s %.*s", STR_ARG(line->time),
		    STR_ARG(line->program), STR_ARG(line->session), STR_ARG(line->event),
		    STR_ARG(line->text)) == 0)
		output_clean(buf_view(&shown), stdout);
	buf_fini(&shown);
	(void)putchar('\n');
	return 0;
}

static int read_log(struct reading *r, log_each_fn *each)
{
	struct control *c = r->control;

	if (c->file)
		return log_read_file(c->file, each, r, &c->err);
	return log_read_journal(&r->users, c->arguments[0], r->story.sessions,
		r->story.n_sessions, r->since, each, r, &c->err);
}

static int run(struct reading *r)
{
	int code = users_load(&r->control->settings, &r->users, &r->control->err);

	if (code == 0)
		code = read_log(r, look);
	log_story_looked(&r->story);
	if (code == 0)
		code = read_log(r, tell);
	if (code == 0 && r->lines)
		code = output_json(json_incref(r->lines), stdout);
	else if (code == 0 && !r->told)
		(void)printf(
			"Nothing in the log. An account is named as in `mailferry "
			"accounts`, a session as in the log or in `mailferry flows`.\n%s",
			r->control->file
				? ""
				: "This was the journal, as far as you may read it; what "
				  "`mailferry up` wrote to stderr is read by --file.\n");
	return code;
}

enum exit_code cmd_log(struct control *c)
{
	struct reading r = { .control = c };
	int code;

	if (c->since && since_read(c->since, clock_wall_ms(), &r.since, &c->err) < 0)
		return control_misuse(c);
	log_story_init(&r.story, c->arguments[0]);
	r.lines = c->json ? json_array() : NULL;
	code = run(&r);
	json_decref(r.lines);
	log_story_fini(&r.story);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
