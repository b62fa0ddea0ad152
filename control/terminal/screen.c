/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/terminal/screen.h"

#include "control/terminal/output.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* The alternate screen, no cursor, no wrap at the edge; and back. */
#define BEGIN "\033[?1049h\033[?25l\033[?7l"
#define END "\033[?7h\033[?25h\033[?1049l"
#define ESCAPE '\033'
#define ESCAPE_MS 50 /* the rest of a key that sends several bytes */

struct screen {
	struct termios before;
	sigset_t signals; /* as they are blocked while a key is waited for */
	size_t rows, columns, row;
	struct buf lines, shown; /* each with a newline behind it */
	unsigned char keys[64];
	size_t n_keys, at_key;
};

static volatile sig_atomic_t resized, ended;

static void on_signal(int number)
{
	if (number == SIGWINCH)
		resized = 1;
	else
		ended = 1;
}

static const int signals[] = { SIGWINCH, SIGINT, SIGTERM, SIGHUP };
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* ── opening ───────────────────────────────────────────────────────────────────────── */

bool screen_is_possible(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
	       strcmp(term, "dumb") != 0;
}

static void put(struct str bytes)
{
	while (bytes.len) {
		ssize_t n = write(STDOUT_FILENO, bytes.ptr, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			ended = 1; /* nobody sees it */
			return;
		}
		bytes = str_skip(bytes, (size_t)n);
	}
}

static void measure(struct screen *s)
{
	struct winsize size = { 0 };

	s->rows = 24;
	s->columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col) {
		s->rows = size.ws_row;
		s->columns = size.ws_col;
	}
	buf_clear(&s->shown); /* all of it is painted anew */
	put(STR_LIT("\033[2J"));
}

/* They come only while a key is waited for. */
static void take_signals(struct screen *s)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;

	(void)sigemptyset(&action.sa_mask);
	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < SIGNALS; i++) {
		(void)sigaddset(&blocked, signals[i]);
		(void)sigaction(signals[i], &action, NULL);
	}
	(void)sigprocmask(SIG_BLOCK, &blocked, &s->signals);
}

int screen_open(struct screen **ret, struct error *err)
{
	struct screen *s = calloc(1, sizeof(*s));
	struct termios raw;

	if (!s || !screen_is_possible() || tcgetattr(STDIN_FILENO, &s->before) < 0) {
		free(s);
		return error_set(err, -ENOTTY, "this needs a terminal");
	}
	buf_init(&s->lines, 0);
	buf_init(&s->shown, 0);
	resized = ended = 0;
	take_signals(s);
	raw = s->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VSUSP] = _POSIX_VDISABLE; /* a stopped one would leave its mark */
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	put(STR_LIT(BEGIN));
	measure(s);
	*ret = s;
	return 0;
}

void screen_close(struct screen **screen)
{
	struct screen *s = *screen;

	if (!s)
		return;
	put(STR_LIT(END));
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &s->before);
	(void)sigprocmask(SIG_SETMASK, &s->signals, NULL);
	for (size_t i = 0; i < SIGNALS; i++)
		(void)signal(signals[i], SIG_DFL);
	buf_fini(&s->lines);
	buf_fini(&s->shown);
	free(s);
	*screen = NULL;
}

/* ── painting ──────────────────────────────────────────────────────────────────────── */

size_t screen_rows(const struct screen *s)
{
	return s->rows;
}

void screen_begin(struct screen *s)
{
	buf_clear(&s->lines);
	s->row = 0;
}

/* As many bytes as fit the columns. */
static size_t fitting(struct str text, size_t columns)
{
	size_t i = 0, width = 0;

	for (; i < text.len; i++) {
		width += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
		if (width > columns)
			break;
	}
	return i;
}

void screen_line(struct screen *s, enum screen_style style, struct str text)
{
	static const char *const begins[] = { "", "\033[7m", "\033[1m" };
	struct str line = str_take(text, fitting(text, s->columns));
	size_t width = output_width(line);

	if (s->row >= s->rows)
		return;
	s->row++;
	(void)buf_append_c(&s->lines, begins[style]);
	(void)output_append_clean(&s->lines, line);
	for (; style == SCREEN_REVERSE && width < s->columns; width++)
		(void)buf_byte(&s->lines, ' ');
	(void)buf_append_c(&s->lines, style == SCREEN_PLAIN ? "\n" : "\033[m\n");
}

void screen_end(struct screen *s)
{
	struct str now, before = buf_view(&s->shown);
	struct buf changes;

	while (s->row < s->rows)
		screen_line(s, SCREEN_PLAIN, STR_LIT(""));
	now = buf_view(&s->lines);
	buf_init(&changes, 0);
	for (size_t row = 1; now.len; row++) {
		struct str line = str_split(&now, '\n');
		bool is_first = !before.len;
		struct str old = str_split(&before, '\n');

		if (is_first || !str_eq(line, old))
			(void)buf_printf(
				&changes, "\033[%zuH%.*s\033[K", row, STR_ARG(line));
	}
	put(buf_view(&changes));
	buf_fini(&changes);
	buf_clear(&s->shown);
	(void)buf_append(&s->shown, buf_view(&s->lines));
}

/* ── keys ──────────────────────────────────────────────────────────────────────────── */

/* 1: there are some, 0: the time is over, -1: a signal or the end. */
static int fill(struct screen *s, unsigned ms)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };
	ssize_t n;

	if (s->at_key < s->n_keys)
		return 1;
	if (resized || ended)
		return -1;
	if (ppoll(&in, 1, &time, &s->signals) <= 0)
		return resized || ended ? -1 : 0;
	n = read(STDIN_FILENO, s->keys, sizeof(s->keys));
	if (n <= 0)
		ended = 1;
	s->n_keys = n > 0 ? (size_t)n : 0;
	s->at_key = 0;
	return n > 0 ? 1 : -1;
}

/* Behind "ESC [": a letter, or a number and '~'. */
static int read_sequence(struct screen *s)
{
	static const struct {
		const char *text;
		int key;
	} sequences[] = { { "A", SCREEN_UP }, { "B", SCREEN_DOWN }, { "H", SCREEN_HOME },
		{ "F", SCREEN_END }, { "1~", SCREEN_HOME }, { "4~", SCREEN_END },
		{ "5~", SCREEN_PAGE_UP }, { "6~", SCREEN_PAGE_DOWN } };
	char text[8] = "";

	for (size_t n = 0; n < sizeof(text) - 1 && fill(s, ESCAPE_MS) == 1; n++) {
		text[n] = (char)s->keys[s->at_key++];
		if (text[n] >= '@' && text[n] <= '~')
			break;
	}
	for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++)
		if (strcmp(sequences[i].text, text) == 0)
			return sequences[i].key;
	return SCREEN_NOTHING;
}

int screen_key(struct screen *s, unsigned ms)
{
	int key, filled = fill(s, ms);

	if (filled < 0 && !ended) {
		resized = 0;
		measure(s);
		return SCREEN_RESIZED;
	}
	if (filled <= 0)
		return filled < 0 ? SCREEN_QUIT : SCREEN_NOTHING;
	key = s->keys[s->at_key++];
	if (key != ESCAPE || fill(s, ESCAPE_MS) != 1 ||
		(s->keys[s->at_key] != '[' && s->keys[s->at_key] != 'O'))
		return key;
	s->at_key++;
	return read_sequence(s);
}
