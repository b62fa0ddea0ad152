/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A server that says anything while we log in at it. The promises:
 *
 *   - what we say is EHLO (or LHLO) and the lines of one login, each at most once, and
 *     the password never before AUTH was offered;
 *   - "logged in" only behind a 235;
 *   - its words become one printable line.
 *
 * The first byte chooses the protocol and how the bytes are cut.
 */
#include "fuzz.h"

#include "wire/smtp/client_auth.h"

#include <stdlib.h>
#include <string.h>

#define PASSWORD "AHUAcA=="

static void must(bool promise)
{
	if (!promise)
		abort();
}

static bool contains(struct str text, const char *what)
{
	return memmem(text.ptr ? text.ptr : "", text.len, what, strlen(what)) != NULL;
}

static void look(const struct smtp_client_auth *a, struct str said, struct str heard)
{
	static const char *const ways[] = { "", "AUTH PLAIN " PASSWORD "\r\n",
		"AUTH LOGIN\r\n", "AUTH LOGIN\r\ndQ==\r\n",
		"AUTH LOGIN\r\ndQ==\r\ncA==\r\n" };
	struct str hello = a->is_lmtp ? STR_LIT("LHLO us\r\n") : STR_LIT("EHLO us\r\n");
	struct str rest = str_starts(said, hello) ? str_skip(said, hello.len) : said;
	bool known = false;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		known |= str_eq(rest, str_from(ways[i]));
	must(known && (rest.len == 0 || said.len > rest.len));
	must(rest.len == 0 || contains(heard, "AUTH") || contains(heard, "auth") ||
		memchr(heard.ptr, 'u', heard.len) || memchr(heard.ptr, 'U', heard.len));
	for (const char *c = a->words; *c; c++)
		must(*c >= ' ' && *c <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_client_auth a;
	struct buf in, out, greeting;
	struct str rest, heard;
	enum smtp_client_auth_result result = SMTP_CLIENT_AUTH_NEED_MORE;
	size_t piece, used;

	if (size < 1)
		return 0;
	heard = rest = str_of(data + 1, size - 1);
	piece = data[0] & 2 ? 1u + (data[0] >> 4) : SIZE_MAX / 2;
	buf_init(&in, 0);
	buf_init(&out, 0);
	buf_init(&greeting, 0);
	smtp_client_auth_init(&a, data[0] & 1, STR_LIT("us"), STR_LIT("u"), STR_LIT("p"));
	while (rest.len && result == SMTP_CLIENT_AUTH_NEED_MORE) {
		/* by the line, unless pieces are wanted: an answer comes alone */
		size_t n = data[0] & 2 ? piece : str_index(rest, '\n') + 1;

		must(buf_append(&in, str_take(rest, n)) == 0);
		rest = str_skip(rest, n);
		result = smtp_client_auth_next(&a, buf_view(&in), &used, &out, &greeting);
		must(used <= buf_len(&in));
		buf_consume(&in, used);
		look(&a, buf_view(&out), heard);
	}
	must(result != SMTP_CLIENT_AUTH_DONE || contains(heard, "235"));
	must((result == SMTP_CLIENT_AUTH_NEED_MORE) ==
		(a.state != SMTP_CLIENT_AUTH_OVER));
	must(smtp_client_auth_next(&a, STR_LIT(""), &used, &out, &greeting) ==
		SMTP_CLIENT_AUTH_NEED_MORE);
	buf_fini(&in);
	buf_fini(&out);
	buf_fini(&greeting);
	return 0;
}
