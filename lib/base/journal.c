/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/journal.h"

#include "base/fd.h"
#include "base/log_line.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define SOCKET_PATH "/run/systemd/journal/socket"
#define ENTRY_MAX 6144 /* a log line of 2 KiB twice, and names of fields */
#define SESSION_MAX 64 /* ours have fewer than 32 */

int journal_open(void)
{
	static const struct sockaddr_un there = { AF_UNIX, SOCKET_PATH };
	CLEANUP(fd_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&there, sizeof(there)) < 0)
		return -errno;
	return fd_steal(&fd);
}

bool journal_is_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(2, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/* ---- one entry ---- */

struct entry {
	char bytes[ENTRY_MAX];
	size_t len;
};

/* What does not fit is left out: the line itself comes first. */
static void put_field(struct entry *e, const char *name, struct str value)
{
	size_t room = sizeof(e->bytes) - e->len, need = strlen(name) + value.len + 2;

	if (!value.len || need >= room)
		return;
	e->len += (size_t)snprintf(
		e->bytes + e->len, room, "%s=%.*s\n", name, STR_ARG(value));
}

bool journal_put(int fd, const struct journal_entry *from)
{
	struct entry e = { .len = 0 };
	char session[SESSION_MAX];

	/* another of our processes may have named it: it begins no field of its own */
	(void)snprintf(
		session, sizeof(session), "%s", from->session ? from->session : "-");
	utf8_make_harmless(session, strlen(session));
	e.len = (size_t)snprintf(e.bytes, sizeof(e.bytes),
		"PRIORITY=%d\nSYSLOG_IDENTIFIER=mailferry-%s\nEVENT=%s\nMESSAGE=%s %s %.*s\n",
		from->priority, from->program, from->event, session, from->event,
		STR_ARG(from->text));
	if (e.len >= sizeof(e.bytes))
		return false;
	if (from->session)
		put_field(&e, "SESSION", str_from(session));
	put_field(&e, "ACCOUNT", log_value(from->text, STR_LIT("account")));
	put_field(&e, "SERVICE", log_value(from->text, STR_LIT("service")));
	put_field(&e, "CLIENT", log_value(from->text, STR_LIT("client")));
	return send(fd, e.bytes, e.len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}
