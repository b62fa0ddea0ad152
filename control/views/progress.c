/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/views/progress.h"

#include "control/terminal/output.h"
#include "control/views/account_view.h"
#include "registry/masters.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH 24
#define LINE_STEP 10 /* percent between two lines without a terminal */

void progress_init(struct progress_view *p, FILE *to)
{
	*p = (struct progress_view){
		.to = to, .tty = isatty(fileno(to)) == 1, .stage = STAGE_COUNT
	};
}

static unsigned percent_of(const struct account *a)
{
	if (!a->messages_total)
		return a->stage == STAGE_DONE ? 100 : 0;
	if (a->messages_copied >= a->messages_total)
		return 100;
	return (unsigned)(a->messages_copied * 100 / a->messages_total);
}

static const char *hint_of(const struct account *a)
{
	if (a->stage == STAGE_DUE && !account_waits_for(a).len)
		return " (waits for its turn)";
	if (a->stage == STAGE_DUE || account_needs_master(a))
		return ""; /* print_numbers() says it */
	if (a->stage == STAGE_CATCHING_UP && percent_of(a) == 100)
		return " (copied; switches when nobody is logged in)";
	return "";
}

static void print_numbers(FILE *to, const struct account *a)
{
	struct str waits = account_waits_for(a);

	(void)fprintf(to, "%s %3u %%  %" PRIu64 "/%" PRIu64 " messages%s",
		stage_name(a->stage), percent_of(a), a->messages_copied,
		a->messages_total, hint_of(a));
	if (waits.len && !*hint_of(a))
		(void)fprintf(to, " (waits for %.*s)", STR_ARG(waits));
}

static void draw(struct progress_view *p, const struct account *a)
{
	char bar[BAR_WIDTH + 1];
	size_t full = (size_t)percent_of(a) * BAR_WIDTH / 100;

	memset(bar, '#', full);
	memset(bar + full, '-', BAR_WIDTH - full);
	bar[BAR_WIDTH] = '\0';
	(void)fprintf(p->to, "\r[%s] ", bar);
	print_numbers(p->to, a);
	(void)fputs("\033[K", p->to); /* erase what was longer */
}

void progress_show(struct progress_view *p, const struct account *a)
{
	unsigned percent = percent_of(a);

	if (p->tty) {
		draw(p, a);
	} else if (a->stage != p->stage || !str_eq(account_waits_for(a), p->waits_for) ||
		   percent >= p->percent + LINE_STEP) {
		output_clean(a->name, p->to);
		(void)fputs(": ", p->to);
		print_numbers(p->to, a);
		(void)fputc('\n', p->to);
		p->percent = percent;
	}
	p->stage = a->stage;
	p->waits_for = account_waits_for(a);
	(void)fflush(p->to);
}

void progress_end(struct progress_view *p)
{
	if (p->tty && p->stage != STAGE_COUNT)
		(void)fputc('\n', p->to);
}
