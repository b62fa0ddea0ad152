/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/url.h"

#include "lib/wire/wire_test.h"

#include <inttypes.h>

static void test_urls(void **state)
{
	static const struct {
		struct str text, parts; /* "": it is none */
	} rows[] = {
		{ STR("/INBOX/;UID=3"), STR("INBOX 0 3 '' no") },
		{ STR("/INBOX;UIDVALIDITY=7/;UID=3/;SECTION=1.2.MIME"),
			STR("INBOX 7 3 '1.2.MIME' no") },
		{ STR("/a/b%20c/;uid=3/;section=HEADER.FIELDS%20(To)/;partial=5.9"),
			STR("a/b c 0 3 'HEADER.FIELDS (To)' 5.9") },
		{ STR("/INBOX;UID=3;SECTION=TEXT"), STR("INBOX 0 3 'TEXT' no") },
		{ STR(";UID=3/;PARTIAL=8"), STR("- 0 3 '' 8.0") },
		{ STR("/;UID=3"), STR("- 0 3 '' no") },
		{ STR("imap://host/INBOX/;UID=3"), STR("") },
		{ STR("//host/INBOX/;UID=3"), STR("") },
		{ STR("INBOX/;UID=3"), STR("") },
		{ STR("/INBOX"), STR("") },
		{ STR("/INBOX/;UID=0"), STR("") },
		{ STR("/INBOX/;UID=x"), STR("") },
		{ STR("/INBOX/;UID=3/;SECTION="), STR("") },
		{ STR("/INBOX/;UID=3/;PARTIAL=1.0"), STR("") },
		{ STR("/INBOX/;UID=3/foo"), STR("") },
		{ STR("/IN%zzBOX/;UID=3"), STR("") },
		{ STR("/IN%00BOX/;UID=3"), STR("") },
		{ STR(""), STR("") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str text = exact_copy(rows[i].text);
		struct imap_url url;
		struct arena arena;
		struct buf out;

		arena_init(&arena);
		buf_init(&out, 0);
		if (imap_url(text, &arena, &url)) {
			struct str box = url.mailbox.ptr ? url.mailbox : STR_LIT("-");

			assert_int_equal(
				buf_printf(&out, "%.*s %" PRIu32 " %" PRIu32 " '%.*s' ",
					STR_ARG(box), url.uidvalidity, url.uid,
					STR_ARG(url.section)),
				0);
			assert_int_equal(
				url.partial ? buf_printf(&out, "%" PRIu32 ".%" PRIu32,
						      url.offset, url.length)
					    : buf_append_c(&out, "no"),
				0);
		}
		SAME(rows[i].text.ptr, buf_view(&out), rows[i].parts);
		buf_fini(&out);
		arena_fini(&arena);
		exact_free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_urls) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
