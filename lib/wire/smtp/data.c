/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/data.h"

#include <errno.h>

#define WINDOW 256 /* a few lines */

enum byte_class { OTHER, CR, LF, DOT, NUL, CLASS_COUNT };

/* Short names for the table alone. */
#define START SMTP_DATA_LINE_START
#define TEXT SMTP_DATA_TEXT
#define CR_ SMTP_DATA_CR
#define BARE SMTP_DATA_BARE
#define BDOT SMTP_DATA_BARE_DOT
#define DOT_ SMTP_DATA_DOT
#define DOTCR SMTP_DATA_DOT_CR
#define END_ SMTP_DATA_ENDED
#define BAD SMTP_DATA_SUSPECT_SEEN

static const unsigned char next_state[SMTP_DATA_STATE_COUNT][CLASS_COUNT] = {
	/*          OTHER  CR     LF     DOT   NUL */
	[START] = { TEXT, CR_, BARE, DOT_, BARE },
	[TEXT] = { TEXT, CR_, BARE, TEXT, TEXT },
	[CR_] = { TEXT, CR_, START, BDOT, BARE },
	[BARE] = { TEXT, CR_, BARE, BDOT, BARE },
	[BDOT] = { TEXT, BAD, BAD, TEXT, BAD },
	[DOT_] = { TEXT, DOTCR, BAD, TEXT, BAD },
	[DOTCR] = { BAD, BAD, END_, BAD, BAD },
	[END_] = { END_, END_, END_, END_, END_ },
	[BAD] = { BAD, BAD, BAD, BAD, BAD },
};

static const char *const state_names[] = {
	[SMTP_DATA_LINE_START] = "line start",
	[SMTP_DATA_TEXT] = "text",
	[SMTP_DATA_CR] = "CR",
	[SMTP_DATA_BARE] = "bare line end",
	[SMTP_DATA_BARE_DOT] = "dot behind it",
	[SMTP_DATA_DOT] = "dot",
	[SMTP_DATA_DOT_CR] = "dot CR",
	[SMTP_DATA_ENDED] = "ended",
	[SMTP_DATA_SUSPECT_SEEN] = "suspect",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == SMTP_DATA_STATE_COUNT,
	"a name for each state");

const char *smtp_data_state_name(enum smtp_data_state s)
{
	return (unsigned)s < SMTP_DATA_STATE_COUNT ? state_names[s] : "unknown";
}

void smtp_data_init(struct smtp_data *d)
{
	d->state = SMTP_DATA_LINE_START;
}

static enum byte_class class_of(char c)
{
	switch (c) {
	case '\r':
		return CR;
	case '\n':
		return LF;
	case '.':
		return DOT;
	case '\0':
		return NUL;
	default:
		return OTHER;
	}
}

static enum smtp_data_state after(enum smtp_data_state state, char byte)
{
	return (enum smtp_data_state)next_state[state][class_of(byte)];
}

static bool holds_back(enum smtp_data_state state)
{
	return state == SMTP_DATA_DOT || state == SMTP_DATA_DOT_CR ||
	       state == SMTP_DATA_BARE_DOT;
}

/* In the middle of a line only CR and LF change anything. The window keeps a message of
   bare CRs from being searched again and again. */
static size_t inside_line(struct str rest)
{
	struct str window = str_take(rest, WINDOW);

	window = str_take(window, str_index(window, '\n'));
	return str_index(window, '\r');
}

/* How many bytes pass as they are, up to a dot that may begin an end. */
static size_t plain(enum smtp_data_state *state, struct str input)
{
	size_t at = 0;

	while (at < input.len) {
		enum smtp_data_state to;

		if (*state == SMTP_DATA_TEXT)
			at += inside_line(str_skip(input, at));
		if (at == input.len)
			break;
		to = after(*state, input.ptr[at]);
		if (holds_back(to))
			break;
		*state = to;
		at++;
	}
	return at;
}

/* The byte behind what is held back decides about it. */
static enum smtp_data_is decide(struct smtp_data *d, char next, struct str *ret_raw,
	struct str *ret_text, size_t *used)
{
	bool stuffed = d->state == SMTP_DATA_DOT;

	d->state = after(d->state, next);
	if (d->state == SMTP_DATA_SUSPECT_SEEN)
		return SMTP_DATA_SUSPECT;
	if (d->state == SMTP_DATA_TEXT) {
		/* its text goes on with `next`, which is not taken yet */
		*ret_raw = STR_LIT(".");
		*ret_text = stuffed ? STR_LIT("") : *ret_raw;
		return SMTP_DATA_BYTES;
	}
	++*used;
	return d->state == SMTP_DATA_ENDED ? SMTP_DATA_END : SMTP_DATA_NEED_MORE;
}

static enum smtp_data_is step(struct smtp_data *d, struct str rest, struct str *ret_raw,
	struct str *ret_text, size_t *used)
{
	size_t n;

	if (holds_back(d->state))
		return decide(d, rest.ptr[0], ret_raw, ret_text, used);
	n = plain(&d->state, rest);
	if (!n) {
		d->state = after(d->state, rest.ptr[0]);
		++*used;
		return SMTP_DATA_NEED_MORE;
	}
	*ret_raw = *ret_text = str_take(rest, n);
	*used += n;
	return SMTP_DATA_BYTES;
}

enum smtp_data_is smtp_data_next(struct smtp_data *d, struct str input,
	struct str *ret_raw, struct str *ret_text, size_t *ret_used)
{
	enum smtp_data_is is = SMTP_DATA_NEED_MORE;
	size_t used = 0;

	if (d->state == SMTP_DATA_ENDED)
		is = SMTP_DATA_END;
	if (d->state == SMTP_DATA_SUSPECT_SEEN)
		is = SMTP_DATA_SUSPECT;
	while (is == SMTP_DATA_NEED_MORE && used < input.len)
		is = step(d, str_skip(input, used), ret_raw, ret_text, &used);
	*ret_used = used;
	return is;
}

/* ---- the other way round ---- */

/* Takes what can be decided at once off the front. */
static int put_some(struct smtp_data *d, struct str *text, struct buf *out)
{
	struct str some = str_take(*text, 1);

	if (d->state == SMTP_DATA_BARE_DOT) {
		d->state = after(d->state, text->ptr[0]);
		if (d->state == SMTP_DATA_SUSPECT_SEEN)
			return -EILSEQ;
	} else if (d->state == SMTP_DATA_LINE_START && text->ptr[0] == '.') {
		d->state = SMTP_DATA_TEXT;
		*text = str_skip(*text, 1);
		return buf_append_c(out, "..");
	} else {
		some = str_take(*text, plain(&d->state, *text));
		if (!some.len) {
			some = str_take(*text, 1);
			d->state = after(d->state, text->ptr[0]);
		}
	}
	*text = str_skip(*text, some.len);
	return buf_append(out, some);
}

int smtp_data_put(struct smtp_data *d, struct str text, struct buf *out)
{
	int r = d->state == SMTP_DATA_SUSPECT_SEEN ? -EILSEQ : 0;

	while (text.len && r == 0)
		r = put_some(d, &text, out);
	return r;
}

int smtp_data_put_end(struct smtp_data *d, struct buf *out)
{
	bool is_whole = d->state == SMTP_DATA_LINE_START;

	if (d->state == SMTP_DATA_BARE_DOT || d->state == SMTP_DATA_SUSPECT_SEEN)
		return -EILSEQ;
	d->state = SMTP_DATA_ENDED;
	return buf_append_c(out, is_whole ? ".\r\n" : "\r\n.\r\n");
}
