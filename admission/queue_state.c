/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "admission/queue_state.h"

/* A line: number, portid, waiting, copy mode, copy range, dropped, dropped because our
   socket had no room, the last packet's id, 1; padded by spaces. */
enum {
	NUMBER,
	PORTID,
	WAITING,
	COPY_MODE,
	COPY_RANGE,
	DROPPED,
	USER_DROPPED,
	LAST_ID,
	FIELDS
};

static bool read_line(struct str line, uint64_t fields[static FIELDS])
{
	for (int i = 0; i < FIELDS; i++) {
		while (line.len && line.ptr[0] == ' ')
			line = str_skip(line, 1);
		if (!str_to_u64(str_take(line, str_index(line, ' ')), &fields[i]))
			return false;
		line = str_skip(line, str_index(line, ' '));
	}
	return true;
}

/* The kernel counts packets in 32 bits: at 20,000 a second they wrap in two days. */
static void count_offered(struct queue_state *s, const struct queue_state *old)
{
	if (s->ports == old->ports) {
		s->offered = old->offered + (uint32_t)(s->ids - old->ids);
		s->before = old->before;
	} else {
		s->offered = s->ids; /* opened anew: ids begin at 1 */
	}
}

bool queue_state_read(
	struct str text, uint16_t first, uint16_t n, struct queue_state *state)
{
	struct queue_state s = { .longest = state->longest };
	bool any = false;

	while (text.len) {
		uint64_t fields[FIELDS];

		if (!read_line(str_split(&text, '\n'), fields) ||
			fields[NUMBER] < first || fields[NUMBER] >= (uint64_t)first + n)
			continue;
		any = true;
		s.waiting += fields[WAITING];
		s.dropped += fields[DROPPED] + fields[USER_DROPPED];
		s.ports += fields[PORTID];
		s.ids += (uint32_t)fields[LAST_ID];
		if (fields[WAITING] > s.longest)
			s.longest = fields[WAITING];
	}
	if (!any)
		return false;
	count_offered(&s, state);
	*state = s;
	return true;
}

void queue_state_begin(struct queue_state *state, uint64_t judged)
{
	uint64_t ours = state->waiting + judged;

	state->before = state->offered > ours ? state->offered - ours : 0;
}

uint64_t queue_state_overruns(const struct queue_state *state, uint64_t judged)
{
	uint64_t known = state->before + judged + state->waiting;

	return state->offered > known ? state->offered - known : 0;
}
