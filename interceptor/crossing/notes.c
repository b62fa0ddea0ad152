/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/crossing/notes.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define DETAIL_MAX 80 /* "imap [2001:db8::1]:50000" */

struct crossing_note {
	STAILQ_ENTRY(crossing_note) next;
	int64_t account;
	uint64_t at;
	bool handed;
	char detail[DETAIL_MAX];
};

void crossing_notes_init(struct crossing_notes *c)
{
	STAILQ_INIT(&c->all);
	c->n = 0;
}

bool crossing_notes_add(
	struct crossing_notes *c, int64_t account, bool handed, const char *detail)
{
	struct crossing_note *note =
		c->n < CROSSING_NOTES_MAX ? calloc(1, sizeof(*note)) : NULL;

	if (!note)
		return false;
	note->account = account;
	note->at = clock_wall_ms();
	note->handed = handed;
	(void)snprintf(note->detail, sizeof(note->detail), "%s", detail);
	STAILQ_INSERT_TAIL(&c->all, note, next);
	c->n++;
	return true;
}

static void drop_first(struct crossing_notes *c)
{
	struct crossing_note *note = STAILQ_FIRST(&c->all);

	STAILQ_REMOVE_HEAD(&c->all, next);
	c->n--;
	free(note);
}

void crossing_notes_write(struct crossing_notes *c, struct registry *r)
{
	const struct crossing_note *note;
	struct error err;

	while ((note = STAILQ_FIRST(&c->all)) != NULL) {
		int code = registry_note_session(r, note->account, note->at,
			note->handed ? STR_LIT("handed over") : STR_LIT("ended by BYE"),
			str_from(note->detail), &err);

		if (code == -EBUSY)
			return;
		if (code < 0)
			log_error(NULL, "registry", "error=\"%s\"", err.text);
		drop_first(c);
	}
}

void crossing_notes_fini(struct crossing_notes *c)
{
	while (!STAILQ_EMPTY(&c->all))
		drop_first(c);
}
