/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whoever changes a source, and a source that answers what it likes, in any pieces. Each
 * operation of the writer is asked for once, in a fixed order. The first byte says how
 * the source's bytes are cut, and which extensions it has; tags are m2, m3 …
 *
 *   - it ends the same however the bytes are cut
 *   - only commands that may be said are said, each as a line of its own
 *   - after an error that is no refusal nothing more is said, and nothing more is done
 *   - of several messages at once one is taken only when the source has said its tag; all
 *     have their end when it says that they have
 *   - what is marked is expunged as a whole only after two looks at it
 */
#include "fuzz.h"

#include "transfer/back/imap_writer.h"
#include "transfer/read/imap_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 1000 /* nobody waits: what has no answer is at its end */
#define PIECE_BITS 15
#define HAS_UIDPLUS 16
#define HAS_LITERAL_PLUS 32
#define BODY STR_LIT("hi\r\n")
#define SOME 3
#define SOME_OF STR_LIT("APPEND \"INBOX\" (\\Answered Old) ")

/* ---- the source ---- */

/* A stream whose other end has said all already. A read gives no more than a line, so
   that what is asked next is said before the next line is looked at. */
struct peer {
	struct stream stream;
	struct str says;
	size_t piece;
	struct buf *heard;
};

static ssize_t peer_read(struct stream *s, void *space, size_t size)
{
	struct peer *p = (struct peer *)s;
	struct str line = str_take(p->says, str_index(p->says, '\n') + 1);
	struct str part = str_take(line, size < p->piece ? size : p->piece);

	for (size_t i = 0; i < part.len; i++)
		((char *)space)[i] = part.ptr[i];
	p->says = str_skip(p->says, part.len);
	return (ssize_t)part.len;
}

static ssize_t peer_write(struct stream *s, struct str bytes, bool more)
{
	(void)more;
	if (buf_append(((struct peer *)s)->heard, bytes) < 0)
		abort();
	return (ssize_t)bytes.len;
}

static bool peer_pending(const struct stream *s)
{
	(void)s;
	return true;
}

static void peer_shutdown(struct stream *s, int how)
{
	(void)s;
	(void)how;
}

static void peer_free(struct stream *s)
{
	free(s);
}

static const struct stream_ops peer_ops = { .kind = "peer",
	.read = peer_read,
	.write = peer_write,
	.pending = peer_pending,
	.shutdown = peer_shutdown,
	.free = peer_free };

struct scene {
	struct str says;
	size_t piece;
	struct buf heard;
	enum append_end ends[SOME];
};

static int dial(void *context, const struct sockaddr_storage *to, unsigned patience_ms,
	struct stream **ret)
{
	struct scene *s = context;
	struct peer *p = calloc(1, sizeof(*p));

	(void)to;
	(void)patience_ms;
	if (!p || stream_init(&p->stream, &peer_ops, NULL, -1) < 0)
		abort();
	p->says = s->says;
	p->piece = s->piece;
	p->heard = &s->heard;
	*ret = &p->stream;
	return 0;
}

/* ---- what is asked for ---- */

static const uint32_t uids[] = { 2, 5 };

static int ask_create(const struct writer *w, struct error *err)
{
	return w->ops->create(w->self, STR_LIT("New one"), err);
}

static int ask_rename(const struct writer *w, struct error *err)
{
	return w->ops->rename(w->self, STR_LIT("Old"), STR_LIT("\"Older\""), err);
}

static int ask_subscribe(const struct writer *w, struct error *err)
{
	return w->ops->subscribe(w->self, STR_LIT("New one"), true, err);
}

static int ask_open(const struct writer *w, struct error *err)
{
	struct writer_folder f = { 0 };
	int r = w->ops->open(w->self, STR_LIT("INBOX"), &f, err);

	if (r == 0 && (!f.uidvalidity || !f.keywords.ptr))
		abort();
	return r;
}

static int append(const struct writer *w, unsigned flags, struct writer_message *m,
	size_t n, struct error *err)
{
	int r;

	for (size_t i = 0; i < n; i++)
		m[i] = (struct writer_message){
			.mail = { .flags = flags, .keywords = STR("Old"), .zone = 60 },
			.body = BODY
		};
	r = w->ops->append(w->self, STR_LIT("INBOX"), m, n, err);
	for (size_t i = 0; i < n; i++)
		if ((r == 0 && m[i].end == APPEND_UNKNOWN) ||
			(m[i].end != APPEND_TAKEN && (m[i].uidvalidity || m[i].uid)) ||
			(m[i].end == APPEND_REFUSED) != (m[i].why[0] != '\0'))
			abort();
	return r;
}

static int ask_append(const struct writer *w, struct error *err)
{
	struct writer_message m;

	return append(w, MAIL_SEEN, &m, 1, err);
}

static int ask_flag(const struct writer *w, struct error *err)
{
	return w->ops->flag(w->self, uids, 2, true, MAIL_SEEN, STR_LIT("Old"), err);
}

static int ask_expunge(const struct writer *w, struct error *err)
{
	return w->ops->expunge(w->self, uids, 2, err);
}

static int (*const asked[])(const struct writer *w, struct error *err) = { ask_create,
	ask_rename, ask_subscribe, ask_open, ask_append, ask_flag, ask_expunge };
#define ASKED (sizeof(asked) / sizeof(asked[0]))

static bool is_refusal(int code)
{
	return code == -EREMOTEIO || code == -EBUSY;
}

/* Last, so that the tags of the others stay. */
static void ask_append_some(struct scene *s, const struct writer *w, struct buf *outcome)
{
	struct writer_message m[SOME];
	struct error err = { 0 };
	int r = append(w, MAIL_ANSWERED, m, SOME, &err);

	if (r > 0 || (r && !err.text[0]) || buf_printf(outcome, "%d ", r) < 0)
		abort();
	for (size_t i = 0; i < SOME; i++) {
		s->ends[i] = m[i].end;
		if (buf_printf(outcome, "%d %u ", (int)m[i].end, m[i].uid) < 0)
			abort();
	}
}

static void ask_all(struct scene *s, const struct writer *w, struct buf *outcome)
{
	bool is_over = false;

	for (size_t i = 0; i < ASKED; i++) {
		size_t before = buf_len(&s->heard);
		struct error err = { 0 };
		int r = asked[i](w, &err);

		if (r > 0 || (r && !err.text[0]) || (is_over && r != -ENOTCONN) ||
			(is_over && buf_len(&s->heard) != before) ||
			buf_printf(outcome, "%d ", r) < 0)
			abort();
		is_over = is_over || (r && !is_refusal(r));
	}
	ask_append_some(s, w, outcome);
}

/* ---- what was said ---- */

static void check_line(struct str line, unsigned *looks)
{
	static const struct str may[] = { STR("LOGIN \"alice\" \"secret\""),
		STR("CREATE \"New one\""), STR("RENAME \"Old\" \"\\\"Older\\\"\""),
		STR("SUBSCRIBE \"New one\""), STR("SELECT \"INBOX\""),
		STR("UID STORE 2,5 +FLAGS.SILENT (\\Seen Old)"),
		STR("UID STORE 2,5 +FLAGS.SILENT (\\Deleted)"), STR("UID EXPUNGE 2,5"),
		STR("LOGOUT") };
	struct str tag = str_split(&line, ' ');

	/* the rest of an APPEND, and "no" to a question that has no answer */
	if (str_eq(tag, STR_LIT("hi")) || str_eq(tag, STR_LIT("*")) || !tag.len)
		return;
	*looks += str_eq(line, STR_LIT("UID SEARCH DELETED"));
	if (str_eq(line, STR_LIT("EXPUNGE")) && *looks != 2)
		abort();
	if (str_eq(line, STR_LIT("EXPUNGE")) ||
		str_starts(line, STR_LIT("APPEND \"INBOX\" (")) ||
		str_eq(line, STR_LIT("UID SEARCH DELETED")))
		return;
	for (size_t i = 0; i < sizeof(may) / sizeof(may[0]); i++)
		if (str_eq(line, may[i]))
			return;
	(void)fprintf(stderr, "said: %.*s\n", STR_ARG(line));
	abort();
}

/* The answers come from who knows no tag before it is said: line and tag of the nth. */
static void check_taken(const struct scene *s, unsigned nth, struct str tag)
{
	if (nth < SOME && s->ends[nth] == APPEND_TAKEN &&
		!memmem(s->says.ptr, s->says.len, tag.ptr, tag.len))
		abort();
}

static void check_heard(const struct scene *s)
{
	struct str heard = buf_view(&s->heard);
	unsigned looks = 0, n = 0;

	while (heard.len) {
		struct str line = str_split(&heard, '\n');

		if (!line.len || line.ptr[line.len - 1] != '\r')
			abort();
		line = str_take(line, line.len - 1);
		check_line(line, &looks);
		if (str_starts(str_skip(line, str_index(line, ' ') + 1), SOME_OF))
			check_taken(s, n++,
				str_skip(str_take(line, str_index(line, ' ')), 1));
	}
	for (; n < SOME; n++) /* what was not said is not taken */
		if (s->ends[n] == APPEND_TAKEN)
			abort();
}

/* ---- both ---- */

static void run(struct str says, size_t piece, struct buf *outcome)
{
	static const struct sockaddr_storage nowhere;
	struct scene s = { .says = says, .piece = piece };
	const struct imap_source_options options = { .addresses = &nowhere,
		.n_addresses = 1,
		.login = STR_LIT("alice"),
		.password = STR_LIT("secret"),
		.connections = 1,
		.dialer = { .dial = dial, .context = &s } };
	struct source source;
	const struct imap_writer_options of = { .imap = &source,
		.patience_ms = PATIENCE_MS };
	struct error err = { 0 };
	struct writer w;

	if (imap_source_new(&options, &source, &err) < 0 ||
		imap_writer_new(&of, &w, &err) < 0)
		abort();
	if (w.ops->connect(w.self, &err) == 0)
		ask_all(&s, &w, outcome);
	w.ops->free(w.self);
	source.ops->free(source.self);
	check_heard(&s);
	if (buf_append(outcome, buf_view(&s.heard)) < 0)
		abort();
	buf_fini(&s.heard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf says, whole, pieces;

	if (!size)
		return 0;
	buf_init(&says, 0);
	buf_init(&whole, 0);
	buf_init(&pieces, 0);
	if (buf_printf(&says,
		    "* OK [CAPABILITY IMAP4rev1] hello\r\n"
		    "m1 OK [CAPABILITY IMAP4rev1%s%s] in\r\n",
		    data[0] & HAS_UIDPLUS ? " UIDPLUS" : "",
		    data[0] & HAS_LITERAL_PLUS ? " LITERAL+" : "") < 0 ||
		buf_append(&says, str_of(data + 1, size - 1)) < 0)
		abort();
	run(buf_view(&says), SIZE_MAX, &whole);
	run(buf_view(&says), data[0] % (PIECE_BITS + 1) + 1u, &pieces);
	if (!str_eq(buf_view(&whole), buf_view(&pieces)))
		abort();
	buf_fini(&says);
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
