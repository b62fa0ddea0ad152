/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The process that logs in at the smart host, between three who want to send and a server
   that answers AUTH when nothing more has come for a while. */
#include "interceptor/smart_host/relay.h"

#include "base/fd.h"
#include "base/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIENTS 3
#define QUIET_MS 300 /* whoever wants to log in has said AUTH */
#define LOGIN "me\nsecret\n"
#define SERVER "220 mx\r\n"

struct play {
	const char *login; /* what the file says */
	int door, server;  /* listening: of the relay, of the smart host */
	uint16_t port;
	pid_t relay;
	int clients[CLIENTS];
	struct pollfd peers[CLIENTS]; /* of the smart host */
	bool asks[CLIENTS];           /* AUTH, not answered yet */
	size_t n_peers, n_logins;
};

static int login_file(const char *text)
{
	int fd = memfd_create("login", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

static _Noreturn void be_relay(const struct play *p, pid_t parent)
{
	char text[512];
	struct settings s;
	struct error err = { 0 };
	int door = fcntl(p->door, F_DUPFD, 64),
	    login = fcntl(login_file(p->login), F_DUPFD, 64);

	(void)snprintf(text, sizeof(text),
		"source = \"192.0.2.10\"\ndomains = {\"example.com\"}\nstrategy = "
		"\"after-logoff\"\nsmart_host = \"127.0.0.1:%u\"\n"
		"smart_host_credentials = \"/login\"\n",
		p->port);
	if (process_end_with_parent(parent, &err) < 0 ||
		settings_parse("c", text, &s, &err) < 0 ||
		dup2(door, SMART_HOST_RELAY_FD_LISTENER) < 0 ||
		dup2(login, SMART_HOST_RELAY_FD_LOGIN) < 0)
		_exit(EXIT_FAILURE);
	_exit(smart_host_relay_run(&s));
}

static void listen_for_relay(struct play *p, struct sockaddr_un *ret)
{
	/* in no folder: the kernel chooses a name */
	socklen_t len = sizeof(*ret);
	sa_family_t family = AF_UNIX;

	p->door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(
		bind(p->door, (const struct sockaddr *)&family, sizeof(family)), 0);
	assert_int_equal(listen(p->door, CLIENTS), 0);
	memset(ret, 0, sizeof(*ret));
	assert_int_equal(getsockname(p->door, (struct sockaddr *)ret, &len), 0);
	for (size_t i = 0; i < CLIENTS; i++) {
		p->clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(
			connect(p->clients[i], (const struct sockaddr *)ret, len), 0);
	}
}

static void begin(struct play *p, const char *login)
{
	struct sockaddr_in here = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un door;
	socklen_t len = sizeof(here);
	pid_t parent = getpid();

	*p = (struct play){ .login = login, .door = -1 };
	p->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(p->server, (struct sockaddr *)&here, sizeof(here)), 0);
	assert_int_equal(listen(p->server, CLIENTS), 0);
	assert_int_equal(getsockname(p->server, (struct sockaddr *)&here, &len), 0);
	p->port = ntohs(here.sin_port);
	listen_for_relay(p, &door);
	p->relay = fork();
	assert_true(p->relay >= 0);
	if (p->relay == 0)
		be_relay(p, parent);
}

static void end(struct play *p)
{
	assert_int_equal(kill(p->relay, SIGTERM), 0);
	assert_int_equal(waitpid(p->relay, NULL, 0), p->relay);
	for (size_t i = 0; i < CLIENTS; i++)
		fd_closep(&p->clients[i]);
	for (size_t i = 0; i < p->n_peers; i++)
		fd_closep(&p->peers[i].fd);
	fd_closep(&p->door);
	fd_closep(&p->server);
}

/* ---- the smart host ---- */

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void take_connections(struct play *p)
{
	int fd;

	while (p->n_peers < CLIENTS &&
		(fd = accept4(p->server, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		p->peers[p->n_peers++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		say(fd, SERVER);
	}
}

static void hear(struct play *p, size_t i)
{
	char line[256];
	ssize_t n = read(p->peers[i].fd, line, sizeof(line) - 1);

	if (n <= 0) {
		p->peers[i].events = 0;
		return;
	}
	line[n] = '\0';
	if (strncmp(line, "EHLO ", 5) == 0) {
		say(p->peers[i].fd, "250-mx\r\n250 AUTH PLAIN\r\n");
	} else {
		assert_int_equal(strncmp(line, "AUTH PLAIN ", 11), 0);
		p->asks[i] = true;
		p->n_logins++;
	}
}

/* What comes until nothing does. How many have said AUTH since the last time. */
static size_t hear_all(struct play *p)
{
	size_t before = p->n_logins;
	struct pollfd all[CLIENTS + 1] = { { .fd = p->server, .events = POLLIN } };

	for (;;) {
		for (size_t i = 0; i < p->n_peers; i++)
			all[i + 1] = p->peers[i];
		if (poll(all, p->n_peers + 1, QUIET_MS) <= 0)
			return p->n_logins - before;
		for (size_t i = 0; i < p->n_peers; i++)
			if (all[i + 1].revents & POLLIN)
				hear(p, i);
		take_connections(p);
	}
}

static void answer_all(struct play *p, const char *text)
{
	for (size_t i = 0; i < p->n_peers; i++)
		if (p->asks[i])
			say(p->peers[i].fd, text);
	memset(p->asks, 0, sizeof(p->asks));
}

static void expect(int client, const char *text)
{
	char line[512] = "";
	struct pollfd one = { .fd = client, .events = POLLIN };

	assert_int_equal(poll(&one, 1, 10000), 1);
	assert_true(read(client, line, sizeof(line) - 1) > 0);
	assert_string_equal(line, text);
}

/* ---- */

/* A server that counts refused logins counts one. */
static void test_refused(void **state)
{
	struct play p;

	(void)state;
	begin(&p, LOGIN);
	while (!p.n_logins)
		(void)hear_all(&p);
	assert_int_equal(p.n_logins, 1);
	answer_all(&p, "535 5.7.8 no\r\n");
	for (size_t i = 0; i < CLIENTS; i++)
		expect(p.clients[i], "421 4.7.0 The smart host refuses our login: 535 "
				     "5.7.8 no\r\n");
	assert_int_equal(hear_all(&p), 0);
	end(&p);
}

/* When one was taken, all others log in at once. */
static void test_taken(void **state)
{
	struct play p;

	(void)state;
	begin(&p, LOGIN);
	while (!p.n_logins)
		(void)hear_all(&p);
	answer_all(&p, "235 2.7.0 welcome\r\n");
	assert_int_equal(hear_all(&p), CLIENTS - 1);
	answer_all(&p, "235 2.7.0 welcome\r\n");
	for (size_t i = 0; i < CLIENTS; i++)
		expect(p.clients[i], SERVER);
	end(&p);
}

/* An answer that is none about the login: the next one tries. */
static void test_later(void **state)
{
	struct play p;

	(void)state;
	begin(&p, LOGIN);
	for (size_t i = 0; i < CLIENTS; i++) {
		while (p.n_logins == i)
			(void)hear_all(&p);
		assert_int_equal(p.n_logins, i + 1);
		answer_all(&p, "454 4.7.0 later\r\n");
	}
	for (size_t i = 0; i < CLIENTS; i++)
		expect(p.clients[i], "421 4.7.0 The smart host takes no mail now: 454 "
				     "4.7.0 later\r\n");
	end(&p);
}

/* It stays, says why, and leaves the server alone. */
static void test_unreadable(void **state)
{
	static const char *const files[] = { "", "me\n", "me\nsecret\nmore\n" };

	(void)state;
	for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++) {
		struct play p;

		begin(&p, files[k]);
		for (size_t i = 0; i < CLIENTS; i++)
			expect(p.clients[i], "421 4.7.0 The smart host cannot be used: "
					     "our login there cannot be read\r\n");
		(void)hear_all(&p);
		assert_int_equal(p.n_peers, 0);
		end(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
