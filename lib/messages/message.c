/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The form of a message (all numbers big-endian):
 *
 *   version 1 | type 1 | number 8 | number2 8 | 7 × (length 4 | bytes)
 */
#include "messages/message.h"

#include "base/ipc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALL 2048

static const char *const type_names[] = {
	[MESSAGE_NONE] = "NONE",
	[MESSAGE_SERVE] = "SERVE",
	[MESSAGE_SERVE_END] = "SERVE_END",
	[MESSAGE_SESSION_BEGIN] = "SESSION_BEGIN",
	[MESSAGE_SESSION_END] = "SESSION_END",
	[MESSAGE_AWAIT_LOGOFF] = "AWAIT_LOGOFF",
	[MESSAGE_LOGGED_OFF] = "LOGGED_OFF",
	[MESSAGE_QUIESCE] = "QUIESCE",
	[MESSAGE_QUIESCED] = "QUIESCED",
	[MESSAGE_ROUTE_CHANGED] = "ROUTE_CHANGED",
	[MESSAGE_FLOWS] = "FLOWS",
	[MESSAGE_FLOW] = "FLOW",
	[MESSAGE_FLOWS_END] = "FLOWS_END",
	[MESSAGE_ACCOUNT_DUE] = "ACCOUNT_DUE",
	[MESSAGE_RELEASE] = "RELEASE",
	[MESSAGE_RELEASED] = "RELEASED",
	[MESSAGE_FAILED] = "FAILED",
	[MESSAGE_FACTS_CHANGED] = "FACTS_CHANGED",
	[MESSAGE_STAGE] = "STAGE",
	[MESSAGE_STAGED] = "STAGED",
	[MESSAGE_DELIVER] = "DELIVER",
	[MESSAGE_DELIVERED] = "DELIVERED",
	[MESSAGE_DISCARD] = "DISCARD",
	[MESSAGE_DELIVERY_FAILED] = "DELIVERY_FAILED",
	[MESSAGE_RETURN] = "RETURN",
	[MESSAGE_RETURNED] = "RETURNED",
	[MESSAGE_VAULT_READY] = "VAULT_READY",
	[MESSAGE_CHECK] = "CHECK",
	[MESSAGE_VERDICT] = "VERDICT",
	[MESSAGE_COMPARE] = "COMPARE",
	[MESSAGE_COMPARED] = "COMPARED",
	[MESSAGE_LEND] = "LEND",
	[MESSAGE_PASSWORD] = "PASSWORD",
	[MESSAGE_PREPARE] = "PREPARE",
	[MESSAGE_PROVED] = "PROVED",
	[MESSAGE_SET_PASSWORD] = "SET_PASSWORD",
	[MESSAGE_IMPORT_PASSWORD] = "IMPORT_PASSWORD",
	[MESSAGE_IMPORT_MASTER] = "IMPORT_MASTER",
	[MESSAGE_DONE] = "DONE",
	[MESSAGE_ALARM] = "ALARM",
	[MESSAGE_ALARMS] = "ALARMS",
	[MESSAGE_ALARMS_END] = "ALARMS_END",
	[MESSAGE_IDENTITIES] = "IDENTITIES",
	[MESSAGE_IDENTITY] = "IDENTITY",
	[MESSAGE_SIGN] = "SIGN",
	[MESSAGE_SIGNED] = "SIGNED",
	[MESSAGE_SERVED] = "SERVED",
	[MESSAGE_LOAD] = "LOAD",
	[MESSAGE_LOAD_IS] = "LOAD_IS",
	[MESSAGE_JUDGED] = "JUDGED",
	[MESSAGE_JUDGED_IS] = "JUDGED_IS",
	[MESSAGE_SWEEP] = "SWEEP",
	[MESSAGE_RENEWAL_FILE] = "RENEWAL_FILE",
	[MESSAGE_RENEW] = "RENEW",
	[MESSAGE_KICK] = "KICK",
	[MESSAGE_KICKED] = "KICKED",
	[MESSAGE_PING] = "PING",
	[MESSAGE_PONG] = "PONG",
	[MESSAGE_TAKE_OVER] = "TAKE_OVER",
	[MESSAGE_HANDED] = "HANDED",
	[MESSAGE_RETIRE] = "RETIRE",
	[MESSAGE_TAKEN_OVER] = "TAKEN_OVER",
	[MESSAGE_RETIRED_IS] = "RETIRED_IS",
	[MESSAGE_RETIRED] = "RETIRED",
	[MESSAGE_ADOPT] = "ADOPT",
	[MESSAGE_IDLE] = "IDLE",
	[MESSAGE_LEAVE] = "LEAVE",
	[MESSAGE_BUSY] = "BUSY",
	[MESSAGE_TALLY] = "TALLY",
	[MESSAGE_TALLY_IS] = "TALLY_IS",
	[MESSAGE_RUN] = "RUN",
	[MESSAGE_RAN] = "RAN",
	[MESSAGE_ROOM] = "ROOM",
	[MESSAGE_RENAME] = "RENAME",
	[MESSAGE_LOGGED_IN] = "LOGGED_IN",
	[MESSAGE_MEND] = "MEND",
	[MESSAGE_AGAIN] = "AGAIN",
	[MESSAGE_MENDED] = "MENDED",
	[MESSAGE_ASLEEP] = "ASLEEP",
	[MESSAGE_RESIDENCE] = "RESIDENCE",
	[MESSAGE_RESIDENCE_IS] = "RESIDENCE-IS",
	[MESSAGE_CONFIRM] = "CONFIRM",
	[MESSAGE_REPORTS] = "REPORTS",
};
_Static_assert(sizeof(type_names) / sizeof(type_names[0]) == MESSAGE_TYPE_COUNT,
	"a name for each type");

static const size_t fields[] = {
	offsetof(struct message, account),
	offsetof(struct message, session),
	offsetof(struct message, service),
	offsetof(struct message, tag),
	offsetof(struct message, client),
	offsetof(struct message, text),
	offsetof(struct message, payload),
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))
#define HEAD_SIZE (1 + 1 + 8 + 8)

const char *message_type_name(enum message_type type)
{
	return (unsigned)type < MESSAGE_TYPE_COUNT ? type_names[type] : "unknown";
}

static void put_number(char *at, uint64_t value, size_t bytes)
{
	for (size_t i = bytes; i > 0; i--) {
		at[i - 1] = (char)(value & 0xff);
		value >>= 8;
	}
}

static uint64_t get_number(const char *at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | (unsigned char)at[i];
	return value;
}

size_t message_length(const struct message *m)
{
	size_t length = HEAD_SIZE;

	for (size_t i = 0; i < FIELD_COUNT; i++) {
		struct str field;

		memcpy(&field, (const char *)m + fields[i], sizeof(field));
		length += 4 + field.len;
	}
	return length;
}

ssize_t message_encode(const struct message *m, char *bytes, size_t size)
{
	size_t at = HEAD_SIZE;

	if (size < HEAD_SIZE)
		return -EMSGSIZE;
	bytes[0] = MESSAGE_VERSION;
	bytes[1] = (char)m->type;
	put_number(bytes + 2, m->number, 8);
	put_number(bytes + 10, m->number2, 8);
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		struct str field;

		memcpy(&field, (const char *)m + fields[i], sizeof(field));
		if (field.len > UINT32_MAX || size - at < 4 || size - at - 4 < field.len)
			return -EMSGSIZE;
		put_number(bytes + at, field.len, 4);
		if (field.len)
			memcpy(bytes + at + 4, field.ptr, field.len);
		at += 4 + field.len;
	}
	return (ssize_t)at;
}

/* Nearly all are small, and the pages of a stack are touched one by one. */
int message_give(const struct message *m, message_take_fn *take, void *context)
{
	char small[SMALL], *bytes = small;
	size_t size = message_length(m);
	ssize_t r;

	if (size > IPC_MESSAGE_MAX)
		return -EMSGSIZE;
	if (size > sizeof(small))
		bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	r = message_encode(m, bytes, size);
	if (r > 0)
		r = take(context, str_of(bytes, (size_t)r));
	explicit_bzero(bytes, size);
	if (bytes != small)
		free(bytes);
	return (int)r;
}

int message_next(struct str *rest, struct message *ret_message)
{
	struct message m = { 0 };
	struct str bytes = *rest;
	unsigned char type;

	if (bytes.len < HEAD_SIZE || bytes.ptr[0] != MESSAGE_VERSION)
		return -EBADMSG;
	type = (unsigned char)bytes.ptr[1];
	if (type == MESSAGE_NONE || type >= MESSAGE_TYPE_COUNT)
		return -EBADMSG;
	m.type = (enum message_type)type;
	m.number = get_number(bytes.ptr + 2, 8);
	m.number2 = get_number(bytes.ptr + 10, 8);
	bytes = str_skip(bytes, HEAD_SIZE);
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		struct str field;
		uint64_t len;

		if (bytes.len < 4)
			return -EBADMSG;
		len = get_number(bytes.ptr, 4);
		bytes = str_skip(bytes, 4);
		if (len > bytes.len)
			return -EBADMSG;
		field = str_take(bytes, (size_t)len);
		memcpy((char *)&m + fields[i], &field, sizeof(field));
		bytes = str_skip(bytes, (size_t)len);
	}
	*rest = bytes;
	*ret_message = m;
	return 0;
}

int message_decode(struct str bytes, struct message *ret_message)
{
	struct message m;

	if (message_next(&bytes, &m) < 0 || bytes.len)
		return -EBADMSG;
	*ret_message = m;
	return 0;
}
