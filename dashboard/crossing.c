/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The drawing is 10000 units wide: a shore for accounts at the old server, the water, and
 * a shore for those who live here. Dots stand in rows; a run of equal ones is one dashed
 * line, so that 10,000 accounts are some hundred lines.
 */
#include "dashboard/crossing.h"

#include <math.h>

#define DOTS_MAX 20000u /* beyond that a dot is several accounts: it cannot be seen */
#define DOT_MOST 220u   /* units; a few accounts are no giants */
#define TOP 500u
#define HEIGHT 2400u

const struct place_row place_rows[PLACE_COUNT] = {
	[PLACE_FAILED] = { "failed", "failed", SHORE_SOURCE },
	[PLACE_NOT_CAPTURABLE] = { "not-capturable", "cannot be moved", SHORE_SOURCE },
	[PLACE_WAITING] = { "waiting", "not moved yet", SHORE_SOURCE },
	[PLACE_DUE] = { "due", "due", SHORE_BETWEEN },
	[PLACE_COPYING] = { "copying", "copying", SHORE_BETWEEN },
	[PLACE_CATCHING_UP] = { "catching-up", "catching up", SHORE_BETWEEN },
	[PLACE_SWITCHING] = { "switching", "switching", SHORE_BETWEEN },
	[PLACE_HERE] = { "here", "live here", SHORE_HERE },
};

static const struct {
	const char *title;
	unsigned left, width;
} shores[SHORE_COUNT] = {
	[SHORE_SOURCE] = { "at the old server", 150, 3600 },
	[SHORE_BETWEEN] = { "crossing", 4150, 1700 },
	[SHORE_HERE] = { "here", 6250, 3600 },
};

enum place place_by_name(struct str name)
{
	int i = 0;

	while (i < PLACE_COUNT && !str_eq(name, str_from(place_rows[i].name)))
		i++;
	return (enum place)i;
}

enum place place_of(const json_t *account)
{
	struct str stage = json_text_at(account, "stage");
	struct str route = json_text_at(account, "route");

	if (str_eq(route, STR_LIT("local")))
		return PLACE_HERE;
	if (str_eq(route, STR_LIT("busy")))
		return PLACE_SWITCHING;
	for (int i = 0; i < PLACE_COUNT; i++)
		if (str_eq(stage, str_from(place_rows[i].name)))
			return (enum place)i;
	return json_is_true_at(account, "capturable") ? PLACE_WAITING
	                                              : PLACE_NOT_CAPTURABLE;
}

/* ── dots ──────────────────────────────────────────────────────────────────────────── */

struct grid {
	unsigned left, columns, dot; /* dot: with the gap behind it */
	size_t next;                 /* the next dot's number */
};

static struct grid grid_of(enum shore shore, size_t n)
{
	unsigned width = shores[shore].width, dot = DOT_MOST;
	unsigned fits = n ? (unsigned)sqrt((double)width * HEIGHT / (double)n) : dot;

	if (fits < dot)
		dot = fits ? fits : 1;
	/* whole rows: the last one may not fit any more */
	while (dot > 1 && (n + width / dot - 1) / (width / dot) * dot > HEIGHT)
		dot--;
	return (struct grid){ shores[shore].left, width / dot, dot, 0 };
}

/* n dots behind those that are there. */
static void write_dots(struct html *h, struct grid *g, size_t n)
{
	while (n) {
		size_t column = g->next % g->columns, row = g->next / g->columns;
		size_t run = g->columns - column < n ? g->columns - column : n;

		html_put(h, "M");
		html_number(h, g->left + column * g->dot);
		html_put(h, " ");
		html_number(h, TOP + row * g->dot + g->dot / 2);
		html_put(h, "h");
		html_number(h, run * g->dot);
		g->next += run;
		n -= run;
	}
}

static void write_place(struct html *h, enum place place, struct grid *g, size_t n)
{
	unsigned gap = g->dot / 5;

	if (!n)
		return;
	html_put(h, "<path class=\"dots ");
	html_put(h, place_rows[place].name);
	html_put(h, "\" stroke-width=\"");
	html_number(h, g->dot - gap);
	html_put(h, "\" stroke-dasharray=\"");
	html_number(h, g->dot - gap);
	html_put(h, " ");
	html_number(h, gap);
	html_put(h, "\" d=\"");
	write_dots(h, g, n);
	html_put(h, "\"/>\n");
}

static void write_shore(
	struct html *h, enum shore shore, const size_t dots[static PLACE_COUNT])
{
	size_t n = 0;
	struct grid g;

	for (int i = 0; i < PLACE_COUNT; i++)
		n += place_rows[i].shore == shore ? dots[i] : 0;
	g = grid_of(shore, n);
	html_put(h, "<text x=\"");
	html_number(h, shores[shore].left);
	html_put(h, "\" y=\"350\">");
	html_put(h, shores[shore].title);
	html_put(h, "</text>\n");
	for (int i = 0; i < PLACE_COUNT; i++)
		if (place_rows[i].shore == shore)
			write_place(h, (enum place)i, &g, dots[i]);
}

static void write_picture(
	struct html *h, const size_t dots[static PLACE_COUNT], size_t each)
{
	html_put(h, "<svg class=\"crossing\" viewBox=\"0 0 10000 3100\" role=\"img\" "
		    "aria-label=\"the crossing of all accounts; its numbers follow\">\n"
		    "<rect class=\"shore\" width=\"3900\" height=\"3100\" rx=\"120\"/>\n"
		    "<rect class=\"shore\" x=\"6100\" width=\"3900\" height=\"3100\" "
		    "rx=\"120\"/>\n"
		    "<path class=\"water\" d=\"M4000 2980q175-70 350 0t350 0 350 0 350 0 "
		    "350 0 250-40\"/>\n");
	for (int i = 0; i < SHORE_COUNT; i++)
		write_shore(h, (enum shore)i, dots);
	html_put(h, "</svg>\n");
	if (each < 2)
		return;
	html_put(h, "<p class=\"note\">each dot is ");
	html_number(h, each);
	html_put(h, " accounts</p>\n");
}

static void write_legend(struct html *h, const size_t counts[static PLACE_COUNT])
{
	html_put(h, "<ul class=\"legend\">\n");
	for (int i = 0; i < PLACE_COUNT; i++) {
		html_put(h, "<li><a href=\"/?show=");
		html_put(h, place_rows[i].name);
		html_put(h, "#accounts\"><svg class=\"key\" viewBox=\"0 0 10 10\" "
			    "aria-hidden=\"true\"><path class=\"dots ");
		html_put(h, place_rows[i].name);
		html_put(h, "\" stroke-width=\"10\" d=\"M0 5h10\"/></svg> <b>");
		html_number(h, counts[i]);
		html_put(h, "</b> ");
		html_put(h, place_rows[i].title);
		html_put(h, "</a></li>\n");
	}
	html_put(h, "</ul>\n");
}

void crossing_write(struct html *h, const json_t *accounts)
{
	size_t counts[PLACE_COUNT] = { 0 }, dots[PLACE_COUNT];
	size_t n = json_array_size(accounts), each = 1 + (n ? (n - 1) / DOTS_MAX : 0);

	for (size_t i = 0; i < n; i++)
		counts[place_of(json_array_get(accounts, i))]++;
	for (int i = 0; i < PLACE_COUNT; i++)
		dots[i] = (counts[i] + each - 1) / each;
	write_picture(h, dots, each);
	write_legend(h, counts);
}
