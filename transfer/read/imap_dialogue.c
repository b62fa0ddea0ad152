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

/* An answer belongs to a question that was asked in this dialogue, or to nobody. */
static bool is_ours(const struct imap_connection *imap, const struct imap_dialogue *d,
	const struct imap_response *is, uint32_t *ret_nth)
{
	uint32_t tag, first = imap->next_tag - d->ahead;

	*ret_nth = 0;
	if (!is->tag.len)
		return true;
	if (!str_to_u32(str_skip(is->tag, 1), &tag) || tag < first ||
		tag > imap->next_tag)
		return false;
	*ret_nth = tag - first;
	return true;
}

static bool is_the_end(const struct imap_response *is)
{
	return is->kind == IMAP_IS_STATUS &&
	       (is->tag.len || is->status == IMAP_STATUS_BYE);
}

static int one_answer(struct imap_connection *imap, struct str line,
	struct imap_dialogue *d, struct imap_response *ret, struct error *err)
{
	uint32_t nth;
	int r;

	if (!imap_response_parse(line, ret) || !is_ours(imap, d, ret, &nth))
		return imap_dialogue_nonsense(line, err);
	r = imap_dialogue_learn(imap, line);
	if (r == 0 && ret->kind == IMAP_IS_CONTINUATION)
		r = next_step(imap, d);
	if (r == 0 && d->untagged && !ret->tag.len && ret->kind != IMAP_IS_CONTINUATION)
		r = d->untagged(d->context, ret);
	if (r == 0 && d->tagged && ret->tag.len && is_the_end(ret))
		r = d->tagged(d->context, nth, ret);
	if (r == -EPROTO)
		return imap_dialogue_nonsense(line, err);
	return r < 0 ? error_set(err, r, "no memory") : r;
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
	uint32_t left = d->ahead + 1;
	struct str line;
	size_t used;
	int r = 0;

	while (r == 0 && left) {
		r = imap_dialogue_response(imap, d, patience_ms, &line, &used, err);
		if (r == 0)
			r = one_answer(imap, line, d, ret, err);
		if (r)
			return r;
		if (is_the_end(ret))
			left = ret->status == IMAP_STATUS_BYE ? 0 : left - 1;
		if (!left)
			keep(&imap->arena, ret);
		buf_consume(&imap->net.in, used);
	}
	return ret->code.ptr && ret->code_value.ptr && ret->text.ptr
	               ? 0
	               : error_set(err, -ENOMEM, "no memory");
}
