/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mailferry metrics [http]: OpenMetrics, on stdout or for one HTTP request on stdin.
 *
 * With `http` it is started by who takes the connections (metrics_door.h): one process
 * for each. It gathers the page first, then gives up every right and file, and only then
 * reads a byte from outside. Where it may not ask the kernel, the watch over the rules
 * gathers the page (questions_door.h).
 */
#include "control/running/rights.h"
#include "control/watch/metrics.h"

#include "base/fd.h"
#include "base/sandbox.h"
#include "dashboard/questions.h"
#include "messages/ask.h"
#include "users/users.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX 4096
#define READ_SIZE 65536 /* of a page at a time: most are smaller */
#define HTTP_SECONDS 10 /* for one that is slow to ask, or to take the answer */
#define WATCH_MS 4000 /* Prometheus scrapes for 10 s at the most, unless it is told so */
#define CONTENT "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* ── HTTP ──────────────────────────────────────────────────────────────────────────── */

static int write_all(struct str bytes)
{
	while (bytes.len) {
		ssize_t n = write(STDOUT_FILENO, bytes.ptr, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		bytes = str_skip(bytes, (size_t)n);
	}
	return 0;
}

/* To the empty line that ends its head. */
static int read_request(char request[static REQUEST_MAX], struct str *ret)
{
	size_t len = 0;

	while (len < REQUEST_MAX) {
		ssize_t n = read(STDIN_FILENO, request + len, REQUEST_MAX - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		len += (size_t)n;
		*ret = str_of(request, len);
		for (size_t i = 0; i + 4 <= len; i++)
			if (str_eq(str_take(str_skip(*ret, i), 4), STR_LIT("\r\n\r\n")))
				return 0;
	}
	return -EMSGSIZE;
}

struct answer {
	const char *status;
	bool has_page;
};

static struct answer judge(struct str request)
{
	struct str line = str_split(&request, '\r');
	struct str method = str_split(&line, ' ');
	struct str path = str_split(&line, ' ');

	if (!str_eq(str_take(line, 7), STR_LIT("HTTP/1.")))
		return (struct answer){ "400 Bad Request", false };
	if (!str_eq(method, STR_LIT("GET")))
		return (struct answer){ "405 Method Not Allowed", false };
	if (!str_eq(path, STR_LIT("/metrics")))
		return (struct answer){ "404 Not Found", false };
	return (struct answer){ "200 OK", true };
}

static int serve(const struct buf *page)
{
	char bytes[REQUEST_MAX], head[256];
	struct str request = { 0 };
	struct answer a = { "400 Bad Request", false };
	int asked = read_request(bytes, &request), code;

	if (asked == -EPIPE)
		return 0; /* it asked for nothing */
	if (asked == 0)
		a = judge(request);
	(void)snprintf(head, sizeof(head),
		"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\n",
		a.status, a.has_page ? CONTENT : "text/plain",
		a.has_page ? buf_len(page) : 0);
	code = write_all(str_from(head));
	if (code == 0 && a.has_page)
		code = write_all(buf_view(page));
	(void)shutdown(STDOUT_FILENO, SHUT_WR);
	/* what nobody has read of it would reset the connection, and the answer be
	   lost */
	while (asked == -EMSGSIZE && read(STDIN_FILENO, bytes, sizeof(bytes)) > 0)
		;
	return 0; /* whoever has left is none of our errors */
}

/* Whoever runs it as root: from here on it is a user that owns nothing. */
static int drop_rights(struct control *c)
{
	struct users users;
	int code = users_load(&c->settings, &users, &c->err);
	const struct sandbox sandbox = { .user = &users.of[USER_METRICS] };

	(void)alarm(HTTP_SECONDS); /* the sandbox has it not */
	return code < 0 ? code : sandbox_enter(&sandbox, &c->err);
}

/* ── the command ───────────────────────────────────────────────────────────────────── */

/* As the dashboard asks. One that hangs is not waited for longer than a scraper waits. */
static int ask_watch(struct control *c, int *ret_file)
{
	const struct message question = { .type = MESSAGE_RUN,
		.number = QUESTION_METRICS };
	static const struct patience patience = { .ms = WATCH_MS };
	char bytes[IPC_MESSAGE_MAX];
	struct message m = { .type = MESSAGE_RAN };
	CLEANUP(fd_closep)
	int fd = ask_begin(c->settings.run_dir, QUESTIONS_SOCKET, &question, &c->err);
	int code =
		fd < 0 ? fd : ask_receive_fd(fd, bytes, &patience, &m, ret_file, &c->err);

	if (code == 0 && (m.type != MESSAGE_RAN || m.number || *ret_file < 0)) {
		fd_closep(ret_file);
		code = error_set(&c->err, -EIO, "the watch could not gather the metrics");
	}
	return code;
}

static int take_file(int file, struct buf *page)
{
	ssize_t n = lseek(file, 0, SEEK_SET) < 0 ? -errno : 1;

	while (n > 0)
		n = buf_read(page, file, READ_SIZE);
	return (int)n;
}

static int from_watch(struct control *c, struct buf *page)
{
	CLEANUP(fd_closep) int file = -1;
	int code = ask_watch(c, &file);

	return code < 0 ? code : take_file(file, page);
}

/* Without the watch what can be had without it. */
static int gather(struct control *c, struct buf *page)
{
	if (c->n_arguments && rights_require_network(NULL) < 0 &&
		from_watch(c, page) == 0)
		return 0;
	buf_clear(page);
	c->err = (struct error){ 0 };
	return metrics_write(c, page);
}

static int run(struct control *c, struct buf *page)
{
	int code = gather(c, page);

	if (code < 0)
		return c->err.code ? code : error_errno(&c->err, code, "the metrics");
	if (!c->n_arguments)
		return fwrite(buf_view(page).ptr, 1, buf_len(page), stdout) ==
		                       buf_len(page)
		               ? 0
		               : error_errno(&c->err, -errno, "cannot write");
	code = drop_rights(c);
	return code < 0 ? code : serve(page);
}

enum exit_code cmd_metrics(struct control *c)
{
	struct buf page;
	int code;

	if (c->n_arguments && strcmp(c->arguments[0], "http") != 0) {
		error_set(&c->err, -EINVAL, "metrics takes http or nothing, not \"%s\"",
			c->arguments[0]);
		return control_misuse(c);
	}
	buf_init(&page, 0);
	code = run(c, &page);
	buf_fini(&page);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
