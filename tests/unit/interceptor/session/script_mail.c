/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The mailstore as scripts need one (script.h): it is told, and answers when the script
   says so. */
#include "interceptor/session/script_parts.h"
#include "interceptor/shared/source_answers.h"
#include "interceptor/smtp/staging.h"

#include <unistd.h>

static struct script *script_of(struct host *h)
{
	return (struct script *)h;
}

int script_reach_mailstore(struct host *h)
{
	return script_of(h)->mailstore_is_away ? -ECONNREFUSED : 0;
}

static const char *name_of(enum message_type type)
{
	if (type == MESSAGE_STAGE)
		return "stage";
	if (type == MESSAGE_ROOM)
		return "room";
	return type == MESSAGE_DELIVER ? "deliver" : "discard";
}

static void read_mail(struct script *s, int fd)
{
	ssize_t n = pread(fd, s->mail_text, sizeof(s->mail_text) - 1, 0);

	assert_true(n >= 0);
	while (n > 0 && (s->mail_text[n - 1] == '\r' || s->mail_text[n - 1] == '\n'))
		n--;
	s->mail_text[n] = '\0';
}

/* `told` becomes "stage carol <x@y>, stage dora <x@y> at once". */
int script_tell_mailstore(struct host *h, const struct message *m, int fd)
{
	struct script *s = script_of(h);
	size_t len;

	if (s->mailstore_is_away)
		return -EPIPE;
	if (m->type == MESSAGE_ROOM && !s->room_is_told) {
		(void)snprintf(
			s->room_id, sizeof(s->room_id), "%.*s", STR_ARG(m->session));
		return 0;
	}
	if (!s->mail_waiting)
		s->told[0] = '\0';
	len = strlen(s->told);
	(void)snprintf(s->told + len, sizeof(s->told) - len, "%s%s %.*s", len ? ", " : "",
		name_of(m->type), STR_ARG(m->account));
	if (m->type == MESSAGE_ROOM) {
		len = strlen(s->told);
		(void)snprintf(
			s->told + len, sizeof(s->told) - len, " %u", (unsigned)m->number);
	}
	if (fd >= 0) {
		len = strlen(s->told);
		(void)snprintf(s->told + len, sizeof(s->told) - len, " <%.*s>%s%s",
			STR_ARG(m->text), m->number ? " at once" : "",
			m->number2 ? " in any case" : "");
		read_mail(s, fd);
		(void)close(fd);
	}
	if (m->type == MESSAGE_DISCARD)
		return 0;
	assert_true((size_t)s->mail_waiting < ROWS(s->mail_ids));
	(void)snprintf(s->mail_ids[s->mail_waiting++], sizeof(s->mail_ids[0]), "%.*s",
		STR_ARG(m->session));
	return 0;
}

bool script_room_answers(struct script *s)
{
	char id[sizeof(s->room_id)];
	struct message m = { .type = MESSAGE_DELIVERED, .session = STR("") };

	if (!s->room_id[0])
		return false;
	memcpy(id, s->room_id, sizeof(id));
	s->room_id[0] = '\0';
	m.session = str_from(id);
	staging_answered(&s->host, &m);
	return true;
}

static void answers(struct script *s, int n, enum message_type type, const char *text)
{
	char ids[ROWS(s->mail_ids)][sizeof(s->mail_ids[0])];

	if (!n)
		fail_msg("the mailstore was told nothing");
	memcpy(ids, s->mail_ids, sizeof(ids));
	s->mail_waiting -= n;
	memmove(s->mail_ids, s->mail_ids + n,
		(size_t)s->mail_waiting * sizeof(s->mail_ids[0]));
	for (int i = 0; i < n; i++) {
		struct message m = { .type = type,
			.session = str_from(ids[i]),
			.number = (uint64_t)i + 1,
			.text = str_from(text) };

		staging_answered(&s->host, &m);
	}
}

void script_mailstore_answers(struct script *s, enum message_type type, const char *text)
{
	answers(s, s->mail_waiting, type, text);
}

void script_mailstore_answers_first(
	struct script *s, enum message_type type, const char *text)
{
	answers(s, s->mail_waiting > 0, type, text);
}

void script_mailstore_ends(struct script *s)
{
	s->mail_waiting = 0;
	s->room_id[0] = '\0';
	staging_mailstore_lost(&s->host);
}

void script_count_recipient(
	struct host *h, const struct smtp_address *to, struct str client, bool accepted)
{
	(void)to;
	(void)client;
	(void)accepted;
	script_of(h)->counted++;
}

bool script_source_agreed(struct host *h, struct str question)
{
	struct script *s = script_of(h);

	return source_answers_has(
		s->answers, question, s->now / 1000, s->settings.smtp_policy_ttl_s);
}

void script_note_source_agreed(struct host *h, struct str question)
{
	source_answers_add(script_of(h)->answers, question, script_of(h)->now / 1000);
}

void script_forget_source_agreed(struct host *h, struct str question)
{
	source_answers_drop(script_of(h)->answers, question);
}

void script_note_relayed(struct host *h, struct str local, struct str domain)
{
	(void)local;
	(void)domain;
	script_of(h)->relayed++;
}
