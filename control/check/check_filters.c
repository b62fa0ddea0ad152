/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/check_filters.h"

#include "control/check/outsider.h"
#include "control/check/talk.h"

#include "settings/milter.h"
#include "wire/milter/milter.h"

#include <errno.h>
#include <string.h>

#define PATIENCE_MS 3000
#define READ_SIZE 4096

/* Its offer is all that is asked for. */
static int converse(struct talk *t)
{
	static const struct milter_mail nothing;
	struct milter m;
	struct buf out;
	int r = talk_connected(t);

	buf_init(&out, 2 * MILTER_PIECE);
	milter_init(&m, &nothing, &out);
	while (r == 0 && m.state == MILTER_NEGOTIATE) {
		size_t used;
		enum milter_action action = milter_next(&m, buf_view(&t->in), &used);

		buf_consume(&t->in, used);
		if (action == MILTER_BROKEN) {
			r = -EPROTO;
		} else if (action == MILTER_NEED_MORE) {
			r = talk_say(t, buf_view(&out));
			buf_clear(&out);
			r = r < 0 ? r : talk_read(t, READ_SIZE);
		}
	}
	milter_fini(&m);
	buf_fini(&out);
	return r;
}

static int ask(void *context, struct error *err)
{
	struct talk t;
	int r = talk_begin(
		&t, milter_connect(context), PATIENCE_MS, MILTER_PACKET_MAX + READ_SIZE);

	(void)err;
	if (r < 0)
		return r;
	r = converse(&t);
	talk_end(&t);
	return r;
}

static int probe(const struct settings *s, char *where)
{
	static const struct outsider asker = { .ask = ask };
	char nothing = 0;

	return outsider_ask(s, &asker, where, &nothing, sizeof(nothing), NULL);
}

bool is_mail_unfiltered(const struct settings *s)
{
	return s->services[SERVICE_SMTP].enabled && !s->milters.n;
}

void check_filters(struct control *c, struct findings *f)
{
	const struct settings *s = &c->settings;

	if (is_mail_unfiltered(s))
		finding(f, FINDING_NOTE, "smtp", "filter",
			"mail for accounts that live here is not filtered: content "
			"filters of the source (spam, viruses, signatures) do not see "
			"it; if it has some, name yours in `milter`");
	for (size_t i = 0; i < s->milters.n; i++) {
		char *where = s->milters.paths[i];
		int r = probe(s, where);

		if (r == 0)
			finding(f, FINDING_OK, "smtp", "filter", "%s answers", where);
		else if (r == -EPROTO)
			finding(f, FINDING_PROBLEM, "smtp", "filter",
				"%s: does not speak the milter protocol", where);
		else
			finding(f, FINDING_PROBLEM, "smtp", "filter",
				"%s: cannot be reached (%s)", where, strerror(-r));
	}
}
