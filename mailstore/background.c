/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/background.h"

#include "base/log.h"
#include "event/timer.h"
#include "mailstore/serve/kept.h"

#define PIECE_MS 8    /* that long a client may wait for it */
#define PAUSE_MS 24   /* between two pieces: a quarter of one processor at the most */
#define GATHER_MS 250 /* after new mail: what comes together is read with one commit */

static void on_timer(void *context)
{
	struct background *b = context;
	struct error err = { 0 };
	bool done = false;
	int code;

	if (!b->watches || store_presence(b->serve->store) != STORE_THERE)
		return;
	code = kept_build(b->serve->store, PIECE_MS, &done, &err);
	if (code < 0 && code != b->failed)
		log_warning(NULL, "background", "account=%s error=\"%s\"", b->account,
			err.text);
	b->failed = code;
	/* after an error the next change of the mailbox begins anew */
	if (code == 0 && !done)
		timer_start(b->timer, PAUSE_MS);
}

static void on_commit(void *context, int64_t mailbox)
{
	struct background *b = context;

	if (mailbox && !timer_runs(b->timer))
		timer_start(b->timer, GATHER_MS);
}

int background_init(
	struct background *b, const char *account, struct loop *loop, struct serve *serve)
{
	*b = (struct background){ .account = account, .serve = serve };
	b->watch = (struct store_watch){ .changed = on_commit, .context = b };
	return timer_new(loop, on_timer, b, &b->timer);
}

void background_start(struct background *b)
{
	if (b->watches)
		return;
	store_watch(b->serve->store, &b->watch);
	b->watches = true;
	timer_start(b->timer, PAUSE_MS);
}

void background_fini(struct background *b)
{
	if (b->watches)
		store_unwatch(b->serve->store, &b->watch);
	b->watches = false;
	timer_free(b->timer);
	b->timer = NULL;
}
