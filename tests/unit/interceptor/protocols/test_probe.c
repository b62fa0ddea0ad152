/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The probe in a loop, against a source at a loopback port: what is kept of its answers,
   and when it is asked again. */
#include "interceptor/protocols/probe.h"

#include "lib/registry/registry_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS_MAX 2000

struct bench {
	struct test *registry;
	struct settings settings;
	char no_name[1];
	struct loop loop;
	uv_timer_t pulse; /* so that a turn does not wait long */
	struct probe probe;
	int listener, source; /* -1: none */
	unsigned changes;
};

static void on_pulse(uv_timer_t *timer)
{
	(void)timer;
}

static void on_changed(void *context, enum service_id service)
{
	struct bench *b = context;

	assert_int_equal(service, SERVICE_IMAP);
	b->changes++;
}

static const struct probe_ops ops = { .changed = on_changed };

static void listen_somewhere(struct bench *b)
{
	struct sockaddr_in here = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(here);

	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b->listener, (struct sockaddr *)&here, sizeof(here)), 0);
	assert_int_equal(listen(b->listener, 4), 0);
	assert_int_equal(getsockname(b->listener, (struct sockaddr *)&here, &len), 0);
	memcpy(&b->settings.sources[0], &here, sizeof(here));
	b->settings.n_sources = 1;
	b->settings.services[SERVICE_IMAP].upstream_port = ntohs(here.sin_port);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	void *registry = NULL;

	if (fixture_setup(&registry) < 0)
		return -1;
	b->registry = registry;
	b->settings.source_name = b->no_name;
	b->settings.state_dir = b->registry->directory;
	b->source = -1;
	assert_int_equal(loop_init(&b->loop, false), 0);
	assert_int_equal(uv_timer_init(&b->loop.uv, &b->pulse), 0);
	assert_int_equal(uv_timer_start(&b->pulse, on_pulse, 1, 1), 0);
	listen_somewhere(b);
	probe_init(&b->probe, &b->loop, &b->settings, SERVICE_IMAP, OFFER_OURS, &ops, b);
	*state = b;
	return 0;
}

static void hang_up(struct bench *b)
{
	if (b->source >= 0)
		close(b->source);
	b->source = -1;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	void *registry = b->registry;

	stream_free(b->probe.source);
	if (b->probe.source) {
		buf_fini(&b->probe.from_source);
		buf_fini(&b->probe.to_source);
		arena_fini(&b->probe.arena);
	}
	hang_up(b);
	if (b->listener >= 0)
		close(b->listener);
	uv_close((uv_handle_t *)&b->pulse, NULL);
	assert_int_equal(loop_fini(&b->loop), 0);
	(void)fixture_teardown(&registry);
	free(b);
	return 0;
}

/* Until the source has that connection, and has been told that; wanted "": at once. */
static void turns_until_asked(struct bench *b, const char *wanted)
{
	char heard[200] = "";
	size_t n = 0;

	for (int i = 0; i < TURNS_MAX; i++) {
		ssize_t got;

		loop_turn(&b->loop);
		if (b->source < 0)
			b->source = accept4(
				b->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (b->source < 0)
			continue;
		got = read(b->source, heard + n, sizeof(heard) - 1 - n);
		n += got > 0 ? (size_t)got : 0;
		if (strcmp(heard, wanted) == 0)
			return;
	}
	fail_msg("asked \"%s\"", heard);
}

static void turns_until_over(struct bench *b)
{
	for (int i = 0; i < TURNS_MAX && b->probe.source; i++)
		loop_turn(&b->loop);
	assert_null(b->probe.source);
}

static void say(struct bench *b, const char *words)
{
	assert_int_equal(write(b->source, words, strlen(words)), (ssize_t)strlen(words));
}

static void assert_fact(struct bench *b, const char *name, const char *wanted)
{
	struct test *t = b->registry;
	struct str value = STR("");

	(void)registry_fact(t->r, str_from(name), &t->arena, &value, &t->err);
	if (!str_eq(value, str_from(wanted)))
		fail_msg("%s is \"%.*s\"", name, STR_ARG(value));
}

static void answer_all(struct bench *b)
{
	probe_tick(&b->probe);
	turns_until_asked(b, "");
	say(b, "* OK ready\r\n");
	turns_until_asked(b, "probe1 CAPABILITY\r\n");
	say(b, "* CAPABILITY IMAP4rev1\r\nprobe1 OK done\r\n");
	turns_until_over(b);
	hang_up(b);
}

static void test_answers(void **state)
{
	struct bench *b = *state;

	answer_all(b);
	assert_int_equal(b->changes, 1);
	assert_fact(b, "imap.greeting", "* OK ready");
	assert_fact(b, "imap.capability", "IMAP4rev1");
	assert_fact(b, "imap.probe", "ok");
	assert_true(b->probe.next_at > loop_now(&b->loop)); /* not again at once */
	probe_tick(&b->probe);
	assert_null(b->probe.source);
	/* the same once more is no news */
	b->probe.next_at = 0;
	answer_all(b);
	assert_int_equal(b->changes, 1);
}

static void test_refuses(void **state)
{
	struct bench *b = *state;

	close(b->listener);
	b->listener = -1;
	probe_tick(&b->probe);
	turns_until_over(b);
	assert_int_equal(b->changes, 0);
	assert_fact(b, "imap.probe", "Connection refused");
	assert_true(b->probe.failed);
	assert_int_equal(b->probe.address, 1); /* its next address, when it has more */
}

static void test_hangs_up(void **state)
{
	struct bench *b = *state;

	probe_tick(&b->probe);
	turns_until_asked(b, "");
	hang_up(b);
	turns_until_over(b);
	assert_fact(b, "imap.probe", "it closed the connection");
	/* and is right the next time */
	b->probe.next_at = 0;
	answer_all(b);
	assert_fact(b, "imap.probe", "ok");
	assert_false(b->probe.failed);
}

static void test_is_no_mail_server(void **state)
{
	struct bench *b = *state;

	probe_tick(&b->probe);
	turns_until_asked(b, "");
	say(b, "SSH-2.0-OpenSSH\r\n");
	turns_until_over(b);
	assert_fact(
		b, "imap.probe", "it does not speak as expected, or does not want us");
}

static void test_is_silent(void **state)
{
	struct bench *b = *state;

	probe_tick(&b->probe);
	turns_until_asked(b, "");
	probe_tick(&b->probe);
	assert_non_null(b->probe.source); /* it has time */
	b->probe.deadline = loop_now(&b->loop);
	probe_tick(&b->probe);
	assert_null(b->probe.source);
	assert_fact(b, "imap.probe", "it does not answer");
}

/* Clients in clear are shown what it shows in clear, though we speak TLS with it. */
static void test_in_clear(void **state)
{
	struct bench *b = *state;

	b->settings.services[SERVICE_IMAP].source_tls = SOURCE_TLS_STARTTLS;
	probe_init(&b->probe, &b->loop, &b->settings, SERVICE_IMAP, OFFER_CLEAR, &ops, b);
	answer_all(b);
	assert_int_equal(b->changes, 1);
	assert_fact(b, "imap.clear.greeting", "* OK ready");
	assert_fact(b, "imap.clear.capability", "IMAP4rev1");
	assert_fact(b, "imap.clear.probe", "ok");
	assert_fact(b, "imap.greeting", "");
}

/* Without a key that is confirmed nothing is asked, and it is not asked again at once. */
static void test_as_a_client_inside_tls(void **state)
{
	struct bench *b = *state;

	b->settings.services[SERVICE_IMAP].source_tls = SOURCE_TLS_CLIENT;
	probe_init(&b->probe, &b->loop, &b->settings, SERVICE_IMAP, OFFER_TLS, &ops, b);
	probe_tick(&b->probe);
	assert_null(b->probe.source);
	assert_int_equal(b->changes, 0);
	assert_fact(b, "imap.tls.greeting", "");
	assert_true(b->probe.next_at > loop_now(&b->loop) + 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hangs_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_is_no_mail_server, setup, teardown),
		cmocka_unit_test_setup_teardown(test_is_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_clear, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_as_a_client_inside_tls, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
