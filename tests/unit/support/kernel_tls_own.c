/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The machine's own kernel in the place of the stand-in. */
#include "support/kernel_tls.h"

#undef NDEBUG /* what is asserted here is part of the tests */
#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

void kernel_tls_forget(void)
{
}

/* Only TCP can have keys. */
void kernel_tls_sockets(int fds[2])
{
	struct sockaddr_in here = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(here);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	r = bind(listener, (struct sockaddr *)&here, len);
	assert(r == 0);
	r = listen(listener, 1);
	assert(r == 0);
	r = getsockname(listener, (struct sockaddr *)&here, &len);
	assert(r == 0);
	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r = connect(fds[1], (struct sockaddr *)&here, len);
	assert(r == 0);
	fds[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert(fds[0] >= 0);
	(void)close(listener);
	r = fcntl(fds[1], F_SETFL, O_NONBLOCK);
	assert(r == 0);
}
