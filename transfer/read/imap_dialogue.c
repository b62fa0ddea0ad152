/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/imap_dialogue.h"

#include "base/clock.h"
#include "wire/imap/prelogin.h"

#include <errno.h>

#define TICK_MS 200

int imap_dialogue_nonsense(struct str line, struct error *err)
{
	return error_set(err, -EPROTO, "the source does not speak IMAP: \"%.*s\"",
		STR_ARG(str_take(str_trim(line), 80)));
}

/* A source that takes what we say is not silent. */
static int flush(struct source_connection *net, struct error *err)
{
	size_t before = buf_len(&net->out);
	int r = source_connection_flush(net, err);

	if (buf_len(&net->out) < before)
		net->heard_at = clock_monotonic_ms();
	return r;
}

int imap_dialogue_response(struct imap_connection *imap, const struct imap_dialogue *d,
	unsigned patience_ms, struct str *ret_line, size_t *ret_used, struct error *err)
{
	struct source_connection *const connections[] = { &imap->net };
	unsigned ms = d->tick && patience_ms > TICK_MS ? TICK_MS : patience_ms;
	int r = 0;

	while (r >= 0) {
		enum imap_response_event is =
			imap_connection_next(imap, ret_line, ret_used);

		if (is == IMAP_RESPONSE_COMPLETE)
			return 0;
		if (is != IMAP_RESPONSE_NEED_MORE)
			return imap_dialogue_nonsense(buf_view(&imap->net.in), err);
		r = d->tick ? d->tick(d->tick_context) : 0;
		if (r)
			return r;
		r = flush(&imap->net, err);
		if (r == 0)
			r = source_connection_wait(connections, 1, ms, patience_ms, err);
		if (r == 0)
			r = source_connection_fill(&imap->net, err);
	}
	return r;
}

int imap_dialogue_learn(struct imap_connection *imap, struct str line)
{
	struct str list;

	if (!imap_capability_of(line, &list))
		return 0;
	buf_clear(&imap->capability);
	imap->capabilities++;
	return buf_append(&imap->capability, list);
}

/* A server that wants more than we have is told so: "*" ends it with its BAD. */
static int next_step(struct imap_connection *imap, struct imap_dialogue *d)
{
	struct str step = STR("*\r\n");

	if (d->next < d->n)
		step = d->steps[d->next++];
	return buf_append(&imap->net.out, step);
}

/* An answer belongs to the last question, or to nobody. */
static bool is_ours(const struct imap_connection *imap, const struct imap_response *is)
{
	uint32_t tag;

	return !is->tag.len ||
	       (str_to_u32(str_skip(is->tag, 1), &tag) && tag == imap->next_tag);
}

static int one_answer(struct imap_connection *imap, struct str line,
	struct imap_dialogue *d, struct imap_response *ret, struct error *err)
{
	int r;

	if (!imap_response_parse(line, ret) || !is_ours(imap, ret))
		return imap_dialogue_nonsense(line, err);
	r = imap_dialogue_learn(imap, line);
	if (r == 0 && ret->kind == IMAP_IS_CONTINUATION)
		r = next_step(imap, d);
	if (r == 0 && d->untagged && !ret->tag.len && ret->kind != IMAP_IS_CONTINUATION)
		r = d->untagged(d->context, ret);
	if (r == -EPROTO)
		return imap_dialogue_nonsense(line, err);
	return r < 0 ? error_set(err, r, "no memory") : r;
}

static bool is_the_end(const struct imap_response *is)
{
	return is->kind == IMAP_IS_STATUS &&
	       (is->tag.len || is->status == IMAP_STATUS_BYE);
}

/* The views would die with the line. */
static void keep(struct arena *arena, struct imap_response *is)
{
	is->code = arena_str(arena, is->code);
	is->code_value = arena_str(arena, is->code_value);
	is->text = arena_str(arena, is->text);
}

int imap_dialogue(struct imap_connection *imap, struct imap_dialogue *d,
	unsigned patience_ms, struct imap_response *ret, struct error *err)
{
	bool is_end = false;
	struct str line;
	size_t used;
	int r = 0;

	while (r == 0 && !is_end) {
		r = imap_dialogue_response(imap, d, patience_ms, &line, &used, err);
		if (r == 0)
			r = one_answer(imap, line, d, ret, err);
		if (r)
			return r;
		is_end = is_the_end(ret);
		if (is_end)
			keep(&imap->arena, ret);
		buf_consume(&imap->net.in, used);
	}
	return ret->code.ptr && ret->code_value.ptr && ret->text.ptr
	               ? 0
	               : error_set(err, -ENOMEM, "no memory");
}
