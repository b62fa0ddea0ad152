/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208): one root, "", of the whole account. */
#include "mailstore/serve/imap_commands.h"
#include "wire/imap/encode.h"

#include <errno.h>
#include <inttypes.h>

#define STORAGE_UNIT 1024 /* RFC 9208, 5.1 */

static uint64_t in_units(uint64_t bytes)
{
	return bytes / STORAGE_UNIT + (bytes % STORAGE_UNIT != 0);
}

/* What is not limited is not in the list (4.2.1). */
static int put_quota(struct imap *s, struct error *err)
{
	struct store *store = s->serve->store;
	struct quota quota = { 0 };
	uint64_t bytes = 0, messages = 0;
	const char *gap = "";
	int r = store_usage(store, &bytes, &messages, err);

	if (r == 0)
		r = quota_of(store, &s->serve->quota, &quota, err);
	if (r == 0)
		r = buf_append_c(imap_out(s), "* QUOTA \"\" (");
	if (r == 0 && quota.bytes) {
		r = buf_printf(imap_out(s), "STORAGE %" PRIu64 " %" PRIu64,
			in_units(bytes), quota.bytes / STORAGE_UNIT);
		gap = " ";
	}
	if (r == 0 && quota.messages)
		r = buf_printf(imap_out(s), "%sMESSAGE %" PRIu64 " %" PRIu64, gap,
			messages, quota.messages);
	return r < 0 ? r : buf_append_c(imap_out(s), ")\r\n");
}

static void answer(struct imap *s, const char *noun)
{
	struct error err = { 0 };
	int code = put_quota(s, &err);

	if (code < 0) {
		err.code = code;
		imap_failed(s, &err);
	} else {
		imap_done(s, IMAP_OK, "%s completed.", noun);
	}
}

void cmd_getquota(struct imap *s, struct imap_cursor *args)
{
	struct str root;

	if (!imap_space(args) || !imap_astring(args, &s->arena, &root) || !imap_end(args))
		imap_bad_arguments(s);
	else if (root.len)
		imap_done(s, IMAP_NO, "[NONEXISTENT] No such quota root.");
	else
		answer(s, "Getquota");
}

/* The mailbox need not exist (4.1.2). */
void cmd_getquotaroot(struct imap *s, struct imap_cursor *args)
{
	struct str name;

	if (!imap_space(args) || !imap_mailbox(s, args, &name) || !imap_end(args)) {
		imap_bad_arguments(s);
		return;
	}
	imap_wrote(s, buf_append_c(imap_out(s), "* QUOTAROOT "));
	imap_wrote(s, imap_put_mailbox(s, name));
	imap_wrote(s, buf_append_c(imap_out(s), " \"\"\r\n"));
	answer(s, "Getquotaroot");
}

void cmd_setquota(struct imap *s, struct imap_cursor *args)
{
	struct str root;

	if (!imap_space(args) || !imap_astring(args, &s->arena, &root) ||
		!imap_space(args) || !imap_skip_value(args) || !imap_end(args))
		imap_bad_arguments(s);
	else
		imap_done(s, IMAP_NO, "[NOPERM] Quotas are the administrator's.");
}
