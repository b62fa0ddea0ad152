/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/terminal/view.h"

#include "control/terminal/screen.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FILTER_MAX 80
#define SAID_MAX ERROR_TEXT_MAX
#define COLUMNS_MAX 32
#define INTERVAL_MS 1000
#define INTERVAL_MOST_MS 10000
#define COST_FACTOR 100 /* one per cent of a processor */
#define ESCAPE 27
#define ENTER '\n'
#define RUBOUT 127
#define NO_ROW SIZE_MAX

/* What the operator types into. */
enum mode { MODE_LIST, MODE_FILTER, MODE_CONFIRM };

struct state {
	const struct view *v;
	json_t *rows;         /* as gathered */
	const json_t **shown; /* those that the filter leaves, sorted; borrowed */
	size_t n_shown, chosen, first;
	size_t sort;
	bool descending;
	size_t widths[COLUMNS_MAX]; /* they only grow: columns stay where they are */
	uint64_t next_at;
	bool is_stale; /* the last look failed */
};

struct views {
	struct state states[VIEWS_MAX];
	size_t n, at;
	struct screen *screen;
	enum mode mode;
	const struct view_act *act; /* in MODE_CONFIRM */
	char filter[FILTER_MAX], said[SAID_MAX];
	bool is_over;
};

/* ── filter ────────────────────────────────────────────────────────────────────────── */

static struct str text_of(const json_t *value)
{
	return str_of(json_string_value(value), json_string_length(value));
}

static bool any_contains(const json_t *row, struct str word)
{
	const char *name;
	json_t *value;

	/* jansson's loop takes no const */
	json_object_foreach((json_t *)(uintptr_t)row, name,
		value) if (json_is_string(value) &&
			   str_ihas(text_of(value), word)) return true;
	return false;
}

static bool has_word(const json_t *row, struct str word)
{
	size_t at = str_index(word, '=');
	char name[32];

	if (at >= word.len || at >= sizeof(name))
		return any_contains(row, word);
	memcpy(name, word.ptr, at);
	name[at] = '\0';
	return str_ihas(output_text(row, name), str_skip(word, at + 1));
}

bool view_matches(const json_t *row, const char *filter)
{
	struct str rest = str_from(filter);

	while (rest.len) {
		struct str word = str_split(&rest, ' ');

		if (word.len && !has_word(row, word))
			return false;
	}
	return true;
}

/* ── rows ──────────────────────────────────────────────────────────────────────────── */

static int compare_values(const json_t *a, const json_t *b)
{
	if (json_is_string(a) && json_is_string(b))
		return strcmp(json_string_value(a), json_string_value(b));
	if (json_is_integer(a) && json_is_integer(b))
		return (json_integer_value(a) > json_integer_value(b)) -
		       (json_integer_value(a) < json_integer_value(b));
	return (int)json_is_true(a) - (int)json_is_true(b) +
	       2 * ((int)json_is_integer(a) - (int)json_is_integer(b));
}

/* Where they are equal: by name, so that rows do not change places. */
static int compare_rows(const void *one, const void *other, void *context)
{
	const struct state *s = context;
	const json_t *a = *(const json_t *const *)one, *b = *(const json_t *const *)other;
	const char *name = s->v->columns[s->sort].name;
	int result = compare_values(json_object_get(a, name), json_object_get(b, name));

	if (result)
		return s->descending ? -result : result;
	return compare_values(
		json_object_get(a, s->v->row_name), json_object_get(b, s->v->row_name));
}

static const json_t *chosen_row(const struct state *s)
{
	return s->chosen < s->n_shown ? s->shown[s->chosen] : NULL;
}

static const char *row_name(const struct state *s, const json_t *row)
{
	const char *name = json_string_value(json_object_get(row, s->v->row_name));

	return name ? name : "";
}

static size_t place_of(const struct state *s, const char *name)
{
	for (size_t i = 0; *name && i < s->n_shown; i++)
		if (strcmp(row_name(s, s->shown[i]), name) == 0)
			return i;
	return NO_ROW;
}

/* The chosen row stays the chosen one, wherever it is now; the rows are its owner's. */
static void arrange(struct state *s, const char *filter, const char *name)
{
	size_t n = json_array_size(s->rows), place;
	const json_t **shown = realloc(s->shown, (n ? n : 1) * sizeof(*s->shown));

	s->n_shown = 0;
	if (!shown)
		return;
	s->shown = shown;
	for (size_t i = 0; i < n; i++) {
		const json_t *row = json_array_get(s->rows, i);

		if (view_matches(row, filter))
			shown[s->n_shown++] = row;
	}
	qsort_r(shown, s->n_shown, sizeof(*shown), compare_rows, s);
	place = place_of(s, name);
	if (place != NO_ROW)
		s->chosen = place;
	else if (s->chosen >= s->n_shown)
		s->chosen = s->n_shown ? s->n_shown - 1 : 0;
}

static void rearrange(struct views *w)
{
	struct state *s = &w->states[w->at];
	char name[SAID_MAX] = "";

	if (chosen_row(s))
		(void)snprintf(name, sizeof(name), "%s", row_name(s, chosen_row(s)));
	arrange(s, w->filter, name);
}

static uint64_t processor_ms(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t interval(uint64_t cost_ms)
{
	uint64_t ms = cost_ms * COST_FACTOR;

	return ms < INTERVAL_MS        ? INTERVAL_MS
	       : ms < INTERVAL_MOST_MS ? ms
	                               : INTERVAL_MOST_MS;
}

static int look(struct views *w, struct error *err)
{
	struct state *s = &w->states[w->at];
	uint64_t began = processor_ms();
	json_t *rows = s->v->gather(s->v->context, err);
	char name[SAID_MAX] = "";

	if (chosen_row(s))
		(void)snprintf(name, sizeof(name), "%s", row_name(s, chosen_row(s)));
	s->is_stale = !rows;
	if (rows) {
		json_decref(s->rows);
		s->rows = rows;
		arrange(s, w->filter, name);
	}
	s->next_at = clock_monotonic_ms() + interval(processor_ms() - began);
	return rows ? 0 : -EIO;
}

/* ── painting ──────────────────────────────────────────────────────────────────────── */

static void cell(struct buf *line, const struct state *s, size_t i, struct str text)
{
	size_t gap, width = output_width(text);
	bool last = i + 1 == s->v->n_columns,
	     right = output_is_right(s->v->columns[i].kind);

	gap = s->widths[i] > width ? s->widths[i] - width : 0;
	if (right)
		(void)buf_printf(line, "%*s", (int)gap, "");
	(void)buf_append(line, text);
	if (!right && !last)
		(void)buf_printf(line, "%*s", (int)gap, "");
	if (!last)
		(void)buf_append_c(line, "  ");
}

static void value_text(
	struct buf *text, const struct state *s, size_t i, const json_t *row)
{
	const struct column *c = &s->v->columns[i];

	buf_clear(text);
	(void)output_value(text, c->kind, json_object_get(row, c->name));
}

/* The column that is sorted by is marked. */
static void title_text(struct buf *text, const struct state *s, size_t i)
{
	buf_clear(text);
	(void)buf_printf(text, "%s%s", s->v->columns[i].title,
		i != s->sort    ? ""
		: s->descending ? "▼"
				: "▲");
}

static void widen(struct state *s, size_t i, struct str text, size_t more)
{
	size_t width = output_width(text) + more;

	if (width > s->widths[i])
		s->widths[i] = width;
}

/* Of what is to be seen. */
static void measure(struct state *s, size_t rows)
{
	struct buf text;

	buf_init(&text, 0);
	for (size_t i = 0; i < s->v->n_columns && i < COLUMNS_MAX; i++) {
		widen(s, i, str_from(s->v->columns[i].title), 1); /* its mark */
		for (size_t k = s->first; k < s->n_shown && k < s->first + rows; k++) {
			value_text(&text, s, i, s->shown[k]);
			widen(s, i, buf_view(&text), 0);
		}
	}
	buf_fini(&text);
}

static void paint_row(struct views *w, enum screen_style style, const json_t *row)
{
	const struct state *s = &w->states[w->at];
	struct buf line, text;

	buf_init(&line, 0);
	buf_init(&text, 0);
	for (size_t i = 0; i < s->v->n_columns && i < COLUMNS_MAX; i++) {
		if (row)
			value_text(&text, s, i, row);
		else
			title_text(&text, s, i);
		cell(&line, s, i, buf_view(&text));
	}
	screen_line(w->screen, style, buf_view(&line));
	buf_fini(&line);
	buf_fini(&text);
}

static void paint_head(struct views *w)
{
	const struct state *s = &w->states[w->at];
	struct buf line;
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm local = { 0 };
	char clock[16] = "";

	if (localtime_r(&now, &local))
		(void)strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	buf_init(&line, 0);
	(void)buf_printf(&line, "mailferry %s  %s  %zu of %zu%s%s%s", s->v->title, clock,
		s->n_shown, json_array_size(s->rows), *w->filter ? "  filter: " : "",
		w->filter, s->is_stale ? "  (no answer)" : "");
	screen_line(w->screen, SCREEN_BOLD, buf_view(&line));
	buf_fini(&line);
}

static void paint_foot(struct views *w)
{
	const struct state *s = &w->states[w->at];
	struct buf line;

	buf_init(&line, 0);
	if (w->mode == MODE_FILTER)
		(void)buf_printf(&line,
			"filter: %s_  (name, or account= client= service= "
			"…; Enter, Esc)",
			w->filter);
	else if (w->mode == MODE_CONFIRM)
		(void)buf_printf(&line, "%s? y/n", w->said);
	else if (*w->said)
		(void)buf_append_c(&line, w->said);
	else {
		(void)buf_append_c(&line, "q quit  / filter  < > sort  r reverse  ↑ ↓");
		if (w->n > 1)
			(void)buf_append_c(&line, "  Tab next view");
		for (size_t i = 0; i < s->v->n_acts; i++)
			(void)buf_printf(
				&line, "  %c %s", s->v->acts[i].key, s->v->acts[i].verb);
	}
	screen_line(w->screen, SCREEN_REVERSE, buf_view(&line));
	buf_fini(&line);
}

static size_t list_rows(const struct views *w)
{
	size_t rows = screen_rows(w->screen);

	return rows > 3 ? rows - 3 : 0; /* head, titles, foot */
}

static void paint(struct views *w)
{
	struct state *s = &w->states[w->at];
	size_t rows = list_rows(w);

	if (s->chosen < s->first || !rows)
		s->first = s->chosen;
	else if (s->chosen >= s->first + rows)
		s->first = s->chosen - rows + 1;
	measure(s, rows);
	screen_begin(w->screen);
	paint_head(w);
	paint_row(w, SCREEN_BOLD, NULL);
	for (size_t i = s->first; i < s->first + rows; i++) {
		if (i < s->n_shown)
			paint_row(w, i == s->chosen ? SCREEN_REVERSE : SCREEN_PLAIN,
				s->shown[i]);
		else
			screen_line(w->screen, SCREEN_PLAIN, STR_LIT(""));
	}
	paint_foot(w);
	screen_end(w->screen);
}

/* ── keys ──────────────────────────────────────────────────────────────────────────── */

static void move(struct state *s, size_t by, bool down)
{
	size_t last = s->n_shown ? s->n_shown - 1 : 0;

	if (down)
		s->chosen = s->chosen + by < last ? s->chosen + by : last;
	else
		s->chosen = s->chosen > by ? s->chosen - by : 0;
}

static void sort_by(struct views *w, size_t column, bool descending)
{
	struct state *s = &w->states[w->at];

	s->sort = column % s->v->n_columns;
	s->descending = descending;
	rearrange(w);
}

static void next_view(struct views *w)
{
	w->at = (w->at + 1) % w->n;
	w->states[w->at].next_at = 0;
}

static void ask_for(struct views *w, const struct view_act *act)
{
	const struct state *s = &w->states[w->at];
	const json_t *row = chosen_row(s);
	const char *account = json_string_value(json_object_get(row, "account"));
	const char *client = json_string_value(json_object_get(row, "client"));

	if (!row)
		return;
	w->act = act;
	w->mode = MODE_CONFIRM;
	(void)snprintf(w->said, sizeof(w->said), "%s %s%s%s%s%s", act->verb,
		row_name(s, row), account ? " " : "", account ? account : "",
		client ? " from " : "", client ? client : "");
}

static void on_list_key(struct views *w, int key)
{
	struct state *s = &w->states[w->at];

	w->said[0] = '\0';
	for (size_t i = 0; i < s->v->n_acts; i++)
		if (s->v->acts[i].key == key) {
			ask_for(w, &s->v->acts[i]);
			return;
		}
	switch (key) {
	case 'q':
		w->is_over = true;
		break;
	case '/':
		w->mode = MODE_FILTER;
		break;
	case '\t':
		next_view(w);
		break;
	case '<':
		sort_by(w, s->sort + s->v->n_columns - 1, s->descending);
		break;
	case '>':
		sort_by(w, s->sort + 1, s->descending);
		break;
	case 'r':
		sort_by(w, s->sort, !s->descending);
		break;
	case SCREEN_UP:
		move(s, 1, false);
		break;
	case SCREEN_DOWN:
		move(s, 1, true);
		break;
	case SCREEN_PAGE_UP:
		move(s, list_rows(w), false);
		break;
	case SCREEN_PAGE_DOWN:
	case ' ':
		move(s, list_rows(w), true);
		break;
	case SCREEN_HOME:
		move(s, s->n_shown, false);
		break;
	case SCREEN_END:
		move(s, s->n_shown, true);
		break;
	default:
		break;
	}
}

static void on_filter_key(struct views *w, int key)
{
	size_t len = strlen(w->filter);

	if (key == ENTER || key == '\r' || key == ESCAPE) {
		w->mode = MODE_LIST;
		if (key == ESCAPE)
			w->filter[0] = '\0';
	} else if ((key == RUBOUT || key == '\b') && len) {
		w->filter[len - 1] = '\0';
	} else if (key >= ' ' && key < 256 && key != RUBOUT && len < FILTER_MAX - 1) {
		w->filter[len] = (char)key;
		w->filter[len + 1] = '\0';
	}
	rearrange(w);
}

static void on_confirm_key(struct views *w, int key)
{
	struct state *s = &w->states[w->at];
	const json_t *row = chosen_row(s);
	struct error err = { 0 };

	w->mode = MODE_LIST;
	w->said[0] = '\0';
	if (key != 'y' || !row)
		return;
	if (w->act->act(s->v->context, row, w->said, sizeof(w->said), &err) < 0)
		(void)snprintf(w->said, sizeof(w->said), "%s", err.text);
	s->next_at = 0;
}

static void on_key(struct views *w, int key)
{
	static void (*const modes[])(struct views * w, int key) = {
		[MODE_LIST] = on_list_key,
		[MODE_FILTER] = on_filter_key,
		[MODE_CONFIRM] = on_confirm_key,
	};

	if (key == SCREEN_QUIT)
		w->is_over = true;
	else if (key != SCREEN_NOTHING && key != SCREEN_RESIZED)
		modes[w->mode](w, key);
}

/* ── the loop ──────────────────────────────────────────────────────────────────────── */

/* While something is confirmed the rows stay, so that it is done to what was meant. */
static void turn(struct views *w)
{
	struct state *s = &w->states[w->at];
	uint64_t now = clock_monotonic_ms();
	struct error err;

	if (now >= s->next_at && w->mode != MODE_CONFIRM)
		(void)look(w, &err);
	paint(w);
	now = clock_monotonic_ms();
	on_key(w, screen_key(w->screen, s->next_at > now ? (unsigned)(s->next_at - now)
					: w->mode == MODE_CONFIRM ? INTERVAL_MS
								  : 0));
}

int views_run(const struct view *views, size_t n, const char *filter, struct error *err)
{
	struct views w = { .n = n };
	int code;

	(void)snprintf(w.filter, sizeof(w.filter), "%s", filter);
	for (size_t i = 0; i < n; i++)
		w.states[i] = (struct state){ .v = &views[i],
			.sort = views[i].sort,
			.descending = views[i].descending };
	code = look(&w, err);
	if (code == 0)
		code = screen_open(&w.screen, err);
	while (code == 0 && !w.is_over)
		turn(&w);
	screen_close(&w.screen);
	for (size_t i = 0; i < n; i++) {
		json_decref(w.states[i].rows);
		free(w.states[i].shown);
	}
	return code;
}
