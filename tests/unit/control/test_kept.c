/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sockets that systemd kept over a restart: whatever their names and number, none stays
   open that is not known, and systemd is told to forget each. */
#include "control/running/kept.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST 3 /* where systemd puts them */
#define LONG_WORD "abcdefghijklmnopqrstuvwxyzabcdefgh"

/* ── names ─────────────────────────────────────────────────────────────────────────── */

static const struct name_row {
	const char *name;
	int program; /* -1: none of ours */
	const char *what;
	uint32_t number;
} name_rows[] = {
	{ "interceptor.imap.0", UP_INTERCEPTOR, "imap", 0 },
	{ "interceptor.lmtp.255", UP_INTERCEPTOR, "lmtp", 255 },
	{ "admission.queue.19782", UP_ADMISSION, "queue", 19782 },
	{ "admission.queue.4294967295", UP_ADMISSION, "queue", UINT32_MAX },
	{ "admission.queue.4294967296", -1, NULL, 0 },
	{ "admission.queue.99999999999999999999999", -1, NULL, 0 },
	{ "admission.queue.-1", -1, NULL, 0 },
	{ "admission.queue.1x", -1, NULL, 0 },
	{ "admission.queue.", -1, NULL, 0 },
	{ "admission.queue", -1, NULL, 0 },
	{ "admission..1", -1, NULL, 0 },
	{ "admission", -1, NULL, 0 },
	{ "", -1, NULL, 0 },
	{ "...", -1, NULL, 0 },
	{ "vault.keys.0", -1, NULL, 0 },
	{ "interceptor.IMAP.0", -1, NULL, 0 },
	{ "interceptor.im ap.0", -1, NULL, 0 },
	{ "interceptor.imap.0.1", -1, NULL, 0 },
	{ "interceptor." LONG_WORD ".0", -1, NULL, 0 },
	{ "interceptor.imap\n.0", -1, NULL, 0 },
	{ "unknown", -1, NULL, 0 },
};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(name_rows) / sizeof(name_rows[0]); i++) {
		const struct name_row *row = &name_rows[i];
		struct kept_socket k = { .fd = 7 };
		bool known = kept_read_name(str_from(row->name), &k);

		if (known != (row->program >= 0))
			fail_msg("\"%s\"", row->name);
		if (!known) {
			assert_int_equal(k.fd, 7); /* written on success only */
			continue;
		}
		assert_int_equal(k.program, row->program);
		assert_string_equal(k.what, row->what);
		assert_int_equal(k.number, row->number);
		assert_int_equal(k.fd, -1);
	}
}

/* ── what systemd hands over ───────────────────────────────────────────────────────── */

static const struct take_row {
	const char *title;
	const char *count, *names;
	bool is_for_us; /* LISTEN_PID */
	unsigned open;  /* descriptors that there are, from FIRST on */
	unsigned taken; /* a bit for each that is to be kept */
	unsigned left;  /* and that is still open, though it is not */
	const char *told;
} take_rows[] = {
	{ "two", "2", "interceptor.imap.0:admission.queue.19782", true, 2, 3, 0,
		"interceptor.imap.0 admission.queue.19782 barrier " },
	{ "one that is not ours", "3", "interceptor.imap.0:stored:interceptor.smtp.1",
		true, 3, 5, 0, "interceptor.imap.0 stored interceptor.smtp.1 barrier " },
	{ "one name for two", "2", "interceptor.imap.0:interceptor.imap.0", true, 2, 3, 0,
		"interceptor.imap.0 interceptor.imap.0 barrier " },
	{ "a name that would say more", "1", "interceptor.imap.0\nMAINPID=1", true, 1, 0,
		0, "barrier " },
	{ "no names", "2", NULL, true, 2, 0, 0, "unknown unknown barrier " },
	{ "names that are empty", "2", ":", true, 2, 0, 0, "barrier " },
	{ "too few names", "2", "interceptor.imap.0", true, 2, 0, 0, "barrier " },
	{ "too many names", "1", "interceptor.imap.0:interceptor.imap.1", true, 1, 0, 0,
		"barrier " },
	{ "none", "0", "", true, 1, 0, 1, "" },
	{ "less than none", "-1", "interceptor.imap.0", true, 1, 0, 1, "" },
	{ "no number", "two", "interceptor.imap.0", true, 1, 0, 1, "" },
	{ "more than there can be", "99999999999", "interceptor.imap.0", true, 1, 0, 1,
		"" },
	{ "more than there are", "3", "a:b:c", true, 1, 0, 1, "" },
	{ "another process's", "1", "interceptor.imap.0", false, 1, 0, 1, "" },
};

static void set(const char *name, const char *value)
{
	if (value)
		assert_int_equal(setenv(name, value, 1), 0);
	else
		assert_int_equal(unsetenv(name), 0);
}

/* What systemd was told, in short. A barrier is passed as systemd does it: by closing
   what came with it. */
static void listen_to(int socket, char *told, size_t size)
{
	for (;;) {
		char text[512] = "", control[CMSG_SPACE(sizeof(int))] = "";
		struct iovec room = { text, sizeof(text) - 1 };
		struct msghdr m = { .msg_iov = &room,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control) };
		const struct cmsghdr *c;
		const char *name;
		size_t len = strlen(told);

		if (recvmsg(socket, &m, 0) <= 0)
			return;
		c = CMSG_FIRSTHDR(&m);
		if (c) {
			int fd;

			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
			close(fd);
		}
		name = strstr(text, "FDSTOREREMOVE=1\nFDNAME=");
		(void)snprintf(told + len, size - len, "%s ",
			name == text ? text + strlen("FDSTOREREMOVE=1\nFDNAME=")
			: strstr(text, "BARRIER") ? "barrier"
						  : text);
		if (strcmp(text, "end") == 0) {
			told[len] = '\0';
			return;
		}
	}
}

/* In a process of its own: descriptors from 3 on are not the test's. Returns bits of
   those that are kept, and above them of those that are open. */
static int take(const struct take_row *row)
{
	struct kept *k;
	char pid[16];
	int bits = 0;

	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid() + !row->is_for_us);
	set("LISTEN_PID", pid);
	set("LISTEN_FDS", row->count);
	set("LISTEN_FDNAMES", row->names);
	k = kept_take();
	if (getenv("LISTEN_FDS") && row->is_for_us)
		return 0xff; /* our children would take them for theirs */
	for (size_t i = 0; k && i < k->n; i++)
		bits |= 1 << (k->sockets[i].fd - FIRST);
	for (unsigned i = 0; i < row->open; i++)
		if (fcntl(FIRST + (int)i, F_GETFD) >= 0 && !(bits & 1 << i))
			bits |= 1 << (i + 4);
	kept_free(k);
	for (unsigned i = 0; i < row->open; i++)
		if (bits & 1 << i && fcntl(FIRST + (int)i, F_GETFD) >= 0)
			return 0xfe;
	return bits;
}

static void test_take(void **state)
{
	char folder[] = "/tmp/mailferry-kept-XXXXXX";
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/notify", folder);
	for (size_t i = 0; i < sizeof(take_rows) / sizeof(take_rows[0]); i++) {
		const struct take_row *row = &take_rows[i];
		int systemd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), status;
		int tell = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		char told[512] = "";
		pid_t child;

		(void)unlink(at.sun_path);
		assert_int_equal(bind(systemd, (struct sockaddr *)&at, sizeof(at)), 0);
		assert_int_equal(setenv("NOTIFY_SOCKET", at.sun_path, 1), 0);
		child = fork();
		if (child == 0) {
			for (unsigned n = 0; n < 4; n++)
				close(FIRST + (int)n);
			for (unsigned n = 0; n < row->open; n++)
				if (open("/dev/null", O_RDONLY) != FIRST + (int)n)
					_exit(0xfd);
			status = take(row);
			tell = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
			(void)!sendto(
				tell, "end", 3, 0, (struct sockaddr *)&at, sizeof(at));
			_exit(status);
		}
		assert_true(child > 0);
		listen_to(systemd, told, sizeof(told));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) != (int)(row->taken | row->left << 4) ||
			strcmp(told, row->told) != 0)
			fail_msg("%s: %#x, told: %s", row->title, WEXITSTATUS(status),
				told);
		close(systemd);
		close(tell);
	}
	(void)unlink(at.sun_path);
	assert_int_equal(rmdir(folder), 0);
}

/* Nothing was kept: nothing is handed over, and nothing is freed. */
static void test_nothing(void **state)
{
	static struct generations programs;
	struct channel channels[UP_PROGRAM_COUNT] = { 0 };

	(void)state;
	assert_int_equal(kept_hand(NULL, NULL, &programs, ~0u, channels), 0);
	kept_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
