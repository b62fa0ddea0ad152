/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The plainest relay there is: accept, connect, read 64 KiB, write it. The yardstick of
 * the relay bench for what splice(2) saves. One process for each connection.
 *
 *   rw_relay ADDRESS PORT TO_ADDRESS TO_PORT
 */
#include "bench_net.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE 65536

static bool pass(int from, int to)
{
	static char piece[PIECE];
	ssize_t n = read(from, piece, sizeof(piece));

	for (ssize_t at = 0; at < n;) {
		ssize_t sent = write(to, piece + at, (size_t)(n - at));

		if (sent <= 0)
			return false;
		at += sent;
	}
	return n > 0;
}

static void relay(int client, const char *address, const char *port)
{
	struct pollfd both[2] = { { .fd = client, .events = POLLIN },
		{ .fd = connect_to(address, port), .events = POLLIN } };

	no_delay(client);
	while (poll(both, 2, -1) > 0) {
		if (both[0].revents && !pass(both[0].fd, both[1].fd))
			return;
		if (both[1].revents && !pass(both[1].fd, both[0].fd))
			return;
	}
}

int main(int argc, char **argv)
{
	struct pollfd wait = { .events = POLLIN };

	if (argc != 5) {
		(void)fprintf(
			stderr, "usage: rw_relay ADDRESS PORT TO_ADDRESS TO_PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	wait.fd = listen_on(argv[1], argv[2]);
	for (;;) {
		int client;

		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue; /* buried: their CPU time becomes ours, for the bench */
		client = poll(&wait, 1, 20) > 0
		                 ? accept4(wait.fd, NULL, NULL, SOCK_CLOEXEC)
		                 : -1;
		if (client < 0)
			continue;
		if (fork() == 0) {
			close(wait.fd);
			relay(client, argv[3], argv[4]);
			_exit(0);
		}
		close(client);
	}
}
