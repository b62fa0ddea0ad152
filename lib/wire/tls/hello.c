/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/tls/hello.h"

#include <ctype.h>

#define RECORD_HANDSHAKE 22
#define RECORD_MAX 16384 /* RFC 8446, 5.1 */
#define CLIENT_HELLO 1
#define MESSAGE_HEADER 4 /* type, 24 bits of length */
#define RANDOM_SIZE 32

enum extension { SERVER_NAME = 0, ALPN = 16, EARLY_DATA = 42, SUPPORTED_VERSIONS = 43 };

void tls_hello_init(struct tls_hello_reader *r)
{
	*r = (struct tls_hello_reader){ 0 };
	buf_init(&r->message, TLS_HELLO_MAX + MESSAGE_HEADER);
}

void tls_hello_fini(struct tls_hello_reader *r)
{
	buf_fini(&r->message);
}

/* ---- the fields of a message, each taken off the front ---- */

/* size: 1, 2 or 3 bytes, the highest first. */
static bool take_number(struct str *rest, size_t size, uint32_t *ret)
{
	uint32_t value = 0;

	if (rest->len < size)
		return false;
	for (size_t i = 0; i < size; i++)
		value = value << 8 | (unsigned char)rest->ptr[i];
	*rest = str_skip(*rest, size);
	*ret = value;
	return true;
}

static bool take_bytes(struct str *rest, size_t len, struct str *ret)
{
	if (rest->len < len)
		return false;
	*ret = str_take(*rest, len);
	*rest = str_skip(*rest, len);
	return true;
}

/* A vector with its length before it. */
static bool take_vector(struct str *rest, size_t size, struct str *ret)
{
	uint32_t len;

	return take_number(rest, size, &len) && take_bytes(rest, len, ret);
}

/* ---- extensions ---- */

static bool is_host_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.ptr[i]) && name.ptr[i] != '-' &&
			name.ptr[i] != '.' && name.ptr[i] != '_')
			return false;
	return name.len && name.len <= TLS_NAME_MAX;
}

/* RFC 6066, 3: a list of names; there is one type of them, and one name of a type. */
static bool read_server_name(struct str value, struct tls_hello *hello)
{
	struct str list, name;
	uint32_t type;

	if (!take_vector(&value, 2, &list) || value.len || !take_number(&list, 1, &type))
		return false;
	if (type != 0)
		return true;
	if (!take_vector(&list, 2, &name))
		return false;
	if (!is_host_name(
		    name)) /* no certificate has such a name: as if it asked for none */
		return true;
	if (name.ptr[name.len - 1] == '.') /* some send the root's dot */
		name.len--;
	for (size_t i = 0; i < name.len; i++)
		hello->name[i] = (char)tolower((unsigned char)name.ptr[i]);
	hello->name[name.len] = '\0';
	return true;
}

/* The highest, GREASE values (0x?a?a) left out. */
static bool read_versions(struct str value, struct tls_hello *hello)
{
	struct str list;
	uint32_t version;

	if (!take_vector(&value, 1, &list) || value.len || list.len % 2)
		return false;
	while (take_number(&list, 2, &version))
		if (version >> 8 == 3 && version > hello->version)
			hello->version = (uint16_t)version;
	return true;
}

static bool read_alpn(struct str value, struct tls_hello *hello)
{
	hello->has_alpn = value.len > 0;
	return true;
}

static bool read_early_data(struct str value, struct tls_hello *hello)
{
	(void)value;
	hello->has_early_data = true;
	return true;
}

static const struct row {
	enum extension type;
	bool (*read)(struct str value, struct tls_hello *hello);
} rows[] = {
	{ SERVER_NAME, read_server_name },
	{ ALPN, read_alpn },
	{ EARLY_DATA, read_early_data },
	{ SUPPORTED_VERSIONS, read_versions },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* An extension may come once (RFC 8446, 4.2); which of two counts would be a matter of
   taste, and the taste of OpenSSL may be another one. */
static bool read_extensions(struct str list, struct tls_hello *hello)
{
	bool seen[N_ROWS] = { false };
	struct str value;
	uint32_t type;

	while (list.len) {
		if (!take_number(&list, 2, &type) || !take_vector(&list, 2, &value))
			return false;
		for (size_t i = 0; i < N_ROWS; i++) {
			if (rows[i].type != type)
				continue;
			if (seen[i] || !rows[i].read(value, hello))
				return false;
			seen[i] = true;
		}
	}
	return true;
}

/* body: behind the message header. */
static bool read_message(struct str body, struct tls_hello *hello)
{
	struct str random, session, ciphers, compressions, extensions;
	uint32_t version;

	*hello = (struct tls_hello){ 0 };
	if (!take_number(&body, 2, &version) ||
		!take_bytes(&body, RANDOM_SIZE, &random) ||
		!take_vector(&body, 1, &session) || session.len > 32 ||
		!take_vector(&body, 2, &ciphers) || ciphers.len < 2 || ciphers.len % 2 ||
		!take_vector(&body, 1, &compressions) || !compressions.len)
		return false;
	hello->version = (uint16_t)version;
	if (!body.len) /* before extensions there was none (RFC 5246, 7.4.1.2) */
		return true;
	return take_vector(&body, 2, &extensions) && !body.len &&
	       read_extensions(extensions, hello);
}

/* ---- records ---- */

static enum tls_hello_result begin_record(struct tls_hello_reader *r)
{
	size_t len = (size_t)r->header[3] << 8 | r->header[4];

	if (r->header[0] != RECORD_HANDSHAKE || r->header[1] != 3)
		return TLS_HELLO_NOT_TLS;
	if (!len || len > RECORD_MAX)
		return TLS_HELLO_BAD;
	r->record_left = len;
	r->n_header = 0;
	return TLS_HELLO_NEED_MORE;
}

/* The message so far. */
static enum tls_hello_result check_message(
	struct tls_hello_reader *r, struct tls_hello *ret)
{
	struct str message = buf_view(&r->message), body;
	uint32_t type, len;

	if (message.len && message.ptr[0] != CLIENT_HELLO)
		return TLS_HELLO_BAD;
	if (!take_number(&message, 1, &type) || !take_number(&message, 3, &len))
		return TLS_HELLO_NEED_MORE;
	if (len > TLS_HELLO_MAX)
		return TLS_HELLO_TOO_BIG;
	if (!take_bytes(&message, len, &body))
		return TLS_HELLO_NEED_MORE;
	/* nothing may follow it before the server has answered but 0-RTT data, in records
	   of their own */
	if (message.len || r->record_left)
		return TLS_HELLO_BAD;
	return read_message(body, ret) ? TLS_HELLO_DONE : TLS_HELLO_BAD;
}

static enum tls_hello_result take_record_bytes(
	struct tls_hello_reader *r, struct str *bytes, struct tls_hello *ret)
{
	struct str piece = str_take(*bytes, r->record_left);

	*bytes = str_skip(*bytes, piece.len);
	r->record_left -= piece.len;
	if (buf_append(&r->message, piece) < 0)
		return TLS_HELLO_TOO_BIG;
	return check_message(r, ret);
}

enum tls_hello_result tls_hello_read(
	struct tls_hello_reader *r, struct str bytes, struct tls_hello *ret)
{
	enum tls_hello_result result = TLS_HELLO_NEED_MORE;

	while (result == TLS_HELLO_NEED_MORE && bytes.len) {
		if (r->record_left) {
			result = take_record_bytes(r, &bytes, ret);
			continue;
		}
		r->header[r->n_header++] = (unsigned char)bytes.ptr[0];
		bytes = str_skip(bytes, 1);
		/* what is no TLS is told by its first byte: it may be all that comes */
		if (r->header[0] != RECORD_HANDSHAKE)
			return TLS_HELLO_NOT_TLS;
		if (r->n_header == TLS_RECORD_HEADER)
			result = begin_record(r);
	}
	return result;
}
