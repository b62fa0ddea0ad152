/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/kept.h"

#include "control/running/notify.h"

#include "base/fd.h"
#include "base/log.h"
#include "messages/message.h"
#include "messages/takeover.h"
#include "settings/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whose sockets are kept. */
static const struct owner {
	enum up_program program;
	const char *name, *socket;
} owners[] = {
	{ UP_INTERCEPTOR, "interceptor", INTERCEPTOR_SOCKET },
	{ UP_ADMISSION, "admission", ADMISSION_SOCKET },
};
#define OWNERS (sizeof(owners) / sizeof(owners[0]))

/* ── names ─────────────────────────────────────────────────────────────────────────── */

static bool read_owner(struct str word, enum up_program *ret)
{
	for (size_t i = 0; i < OWNERS; i++)
		if (str_eq(word, str_from(owners[i].name))) {
			*ret = owners[i].program;
			return true;
		}
	return false;
}

static bool is_word(struct str word)
{
	for (size_t i = 0; i < word.len; i++)
		if (word.ptr[i] < 'a' || word.ptr[i] > 'z')
			return false;
	return word.len && word.len <= KEPT_WORD_MAX;
}

bool kept_read_name(struct str name, struct kept_socket *ret)
{
	struct kept_socket k = { .fd = -1 };
	struct str owner = str_split(&name, '.'), what = str_split(&name, '.');
	uint64_t number;

	if (!read_owner(owner, &k.program) || !is_word(what) ||
		!str_to_u64(name, &number) || number > UINT32_MAX)
		return false;
	memcpy(k.what, what.ptr, what.len);
	k.number = (uint32_t)number;
	*ret = k;
	return true;
}

/* ── at the start ──────────────────────────────────────────────────────────────────── */

static void take_one(void *context, const char *name, int fd)
{
	struct kept *k = context;
	struct kept_socket one;

	if (k->n < KEPT_MAX && kept_read_name(str_from(name), &one)) {
		one.fd = fd;
		k->sockets[k->n++] = one;
	} else {
		fd_closep(&fd);
	}
}

struct kept *kept_take(void)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k)
		abort(); /* else they would stay open */
	notify_take_kept(take_one, k);
	if (k->n)
		return k;
	free(k);
	return NULL;
}

void kept_free(struct kept *k)
{
	for (size_t i = 0; k && i < k->n; i++)
		fd_closep(&k->sockets[i].fd);
	free(k);
}

/* ── to the programs ───────────────────────────────────────────────────────────────── */

#define QUEUE_BYTES (4u << 20)

static void on_message(void *context, struct channel *c, struct packet *p)
{
	(void)context;
	(void)p;
	channel_shut(c); /* it has nothing to say here */
}

static void on_lost(void *context, struct channel *c, int code)
{
	(void)context;
	(void)code;
	channel_close(c); /* with what it has not taken */
}

static const struct channel_ops ops = { .message = on_message,
	.lost = on_lost,
	.bytes_max = QUEUE_BYTES,
	.fds_max = KEPT_MAX };

static int send_all(struct kept *k, enum up_program program, struct channel *to)
{
	const struct message last = { .type = MESSAGE_TAKEN_OVER };

	for (size_t i = 0; i < k->n; i++) {
		struct kept_socket *one = &k->sockets[i];
		const struct message m = { .type = MESSAGE_HANDED,
			.text = str_from(one->what),
			.number = one->number };
		int r;

		if (one->program != program || one->fd < 0)
			continue;
		r = message_send(to, &m, one->fd);
		if (r < 0)
			return r;
		one->fd = -1;
	}
	return message_send(to, &last, -1);
}

static bool has_any(const struct kept *k, enum up_program program)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->sockets[i].program == program)
			return true;
	return false;
}

static int hand(struct kept *k, struct loop *loop, struct daemon *to,
	enum up_program program, struct channel *c)
{
	int pair[2], r = ipc_pair(pair);

	if (r < 0)
		return r;
	r = channel_open(c, loop, pair[0], &ops, NULL);
	if (r < 0)
		fd_closep(&pair[0]);
	else
		r = send_all(k, program, c);
	if (r == 0)
		to->handed = fd_steal(&pair[1]);
	else
		channel_close(c);
	fd_closep(&pair[1]);
	return r;
}

int kept_hand(struct kept *k, struct loop *loop, struct generations *programs,
	unsigned which, struct channel channels[static UP_PROGRAM_COUNT])
{
	int r = 0;

	for (size_t i = 0; k && i < OWNERS && r == 0; i++) {
		enum up_program program = owners[i].program;

		if (which >> program & 1 && has_any(k, program))
			r = hand(k, loop, generations_current(programs, program), program,
				&channels[program]);
	}
	kept_free(k); /* what nobody wants */
	return r;
}

/* ── at the end ────────────────────────────────────────────────────────────────────── */

struct leaving {
	const struct owner *owner;
	size_t n;
};

static int leave_one(void *context, const struct message *m, int fd, struct error *err)
{
	struct leaving *l = context;
	char name[KEPT_NAME_MAX + 1];
	struct kept_socket one;
	int len = snprintf(name, sizeof(name), "%s.%.*s.%" PRIu64, l->owner->name,
		STR_ARG(m->text), m->number);
	int r = 0;

	/* the next one opens its own door, and counts anew */
	if (m->type == MESSAGE_HANDED && fd >= 0 &&
		!str_eq(m->text, STR_LIT(TAKEOVER_DOOR)) &&
		!str_eq(m->text, STR_LIT(TAKEOVER_MEMORY)) && len < (int)sizeof(name) &&
		kept_read_name(str_from(name), &one)) {
		r = notify_keep(name, fd);
		l->n += r == 0;
	}
	fd_closep(&fd);
	return r < 0 ? error_errno(err, r, "systemd does not keep %s", name) : 0;
}

static void leave_all_of(const char *run_dir, const struct owner *owner)
{
	struct leaving l = { owner, 0 };
	struct message last;
	struct error err = { 0 };
	int fd = takeover_begin(run_dir, owner->socket, leave_one, &l, &last, &err);

	if (fd < 0)
		log_warning(
			NULL, "keep", "program=%s error=\"%s\"", owner->name, err.text);
	log_info(NULL, "keep", "program=%s sockets=%zu", owner->name, l.n);
	fd_closep(&fd);
}

bool kept_concerns(unsigned programs)
{
	for (size_t i = 0; i < OWNERS; i++)
		if (programs >> owners[i].program & 1)
			return true;
	return false;
}

void kept_leave(const char *run_dir, unsigned programs)
{
	for (size_t i = 0; i < OWNERS; i++)
		if (programs >> owners[i].program & 1)
			leave_all_of(run_dir, &owners[i]);
	notify_wait();
}
