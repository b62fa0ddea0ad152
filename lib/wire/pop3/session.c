/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/pop3/session.h"

#include "wire/line.h"
#include "wire/pop3/command.h"

#include <errno.h>
#include <inttypes.h>

#define BAD_MAX 20 /* in a row: who goes on after that many is no mail client */

/* What a session can do. EXPIRE NEVER: nothing is deleted but by DELE (RFC 2449, 6.7);
   no LOGIN-DELAY: there is none. */
#define CAPABILITIES                                                                     \
	"TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n"

typedef enum pop3_session_action handler(
	struct pop3_session *s, struct str args, struct buf *reply);

static const char *const state_names[] = {
	[POP3_SESSION_IN_COMMAND] = "command",
	[POP3_SESSION_IN_LIST] = "list",
	[POP3_SESSION_IN_BODY] = "body",
	[POP3_SESSION_CLOSED] = "closed",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == POP3_SESSION_STATE_COUNT,
	"a name for each state");

const char *pop3_session_state_name(enum pop3_session_state s)
{
	return (unsigned)s < POP3_SESSION_STATE_COUNT ? state_names[s] : "unknown";
}

int pop3_session_init(struct pop3_session *s, const struct pop3_maildrop_ops *ops,
	void *context, struct arena *arena)
{
	*s = (struct pop3_session){
		.ops = ops, .context = context, .count = ops->count(context)
	};
	if (s->count == UINT32_MAX) /* every loop below ends behind the last one */
		return -EOVERFLOW;
	s->deleted = arena_alloc(arena, (size_t)s->count / 8 + 1);
	return s->deleted ? 0 : -ENOMEM;
}

bool pop3_session_is_deleted(const struct pop3_session *s, uint32_t number)
{
	return s->deleted[number / 8] & (1u << number % 8);
}

void pop3_session_stat(
	const struct pop3_session *s, uint32_t *ret_count, uint64_t *ret_octets)
{
	uint32_t count = 0;
	uint64_t octets = 0;

	for (uint32_t i = 1; i <= s->count; i++) {
		if (pop3_session_is_deleted(s, i))
			continue;
		count++;
		octets += s->ops->size(s->context, i);
	}
	*ret_count = count;
	*ret_octets = octets;
}

static enum pop3_session_action failed(struct pop3_session *s, int error)
{
	s->state = POP3_SESSION_CLOSED;
	s->error = error;
	return POP3_SESSION_FAILED;
}

static enum pop3_session_action say(
	struct pop3_session *s, struct buf *reply, const char *text)
{
	int r = buf_printf(reply, "%s\r\n", text);

	return r < 0 ? failed(s, r) : POP3_SESSION_AGAIN;
}

static enum pop3_session_action bad(
	struct pop3_session *s, struct buf *reply, const char *text)
{
	if (++s->bad < BAD_MAX)
		return say(s, reply, text);
	s->state = POP3_SESSION_CLOSED;
	(void)buf_append_c(reply, "-ERR Too many invalid commands.\r\n");
	return POP3_SESSION_QUIT;
}

/* The number at the front of *args, of a message that is there. */
static bool message_number(const struct pop3_session *s, struct str *args, uint32_t *ret)
{
	return pop3_number(args, ret) && *ret >= 1 && *ret <= s->count &&
	       !pop3_session_is_deleted(s, *ret);
}

static enum pop3_session_action no_such(struct pop3_session *s, struct buf *reply)
{
	return say(s, reply, "-ERR There is no such message.");
}

/* ---- STAT, LIST, UIDL ---- */

static enum pop3_session_action cmd_stat(
	struct pop3_session *s, struct str args, struct buf *reply)
{
	uint32_t count;
	uint64_t octets;
	int r;

	(void)args;
	pop3_session_stat(s, &count, &octets);
	r = buf_printf(reply, "+OK %" PRIu32 " %" PRIu64 "\r\n", count, octets);
	return r < 0 ? failed(s, r) : POP3_SESSION_AGAIN;
}

static int list_line(
	const struct pop3_session *s, uint32_t number, bool uidls, struct buf *reply)
{
	struct str uidl;

	if (!uidls)
		return buf_printf(reply, "%" PRIu32 " %" PRIu64 "\r\n", number,
			s->ops->size(s->context, number));
	uidl = s->ops->uidl(s->context, number);
	return buf_printf(reply, "%" PRIu32 " %.*s\r\n", number, STR_ARG(uidl));
}

static enum pop3_session_action list_more(struct pop3_session *s, struct buf *reply)
{
	int r = 0;

	for (; s->number <= s->count && r == 0; s->number++) {
		if (buf_len(reply) >= POP3_SESSION_PORTION)
			return POP3_SESSION_SEND;
		if (!pop3_session_is_deleted(s, s->number))
			r = list_line(s, s->number, s->uidls, reply);
	}
	if (r < 0)
		return failed(s, r);
	s->state = POP3_SESSION_IN_COMMAND;
	return say(s, reply, ".");
}

static enum pop3_session_action list_one(
	struct pop3_session *s, struct str args, bool uidls, struct buf *reply)
{
	uint32_t number;
	int r;

	if (!message_number(s, &args, &number) || args.len)
		return no_such(s, reply);
	r = buf_append_c(reply, "+OK ");
	r = r < 0 ? r : list_line(s, number, uidls, reply);
	return r < 0 ? failed(s, r) : POP3_SESSION_AGAIN;
}

static enum pop3_session_action list_all(
	struct pop3_session *s, bool uidls, struct buf *reply)
{
	int r = buf_append_c(reply, "+OK\r\n");

	if (r < 0)
		return failed(s, r);
	s->state = POP3_SESSION_IN_LIST;
	s->number = 1;
	s->uidls = uidls;
	return list_more(s, reply);
}

static enum pop3_session_action cmd_list(
	struct pop3_session *s, struct str args, struct buf *reply)
{
	return args.len ? list_one(s, args, false, reply) : list_all(s, false, reply);
}

static enum pop3_session_action cmd_uidl(
	struct pop3_session *s, struct str args, struct buf *reply)
{
	return args.len ? list_one(s, args, true, reply) : list_all(s, true, reply);
}

/* ---- RETR, TOP ---- */

/* How much of the piece TOP still wants: the header, the empty line, and some lines. A
   line ends at LF: bodies with bare LFs are cut where a reader sees a line. */
static size_t top_part(struct pop3_session *s, struct str piece)
{
	for (size_t i = 0; i < piece.len; i++) {
		if (!s->in_header && s->lines == 0)
			return i;
		if (piece.ptr[i] == '\n') {
			if (!s->in_header)
				s->lines--;
			else if (s->line_empty)
				s->in_header = false;
			s->line_empty = true;
		} else if (piece.ptr[i] != '\r') {
			s->line_empty = false;
		}
	}
	return piece.len;
}

static bool top_is_over(const struct pop3_session *s)
{
	return s->only_top && !s->in_header && s->lines == 0;
}

static enum pop3_session_action body_end(struct pop3_session *s, struct buf *reply)
{
	int r = dots_end(&s->dots, reply);

	if (r < 0)
		return failed(s, r);
	s->state = POP3_SESSION_IN_COMMAND;
	if (!s->only_top && s->ops->retrieved)
		s->ops->retrieved(s->context, s->number);
	return POP3_SESSION_AGAIN;
}

static enum pop3_session_action body_more(struct pop3_session *s, struct buf *reply)
{
	while (buf_len(reply) < POP3_SESSION_PORTION) {
		struct str piece = STR("");
		int r = 0;

		if (!top_is_over(s))
			r = s->ops->read(s->context, s->number, s->offset, &piece);
		if (r < 0)
			return failed(s, r);
		if (!piece.len)
			return body_end(s, reply);
		piece = str_take(piece, POP3_SESSION_PORTION);
		s->offset += piece.len;
		if (s->only_top)
			piece = str_take(piece, top_part(s, piece));
		r = dots_put(&s->dots, piece, reply);
		if (r < 0)
			return failed(s, r);
	}
	return POP3_SESSION_SEND;
}

/* The first piece is read before "+OK" is said: later nothing can be taken back. */
static enum pop3_session_action body_begin(
	struct pop3_session *s, uint32_t number, struct buf *reply)
{
	struct str piece;
	int r = s->ops->read(s->context, number, 0, &piece);

	if (r < 0)
		return say(s, reply, "-ERR [SYS/TEMP] This message cannot be read.");
	if (s->only_top)
		r = buf_append_c(reply, "+OK\r\n");
	else
		r = buf_printf(reply, "+OK %" PRIu64 " octets\r\n",
			s->ops->size(s->context, number));
	if (r < 0)
		return failed(s, r);
	s->state = POP3_SESSION_IN_BODY;
	s->number = number;
	s->offset = 0;
	s->in_header = s->line_empty = true;
	dots_init(&s->dots);
	return body_more(s, reply);
}

static enum pop3_session_action cmd_retr(
	struct pop3_session *s, struct str args, struct buf *reply)
{
	uint32_t number;

	if (!message_number(s, &args, &number) || args.len)
		return no_such(s, reply);
	s->only_top = false;
	return body_begin(s, number, reply);
}

static enum pop3_session_action cmd_top(
	struct pop3_session *s, struct str args, struct buf *reply)
{
	uint32_t number, lines;

	if (!message_number(s, &args, &number))
		return no_such(s, reply);
	if (!pop3_number(&args, &lines) || args.len)
		return bad(s, reply, "-ERR TOP wants a message and a number of lines.");
	s->only_top = true;
	s->lines = lines;
	return body_begin(s, number, reply);
}

/* ---- DELE, RSET, NOOP, CAPA, QUIT ---- */

static enum pop3_session_action cmd_dele(
	struct pop3_session *s, struct str args, struct buf *reply)
{
	uint32_t number;

	if (!message_number(s, &args, &number) || args.len)
		return no_such(s, reply);
	s->deleted[number / 8] |= (uint8_t)(1u << number % 8);
	return say(s, reply, "+OK Marked to be deleted.");
}

static enum pop3_session_action cmd_rset(
	struct pop3_session *s, struct str args, struct buf *reply)
{
	(void)args;
	for (uint32_t i = 0; i <= s->count / 8; i++)
		s->deleted[i] = 0;
	return say(s, reply, "+OK");
}

static enum pop3_session_action cmd_noop(
	struct pop3_session *s, struct str args, struct buf *reply)
{
	(void)args;
	return say(s, reply, "+OK");
}

static enum pop3_session_action cmd_capa(
	struct pop3_session *s, struct str args, struct buf *reply)
{
	(void)args;
	return say(s, reply, "+OK\r\n" CAPABILITIES ".");
}

static bool has_deleted(const struct pop3_session *s)
{
	for (uint32_t i = 0; i <= s->count / 8; i++)
		if (s->deleted[i])
			return true;
	return false;
}

static enum pop3_session_action cmd_quit(
	struct pop3_session *s, struct str args, struct buf *reply)
{
	(void)args;
	if (has_deleted(s) && s->ops->commit(s->context, s) < 0)
		(void)say(s, reply,
			"-ERR [SYS/TEMP] Some deleted messages were not removed.");
	else
		(void)say(s, reply, "+OK Logging out.");
	s->state = POP3_SESSION_CLOSED;
	return POP3_SESSION_QUIT;
}

static const struct command_row {
	struct str name;
	handler *handle;
} command_rows[] = {
	{ STR("CAPA"), cmd_capa },
	{ STR("DELE"), cmd_dele },
	{ STR("LIST"), cmd_list },
	{ STR("NOOP"), cmd_noop },
	{ STR("QUIT"), cmd_quit },
	{ STR("RETR"), cmd_retr },
	{ STR("RSET"), cmd_rset },
	{ STR("STAT"), cmd_stat },
	{ STR("TOP"), cmd_top },
	{ STR("UIDL"), cmd_uidl },
};

static enum pop3_session_action run(
	struct pop3_session *s, struct str line, struct buf *reply)
{
	struct pop3_command c = pop3_command(line);
	unsigned bad_before = s->bad;
	enum pop3_session_action action;

	for (size_t i = 0; i < sizeof(command_rows) / sizeof(command_rows[0]); i++) {
		if (!str_ieq(command_rows[i].name, c.name))
			continue;
		action = command_rows[i].handle(s, str_trim(c.args), reply);
		if (s->bad == bad_before)
			s->bad = 0;
		return action;
	}
	return bad(s, reply, "-ERR Unknown command.");
}

static enum pop3_session_action next_command(
	struct pop3_session *s, struct str input, size_t *ret_used, struct buf *reply)
{
	struct str line;

	switch (line_next(input, POP3_LINE_MAX, &line, ret_used)) {
	case LINE_NEED_MORE:
		return POP3_SESSION_NEED_MORE;
	case LINE_TOO_LONG:
		s->state = POP3_SESSION_CLOSED;
		(void)buf_append_c(reply, "-ERR Line too long.\r\n");
		return POP3_SESSION_QUIT;
	case LINE_COMPLETE:
		break;
	}
	return run(s, line, reply);
}

enum pop3_session_action pop3_session_next(
	struct pop3_session *s, struct str input, size_t *ret_used, struct buf *reply)
{
	*ret_used = 0;
	switch (s->state) {
	case POP3_SESSION_IN_COMMAND:
		return next_command(s, input, ret_used, reply);
	case POP3_SESSION_IN_LIST:
		return list_more(s, reply);
	case POP3_SESSION_IN_BODY:
		return body_more(s, reply);
	case POP3_SESSION_CLOSED:
	case POP3_SESSION_STATE_COUNT:
		break;
	}
	return s->error ? POP3_SESSION_FAILED : POP3_SESSION_QUIT;
}
