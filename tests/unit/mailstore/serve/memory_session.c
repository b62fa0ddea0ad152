/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/memory_session.h"

#include "mailstore/serve/append_queue.h"
#include "mailstore/serve/services.h"
#include "support/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN                                                                            \
	"Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\n"                                 \
	"From: Fred Foobar <foobar@Blurdybloop.example>\r\n"                             \
	"Subject: afternoon meeting\r\n"                                                 \
	"To: mooch@owatagu.siam.example\r\n"                                             \
	"Message-Id: <B27397-0100000@Blurdybloop.example>\r\n"                           \
	"MIME-Version: 1.0\r\n"                                                          \
	"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n"                                 \
	"\r\n"                                                                           \
	"Hello Joe, do you think we can meet at 3:30 tomorrow?\r\n"

#define MULTIPART                                                                        \
	"From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\n"                              \
	"To: undisclosed: ;\r\n"                                                         \
	"Cc: \"Doe, Jane\" <jane@example.com>, bob@example.com (Bob)\r\n"                \
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"                                       \
	" und mehr\r\n"                                                                  \
	"Date: Tue, 2 Jan 2024 10:00:00 +0100\r\n"                                       \
	"MIME-Version: 1.0\r\n"                                                          \
	"Content-Type: multipart/mixed; boundary=\"b1\"\r\n"                             \
	"\r\n"                                                                           \
	"preamble\r\n"                                                                   \
	"--b1\r\n"                                                                       \
	"Content-Type: text/plain; charset=utf-8\r\n"                                    \
	"Content-Transfer-Encoding: quoted-printable\r\n"                                \
	"\r\n"                                                                           \
	"Stra=C3=9Fe=\r\n"                                                               \
	"nbahn\r\n"                                                                      \
	"--b1\r\n"                                                                       \
	"Content-Type: message/rfc822\r\n"                                               \
	"Content-Disposition: attachment; filename=\"m.eml\"\r\n"                        \
	"\r\n"                                                                           \
	"Subject: inner\r\n"                                                             \
	"From: a@b\r\n"                                                                  \
	"Content-Type: multipart/alternative; boundary=b1x\r\n"                          \
	"\r\n"                                                                           \
	"--b1x\r\n"                                                                      \
	"\r\n"                                                                           \
	"inner text\r\n"                                                                 \
	"--b1x\r\n"                                                                      \
	"Content-Type: text/html\r\n"                                                    \
	"\r\n"                                                                           \
	"<p>inner html\r\n"                                                              \
	"--b1x--\r\n"                                                                    \
	"--b1--\r\n"                                                                     \
	"epilogue\r\n"

static const struct seed {
	uint32_t uid;
	unsigned flags;
	struct str keywords;
	int64_t date;
	int16_t zone;
	struct str body;
} seeds[] = {
	{ 3, FLAG_SEEN, STR(""), 760686745, -480, STR(PLAIN) },
	{ 5, FLAG_FLAGGED, STR("$Forwarded work"), 1704186000, 60, STR(MULTIPART) },
	{ 8, 0, STR(""), 1704186000, 0, STR("no header at all\n\n") },
	{ 13, FLAG_DELETED | FLAG_RECENT, STR(""), 1704186000, 0, STR("\r\nbody\r\n") },
};

static const struct mailbox boxes[] = {
	{ .name = STR("INBOX"), .separator = '/', .uidvalidity = 1000, .uidnext = 20 },
	{ .name = STR("Sent"),
		.separator = '/',
		.uidvalidity = 1001,
		.special_use = STR("\\Sent") },
	{ .name = STR("Trash"),
		.separator = '/',
		.uidvalidity = 1002,
		.special_use = STR("\\Trash") },
	{ .name = STR("Archive"), .separator = '/', .uidvalidity = 1003 },
	{ .name = STR("Archive/2024"), .separator = '/', .uidvalidity = 1004 },
	{ .name = STR("&AMQ-rger"), .separator = '/', .uidvalidity = 1005 },
	{ .name = STR("Empty"),
		.separator = '/',
		.uidvalidity = 1006,
		.attributes = MAILBOX_NOSELECT },
};

static int add_seed(struct store *store, int64_t mailbox, const struct seed *seed)
{
	struct store_message m = { .uid = seed->uid,
		.flags = seed->flags,
		.keywords = seed->keywords,
		.date = seed->date,
		.zone = seed->zone,
		.size = seed->body.len,
		.uidl = STR("") };
	struct body_place place = store_body_inline(seed->body);

	return store_add(store, mailbox, &m, &place, NULL, NULL);
}

static int fill(struct store *store)
{
	int64_t id, inbox = 0;
	int r = store_begin(store, NULL);

	for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]) && r == 0; i++) {
		struct mailbox box = boxes[i];

		if (!box.special_use.ptr)
			box.special_use = STR_LIT("");
		r = store_create_mailbox(store, &box, &id, NULL);
		if (i == 0)
			inbox = id;
	}
	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]) && r == 0; i++)
		r = add_seed(store, inbox, &seeds[i]);
	if (r == 0)
		r = store_subscribe(store, STR_LIT("INBOX"), true, NULL);
	if (r == 0)
		r = store_subscribe(store, STR_LIT("Archive/2024"), true, NULL);
	if (r == 0)
		r = store_subscribe(store, STR_LIT("Gone/below"), true, NULL);
	return r < 0 ? r : store_commit(store, NULL);
}

static void wake(void *context, struct session *session)
{
	struct memory_session *s = session->owner;

	(void)context;
	s->woken = true;
}

/* Filled once: each server has a copy of it. */
static int copy_filled(const char *to)
{
	static char filled[sizeof(((struct memory_server *)0)->folder)];
	struct store *store = NULL;
	int r = 0;

	if (!filled[0]) {
		r = folder_make("serve", filled, sizeof(filled));
		if (r < 0)
			return r;
		folder_remove_at_exit(filled);
		r = store_open(filled, true, &store, NULL);
		if (r == 0)
			r = fill(store);
		store_close(store);
	}
	return r < 0 ? r : folder_copy(filled, to);
}

void memory_server_begin(struct memory_server *m, struct store *store)
{
	*m = (struct memory_server){ 0 };
	m->serve.store = store;
	m->serve.wake = wake;
	m->serve.message_bytes = 200000;
	serve_begin(&m->serve);
}

int memory_server_open(struct memory_server *m)
{
	int r;

	memory_server_begin(m, NULL);
	r = folder_make("serve", m->folder, sizeof(m->folder));
	if (r < 0)
		return r;
	r = copy_filled(m->folder);
	if (r == 0)
		r = store_open(m->folder, false, &m->serve.store, NULL);
	if (r < 0)
		memory_server_close(m);
	return r;
}

void memory_server_close(struct memory_server *m)
{
	for (size_t i = 0; i < MEMORY_SESSIONS; i++) {
		if (m->sessions[i].open)
			session_close(&m->sessions[i].session);
		buf_fini(&m->sessions[i].output);
	}
	view_images_fini(&m->serve.images);
	sort_cache_fini(&m->serve.sort_cache);
	if (m->folder[0]) {
		store_close(m->serve.store);
		folder_remove(m->folder);
	}
	*m = (struct memory_server){ 0 };
}

static int take_output(struct memory_session *s)
{
	int r = 0;

	while (!output_is_empty(&s->session.out) && r == 0) {
		struct str bytes = output_view(&s->session.out);

		r = buf_append(&s->output, bytes);
		output_consume(&s->session.out, bytes.len);
	}
	return r;
}

static int run(struct memory_session *s)
{
	enum service_need need;
	int r;

	s->woken = false;
	do {
		need = session_run(&s->session);
		r = take_output(s);
		s->session.deflated |= need == SERVICE_DEFLATE; /* not here */
	} while (r == 0 && need != SERVICE_INPUT && need != SERVICE_END);
	append_queue_commit(s->session.serve);
	if (r == 0)
		r = take_output(s);
	if (need == SERVICE_END) {
		session_close(&s->session);
		s->open = false;
	}
	return r;
}

static int run_woken(struct memory_server *m)
{
	int r = 0;

	for (size_t i = 0; i < MEMORY_SESSIONS && r == 0; i++)
		if (m->sessions[i].open && m->sessions[i].woken)
			r = run(&m->sessions[i]);
	return r;
}

static int begin(struct memory_server *m, size_t index, const struct login *login)
{
	struct memory_session *s = &m->sessions[index];
	int r = session_open(
		&s->session, service_find(STR_LIT("imap")), &m->serve, login);

	s->session.owner = s;
	s->open = r == 0;
	return r < 0 ? r : run(s);
}

int memory_session_open(struct memory_server *m, size_t index, struct str payload)
{
	const struct login login = { .session = STR("test"),
		.service = STR("imap"),
		.tag = STR("login"),
		.client = STR("192.0.2.1:1"),
		.payload = payload };

	return begin(m, index, &login);
}

int memory_session_resume(
	struct memory_server *m, size_t index, struct str tag, struct str known)
{
	const struct login login = { .session = STR("test"),
		.service = STR("imap"),
		.tag = tag,
		.client = STR("192.0.2.1:1"),
		.payload = known,
		.kind = LOGIN_CROSSED };

	return begin(m, index, &login);
}

int memory_session_wake(struct memory_server *m, size_t index, struct str known)
{
	const struct login login = { .session = STR("test"),
		.service = STR("imap"),
		.payload = known,
		.kind = LOGIN_WOKEN };

	return begin(m, index, &login);
}

/* Those that cannot keep the store. */
static int reopen(struct memory_server *m)
{
	for (size_t i = 0; i < MEMORY_SESSIONS; i++)
		if (m->sessions[i].open)
			return 0;
	view_images_fini(&m->serve.images);
	sort_cache_fini(&m->serve.sort_cache);
	if (!m->folder[0])
		return 0;
	store_close(m->serve.store);
	return store_open(m->folder, false, &m->serve.store, NULL);
}

int memory_server_sleep(struct memory_server *m)
{
	struct buf known[MEMORY_SESSIONS];
	bool sleeps[MEMORY_SESSIONS] = { false };
	int r = 0, n = 0;

	for (size_t i = 0; i < MEMORY_SESSIONS; i++) {
		struct memory_session *s = &m->sessions[i];

		buf_init(&known[i], HIBERNATION_MAX);
		sleeps[i] = s->open && session_hibernate(&s->session, &known[i]) == 0;
	}
	for (size_t i = 0; i < MEMORY_SESSIONS; i++) {
		if (!sleeps[i])
			continue;
		session_close(&m->sessions[i].session);
		m->sessions[i].open = false;
		n++;
	}
	r = reopen(m);
	for (size_t i = 0; i < MEMORY_SESSIONS; i++) {
		if (sleeps[i] && r == 0)
			r = memory_session_wake(m, i, buf_view(&known[i]));
		buf_fini(&known[i]);
	}
	return r < 0 ? r : n;
}

int memory_session_feed(struct memory_server *m, size_t index, struct str bytes)
{
	struct memory_session *s = &m->sessions[index];
	int r;

	if (!s->open)
		return 0;
	r = buf_append(&s->session.in, bytes);
	if (r == 0)
		r = run(s);
	return r < 0 ? r : run_woken(m);
}

int memory_session_say(
	struct memory_server *m, size_t index, const char *command, struct str *ret_said)
{
	struct buf line;
	int r;

	buf_clear(&m->sessions[index].output);
	buf_init(&line, 0);
	r = buf_printf(&line, "t %s\r\n", command);
	if (r == 0)
		r = memory_session_feed(m, index, buf_view(&line));
	buf_fini(&line);
	*ret_said = buf_view(&m->sessions[index].output);
	return r;
}

int memory_server_set_up(void **state)
{
	struct memory_server *m = calloc(1, sizeof(*m));
	int r = m ? memory_server_open(m) : -ENOMEM;

	*state = m;
	return r < 0 ? r : memory_session_open(m, 0, STR_LIT(""));
}

int memory_server_tear_down(void **state)
{
	memory_server_close(*state);
	free(*state);
	return 0;
}
