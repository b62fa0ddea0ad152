/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/service.h"

#include "wire/mime/search.h"

#include <errno.h>
#include <stdio.h>

#define INPUT_MAX 524288 /* above the longest command and what came with it */

void serve_begin(struct serve *serve)
{
	serve->reads_as = mime_text_version();
}

static int begin(struct session *s, const struct login *login)
{
	int r;

	switch (login->kind) {
	case LOGIN_NEW:
		r = buf_append(&s->in, login->payload);
		return r < 0 ? r : s->ops->open(s, login->tag);
	case LOGIN_CROSSED:
		return s->ops->resume ? s->ops->resume(s, login->tag, login->payload)
		                      : -EINVAL;
	case LOGIN_WOKEN:
		return s->ops->wake ? s->ops->wake(s, login->payload) : -EINVAL;
	case LOGIN_KIND_COUNT:
		break;
	}
	return -EINVAL;
}

int session_open(struct session *s, const struct service_ops *ops, struct serve *serve,
	const struct login *login)
{
	int r;

	*s = (struct session){ .ops = ops, .serve = serve };
	buf_init(&s->in, INPUT_MAX);
	output_init(&s->out);
	(void)snprintf(s->id, sizeof(s->id), "%.*s", STR_ARG(login->session));
	r = begin(s, login);
	if (r < 0)
		session_close(s);
	return r;
}

enum service_need session_run(struct session *s)
{
	if (output_is_full(&s->out))
		return SERVICE_OUTPUT;
	return s->ops->run(s);
}

void session_rest(struct session *s)
{
	if (!buf_len(&s->in))
		buf_fini(&s->in);
	if (output_is_empty(&s->out))
		buf_fini(&s->out.text);
}

/* One that takes nothing is not kept alive. */
bool session_keepalive(struct session *s)
{
	return s->ops->keepalive && output_is_empty(&s->out) && s->ops->keepalive(s);
}

int session_hibernate(struct session *s, struct buf *out)
{
	if (!s->ops->hibernate || s->end || s->deflated || s->uncommitted ||
		buf_len(&s->in) || !output_is_empty(&s->out))
		return -EBUSY;
	return s->ops->hibernate(s, out);
}

void session_bye(struct session *s, const char *why)
{
	if (!s->end)
		s->ops->bye(s, why);
	s->end = why;
}

void session_close(struct session *s)
{
	if (s->state)
		s->ops->close(s);
	s->state = NULL;
	buf_fini(&s->in);
	output_fini(&s->out);
}
