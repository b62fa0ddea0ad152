/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/quota_warning.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define MEBIBYTE (UINT64_C(1) << 20)

/* A login may hold what a header may not. */
static bool is_plain(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("@.-_+=", *c))
			return false;
	return *name;
}

static int put_to(const struct serve *serve, struct buf *out)
{
	const struct quota_letter *l = &serve->letter;

	if (!is_plain(l->account))
		return buf_append_c(out, "To: undisclosed-recipients:;\r\n");
	if (strchr(l->account, '@'))
		return buf_printf(out, "To: <%s>\r\n", l->account);
	return buf_printf(out, "To: <%s@%s>\r\n", l->account, l->domain);
}

static int put_head(const struct serve *serve, unsigned percent, const struct tm *now,
	struct buf *out)
{
	char date[64];
	uint64_t random;
	int r;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S %z", now);
	r = buf_printf(out,
		"Date: %s\r\n"
		"From: Mail server <postmaster@%s>\r\n",
		date, serve->letter.domain);
	if (r == 0)
		r = put_to(serve, out);
	return r < 0 ? r
	             : buf_printf(out,
			       "Message-ID: <quota.%016" PRIx64 "@%s>\r\n"
			       "Subject: Your mailbox is %u %% full\r\n"
			       /* RFC 3834, 5: no vacation answers it */
			       "Auto-Submitted: auto-generated\r\n"
			       "MIME-Version: 1.0\r\n"
			       "Content-Type: text/plain; charset=us-ascii\r\n\r\n",
			       random, serve->letter.domain, percent);
}

static int put_size(const char *what, uint64_t bytes, struct buf *out)
{
	return buf_printf(out, "%s%" PRIu64 ".%" PRIu64 " MB", what, bytes / MEBIBYTE,
		bytes % MEBIBYTE * 10 / MEBIBYTE);
}

static int put_text(const struct quota_use *use, struct buf *out)
{
	int r = 0;

	if (use->quota.bytes) {
		r = put_size("Your mailbox holds ", use->bytes, out);
		r = r < 0 ? r : put_size(" of ", use->quota.bytes, out);
		r = r < 0 ? r : buf_append_c(out, ".\r\n");
	}
	if (r == 0 && use->quota.messages)
		r = buf_printf(out,
			"Your mailbox holds %" PRIu64 " of %" PRIu64 " messages.\r\n",
			use->messages, use->quota.messages);
	return r < 0 ? r
	             : buf_append_c(out,
			       "\r\nWhen it is full, new mail is refused. Please delete "
			       "what you do not need,\r\nand empty the trash.\r\n");
}

static int write_letter(const struct serve *serve, const struct quota_use *use,
	const struct tm *now, struct buf *out)
{
	int r = put_head(serve, quota_percent(use), now, out);

	return r < 0 ? r : put_text(use, out);
}

static int add_to_inbox(
	struct store *s, struct store_message *row, struct str bytes, struct error *err)
{
	const struct body_place place = store_body_inline(bytes);
	int64_t inbox;
	int code = store_find_inbox(s, &inbox, err);

	return code < 0 ? code : store_add(s, inbox, row, &place, NULL, err);
}

/* A warning fills nothing up: where it has no room the log alone tells. */
static int add_if_it_fits(struct serve *serve, struct store_message *row,
	struct str bytes, struct error *err)
{
	struct error full = { 0 };
	int code = quota_check(serve->store, &serve->quota, row->size, 1, &full);

	if (code == -EDQUOT || code == -EMSGSIZE)
		return 0;
	if (code < 0) {
		*err = full;
		return code;
	}
	return add_to_inbox(serve->store, row, bytes, err);
}

static int tell(struct serve *serve, const struct quota_use *use, unsigned percent,
	struct error *err)
{
	struct store *s = serve->store;
	time_t at = time(NULL);
	struct store_message row = {
		.flags = FLAG_RECENT, .keywords = STR(""), .uidl = STR(""), .date = at
	};
	struct tm now;
	struct buf bytes;
	int code;

	(void)localtime_r(&at, &now);
	row.zone = (int16_t)(now.tm_gmtoff / 60);
	buf_init(&bytes, 0);
	code = write_letter(serve, use, &now, &bytes);
	row.size = buf_len(&bytes);
	code = code < 0 ? error_set(err, code, "cannot write a message")
	                : store_begin(s, err);
	if (code == 0) {
		code = add_if_it_fits(serve, &row, buf_view(&bytes), err);
		if (code == 0)
			code = quota_told(s, percent, err);
		if (code == 0)
			code = store_commit(s, err);
		else
			store_rollback(s);
	}
	buf_fini(&bytes);
	return code;
}

void quota_warnings_set(struct serve *serve, const uint8_t *percents, size_t n)
{
	struct quota_warnings w = { .n = n < QUOTA_WARNINGS_MAX ? n
		                                                : QUOTA_WARNINGS_MAX };

	memcpy(w.percents, percents, w.n);
	serve->warnings = w;
}

int quota_warn(struct serve *serve, unsigned *ret_percent, struct error *err)
{
	struct quota_use use = { 0 };
	unsigned percent = 0;
	int code = quota_warning_due(
		serve->store, &serve->quota, &serve->warnings, &use, &percent, err);

	if (code == 0 && percent)
		code = tell(serve, &use, percent, err);
	if (code == 0)
		*ret_percent = percent;
	return code;
}
