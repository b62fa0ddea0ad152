/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/judged.h"

#include "base/fd.h"
#include "messages/ask.h"

#include <inttypes.h>

static json_t *ask_numbers(const struct settings *s, const char *socket_name,
	enum message_type type, enum message_type wanted)
{
	struct message question = { .type = type }, answer;
	char bytes[IPC_MESSAGE_MAX];
	CLEANUP(fd_closep)
	int fd = ask_begin(s->run_dir, socket_name, &question, NULL);

	if (fd < 0 || ask_receive(fd, bytes, &ask_patience, &answer, NULL) < 0 ||
		answer.type != wanted)
		return NULL;
	return json_loadb(answer.payload.ptr, answer.payload.len, 0, NULL);
}

json_t *judged_ask(const struct settings *s)
{
	return ask_numbers(s, ADMISSION_SOCKET, MESSAGE_JUDGED, MESSAGE_JUDGED_IS);
}

json_t *tally_ask(const struct settings *s)
{
	return ask_numbers(s, INTERCEPTOR_SOCKET, MESSAGE_TALLY, MESSAGE_TALLY_IS);
}

uint64_t judged_number(const json_t *judged, const char *what)
{
	return (uint64_t)json_integer_value(json_object_get(judged, what));
}

void judged_print_queue(const json_t *judged, FILE *to)
{
	(void)fprintf(to,
		"%" PRIu64 " of %" PRIu64 " packets wait (at most %" PRIu64
		" so far), %" PRIu64 " dropped, %" PRIu64 " went on unjudged",
		judged_number(judged, "queue_waiting"),
		judged_number(judged, "queue_limit"),
		judged_number(judged, "queue_longest"),
		judged_number(judged, "queue_dropped"),
		judged_number(judged, "queue_overruns"));
}
