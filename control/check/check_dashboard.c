/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/check_dashboard.h"
#include "control/check/listen_file.h"
#include "control/running/part.h"

#include "base/address.h"
#include "base/fd.h"
#include "settings/loopback.h"
#include "settings/token_file.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Whoever listens there would be asked; nothing is sent. A listener whose queue is full
   lets the time pass: it is there, too. */
static bool is_answered(const struct sockaddr_storage *at)
{
	const struct timeval patience = { .tv_sec = 1 };
	CLEANUP(fd_closep) int fd = socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return false;
	return connect(fd, (const struct sockaddr *)at, address_length(at)) == 0 ||
	       errno == EAGAIN || errno == EINPROGRESS;
}

static int try_port(const struct sockaddr_storage *at)
{
	CLEANUP(fd_closep) int fd = socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)at, address_length(at)) < 0 ? -errno : 0;
}

/* ours: the program that is to listen there runs. */
static void check_place(const struct settings *s, struct findings *f, const char *name,
	const char *where, bool ours)
{
	struct sockaddr_storage at;
	int code = loopback_parse(where, &at);

	if (code < 0 || at.ss_family == AF_UNSPEC)
		return;
	if (is_answered(&at)) {
		finding(f, ours ? FINDING_OK : FINDING_PROBLEM, "listen", name, "%s %s",
			where,
			ours ? "is ours, mailferry runs"
			     : "is in use: another program listens there");
		return;
	}
	code = at.ss_family == AF_UNIX
	               ? listen_file_try(s, ((struct sockaddr_un *)&at)->sun_path)
	               : try_port(&at);
	finding(f, code < 0 ? FINDING_PROBLEM : FINDING_OK, "listen", name, "%s %s%s",
		where, code < 0 ? "cannot be listened on: " : "is free",
		code < 0 ? strerror(-code) : "");
}

static void check_token(struct control *c, struct findings *f)
{
	const char *path = c->settings.dashboard.token_file;
	struct error err;
	struct buf file;
	struct str token;
	int code;

	if (access(path, F_OK) < 0 && errno == ENOENT) {
		finding(f, FINDING_OK, "files", "token_file",
			"%s, made at the first start", path);
		return;
	}
	buf_init(&file, 0);
	code = token_file_read(path, &file, &token, &err);
	finding(f, code < 0 ? FINDING_PROBLEM : FINDING_OK, "files", "token_file", "%s",
		code < 0 ? err.text : path);
	buf_wipe(&file);
	buf_fini(&file);
}

void check_dashboard(struct control *c, struct findings *f)
{
	const struct settings *s = &c->settings;

	check_place(s, f, "metrics", s->metrics, part_holder(s, DUTY_METRICS) > 0);
	if (!*s->dashboard.listen)
		return;
	check_place(s, f, "dashboard", s->dashboard.listen,
		state_lock_holder(s, STATE_LOCK_DASHBOARD) > 0);
	check_token(c, f);
}
