/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/background.h"

#include "base/log.h"
#include "event/timer.h"
#include "mailstore/serve/kept.h"
#include "mailstore/serve/quota_warning.h"
#include "mailstore/serve/text_index.h"
#include "mailstore/serve/view_stored.h"

#include <errno.h>

#define PIECE_MS 8      /* that long a client may wait for it */
#define PIECE_ROWS 3000 /* whose flags are rewritten in about that time */
#define PAUSE_MS 24     /* between two pieces: a quarter of one processor at the most */
#define GATHER_MS 250   /* after new mail: what comes together is read with one commit */
#define GATHER_MOST_MS 2000 /* while more comes: it comes faster if it need not share */
#define REST_MS (10 * 60 * 1000) /* between two looks at what is left for later */

/* Headers first: lists are what clients show. Flags then: clients have them already.
   Images of mailboxes last, of what the flags are. */
static int build(struct serve *serve, bool *ret_done, struct error *err)
{
	int code = kept_build(serve->store, PIECE_MS, ret_done, err);

	if (code == 0 && *ret_done)
		code = text_index_build(serve, PIECE_MS, ret_done, err);
	if (code < 0 || !*ret_done)
		return code;
	code = store_rewrite_changed(serve->store, PIECE_ROWS, err);
	if (code == 1)
		return view_stored_build(serve->store, ret_done, err);
	*ret_done = false;
	return code < 0 ? code : 0;
}

/* What was not told because of an error is tried again with the next change. */
static void warn(struct background *b)
{
	struct error err = { 0 };
	unsigned percent = 0;
	int code;

	if (!b->has_changed)
		return;
	b->has_changed = false;
	code = quota_warn(b->serve, &percent, &err);
	if (code < 0)
		log_warning(NULL, "background", "account=%s error=\"%s\"", b->account,
			err.text);
	else if (percent)
		log_warning(NULL, "quota-warning", "account=%s percent=%u", b->account,
			percent);
}

static void on_timer(void *context)
{
	struct background *b = context;
	struct error err = { 0 };
	bool done = false;
	int code;

	b->rests = false;
	quiet_own_turn(&b->quiet, true);
	if (!b->watches || store_presence(b->serve->store) != STORE_THERE)
		return;
	warn(b);
	code = build(b->serve, &done, &err);
	if (code < 0 && code != b->failed)
		log_warning(NULL, "background", "account=%s error=\"%s\"", b->account,
			err.text);
	b->failed = code;
	/* after an error the next change of the mailbox begins anew */
	if (code == 0 && !done)
		timer_start(b->timer, PAUSE_MS);
	b->rests = code == 0 && done && store_grams_wait(b->serve->store);
	if (b->rests)
		timer_start(b->timer, REST_MS);
}

static void on_commit(void *context, int64_t mailbox)
{
	struct background *b = context;
	uint64_t now = loop_now(b->loop);

	b->has_changed = b->has_changed || mailbox;
	if (!mailbox)
		return;
	if (!timer_runs(b->timer) || b->rests)
		b->since = now;
	else if (now - b->since >= GATHER_MOST_MS)
		return;
	b->rests = false;
	timer_start(b->timer, GATHER_MS);
}

int background_init(
	struct background *b, const char *account, struct loop *loop, struct serve *serve)
{
	*b = (struct background){ .account = account, .loop = loop, .serve = serve };
	b->watch = (struct store_watch){ .changed = on_commit, .context = b };
	if (quiet_init(&b->quiet, loop, serve) < 0)
		return -ENOMEM;
	return timer_new(loop, on_timer, b, &b->timer);
}

void background_start(struct background *b)
{
	if (b->watches)
		return;
	store_watch(b->serve->store, &b->watch);
	b->watches = true;
	b->has_changed = true; /* the quota may be another one */
	b->since = loop_now(b->loop);
	timer_start(b->timer, PAUSE_MS);
}

bool background_works(const struct background *b)
{
	return b->watches && timer_runs(b->timer) && !b->rests;
}

void background_fini(struct background *b)
{
	if (b->watches)
		store_unwatch(b->serve->store, &b->watch);
	b->watches = false;
	timer_free(b->timer);
	b->timer = NULL;
	quiet_fini(&b->quiet);
}
