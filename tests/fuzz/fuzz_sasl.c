/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes are encoded and decoded to themselves; a line that decodes and is PLAIN is put
   together again as something that parses to the same. */
#include "fuzz.h"

#include "wire/sasl.h"
#include "wire/sasl_user.h"

#include <stdlib.h>

static void must(bool promise)
{
	if (!promise)
		abort();
}

static void round_trip(struct str bytes, struct arena *arena)
{
	struct buf text;
	struct str back;

	buf_init(&text, 0);
	must(base64_encode(&text, bytes) == 0);
	must(base64_decode(buf_view(&text), arena, &back) && str_eq(back, bytes));
	buf_fini(&text);
}

static void plain(struct str line, struct arena *arena)
{
	struct sasl_plain a, b;
	struct str message;
	struct buf again;

	if (!base64_decode(line, arena, &message) || !sasl_plain_parse(message, &a))
		return;
	buf_init(&again, 0);
	must(sasl_plain_put(&again, &a) == 0);
	must(base64_decode(buf_view(&again), arena, &message));
	must(sasl_plain_parse(message, &b) && str_eq(a.authzid, b.authzid) &&
		str_eq(a.authcid, b.authcid) && str_eq(a.password, b.password));
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct str mechanisms[] = { STR("CRAM-MD5"), STR("DIGEST-MD5"),
		STR("SCRAM-SHA-1"), STR("XOAUTH2"), STR("OAUTHBEARER"), STR("EXTERNAL"),
		STR("NTLM") };
	struct str line = str_of(data, size), user;
	struct arena arena;

	arena_init(&arena);
	round_trip(line, &arena);
	plain(line, &arena);
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		(void)sasl_user(mechanisms[i], line, &arena, &user);
	arena_fini(&arena);
	return 0;
}
