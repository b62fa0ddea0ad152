/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A ClientHello reads the same whole and in pieces; its name is always a host name. The
   first byte says how long the pieces are. */
#include "fuzz.h"

#include "wire/tls/hello.h"

#include <stdlib.h>
#include <string.h>

static enum tls_hello_result read_all(
	struct str bytes, size_t piece, struct tls_hello *ret)
{
	struct tls_hello_reader reader;
	enum tls_hello_result result = TLS_HELLO_NEED_MORE;

	tls_hello_init(&reader);
	while (bytes.len && result == TLS_HELLO_NEED_MORE) {
		result = tls_hello_read(&reader, str_take(bytes, piece), ret);
		bytes = str_skip(bytes, piece);
	}
	tls_hello_fini(&reader);
	return result;
}

static void check_name(const struct tls_hello *hello)
{
	size_t len = strnlen(hello->name, sizeof(hello->name));

	if (len > TLS_NAME_MAX)
		abort();
	for (size_t i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-._", hello->name[i]))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_hello whole = { 0 }, pieces = { 0 };
	struct str bytes = str_skip(str_of(data, size), 1);
	enum tls_hello_result result;

	if (!size)
		return 0;
	result = read_all(bytes, bytes.len, &whole);
	if (read_all(bytes, 1u + data[0], &pieces) != result)
		abort();
	if (result != TLS_HELLO_DONE)
		return 0;
	check_name(&whole);
	if (strcmp(whole.name, pieces.name) != 0 || whole.version != pieces.version)
		abort();
	return 0;
}
