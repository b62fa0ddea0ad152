/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A relayed session that is read along, and then crosses. Each line of the input is said
 * by the client (C), by the server (S) or is the switch (X) or the way back (B);
 * `\1` in a server's line is the tag that we gave last, which no other byte can make.
 *
 *   - it ends the same however the bytes are cut
 *   - no UID twice, in order, and as many as the client knows of
 *   - while we ask, the client hears untagged responses alone
 *   - between two commands it hears of no EXPUNGE that the crossing has brought about
 */
#include "fuzz.h"
#include "wire/imap/cross.h"

#include <stdlib.h>
#include <string.h>

struct scene {
	struct imap_follow follow;
	struct imap_cross cross;
	bool crosses, knows;
	struct buf input, to_source, to_client;
};

static void check_clean(const struct scene *s)
{
	const struct imap_selection *selected = &s->follow.selected;
	const struct imap_numbers *known = &s->follow.numbers;

	if (!imap_follow_is_quiet(&s->follow))
		abort();
	if (selected->state == IMAP_SELECTION_KNOWN && known->n != selected->count)
		abort();
	for (uint32_t i = 0; i < known->n; i++)
		if (!known->uids[i] || (i && known->uids[i] <= known->uids[i - 1]))
			abort();
}

/* As RFC 9051 writes it; a number of ten digits may be none. */
static bool is_expunge(struct str response)
{
	size_t digits = 0;

	response = str_skip(response, 2);
	if (str_istarts(response, STR_LIT("VANISHED ")))
		return true;
	while (digits < response.len && response.ptr[digits] >= '0' &&
		response.ptr[digits] <= '9')
		digits++;
	response = str_skip(response, digits);
	return digits && digits < 10 &&
	       (str_istarts(response, STR_LIT(" EXPUNGE\r")) ||
		       str_istarts(response, STR_LIT(" EXPUNGE\n")));
}

/* What goes on to the client while it crosses are whole responses. */
static void check_forward(
	const struct scene *s, enum imap_cross_state was, struct str forward)
{
	if (was != IMAP_CROSS_IN_ASKING || !forward.len)
		return;
	if (!str_starts(forward, STR_LIT("* ")))
		abort();
	if (!imap_cross_idle_tag(&s->cross).len && is_expunge(forward))
		abort();
}

static void read_server(struct scene *s)
{
	enum imap_cross_event event;
	struct str forward;
	size_t used;

	do {
		enum imap_cross_state was = s->cross.state;

		event = imap_cross_next(
			&s->cross, buf_view(&s->input), &forward, &used, &s->to_source);
		if (used > buf_len(&s->input) || buf_append(&s->to_client, forward) < 0)
			abort();
		check_forward(s, was, forward);
		buf_consume(&s->input, used);
		s->knows |= event == IMAP_CROSS_CLEAN;
		if (event == IMAP_CROSS_CLEAN)
			check_clean(s);
	} while (event == IMAP_CROSS_AGAIN);
}

static void server(struct scene *s, struct str bytes)
{
	if (!s->crosses) {
		imap_follow_source(&s->follow, bytes);
		(void)buf_append(&s->to_client, bytes);
		return;
	}
	(void)buf_append(&s->input, bytes);
	read_server(s);
}

static void begin_to_cross(struct scene *s)
{
	if (s->crosses || !imap_follow_can_cross(&s->follow))
		return;
	s->crosses = true;
	imap_cross_init(&s->cross, &s->follow, STR_LIT("\1"));
	if (imap_cross_begin(&s->cross, &s->to_source) < 0)
		abort();
}

static void go_back(struct scene *s)
{
	if (!s->crosses || !imap_cross_return(&s->cross, &s->to_source) ||
		s->cross.state != IMAP_CROSS_OVER)
		return;
	s->crosses = false;
	imap_follow_source(&s->follow, buf_view(&s->input));
	buf_clear(&s->input);
}

static void line(struct scene *s, struct str said, size_t piece)
{
	char who = said.len ? said.ptr[0] : '\0';

	if (who == 'X')
		begin_to_cross(s);
	if (who == 'B')
		go_back(s);
	/* the client is not read while it crosses */
	for (said = str_skip(said, 1); said.len; said = str_skip(said, piece)) {
		if (who == 'C' && !s->crosses)
			imap_follow_client(&s->follow, str_take(said, piece));
		if (who == 'S')
			server(s, str_take(said, piece));
	}
}

/* What is known at the end goes to *known, with what the client has heard. */
static void run(struct str input, size_t piece, struct buf *known)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	imap_follow_init(&s->follow);
	while (input.len) {
		size_t end = str_index(input, '\n');

		line(s, str_take(input, end + 1), piece);
		input = str_skip(input, end + 1);
	}
	if (buf_printf(known, "%d %d %d %llu %u %u|", s->follow.lost != NULL, s->knows,
		    (int)s->follow.selected.state,
		    (unsigned long long)s->follow.selected.count, s->follow.n_commands,
		    s->follow.enabled) < 0 ||
		buf_append(known, buf_view(&s->to_source)) < 0)
		abort();
	imap_follow_fini(&s->follow);
	buf_fini(&s->input);
	buf_fini(&s->to_source);
	buf_fini(&s->to_client);
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, pieces;
	struct str input;

	if (size < 2)
		return 0;
	input = str_of(data + 1, size - 1);
	buf_init(&whole, 0);
	buf_init(&pieces, 0);
	run(input, input.len, &whole);
	run(input, data[0] % 16 + 1u, &pieces);
	if (!str_eq(buf_view(&whole), buf_view(&pieces)))
		abort();
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
