/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/views/store_import_view.h"

#include "control/terminal/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#define FIELD(name) offsetof(struct import_view, name)
static const struct column columns[] = {
	{ "account", "account", COLUMN_TEXT, IN_JSON, FIELD(account) },
	{ "dry_run", "dry run", COLUMN_YES_NO, IN_JSON, FIELD(is_dry) },
	{ "mailboxes", "mailboxes", COLUMN_NUMBER, IN_JSON, FIELD(mailboxes) },
	{ "messages", "messages", COLUMN_NUMBER, IN_JSON, FIELD(messages) },
	{ "uids_kept", "under their UIDs", COLUMN_NUMBER, IN_JSON, FIELD(kept) },
	{ "uids_new", "under new UIDs", COLUMN_NUMBER, IN_JSON, FIELD(added) },
	{ "here_already", "here already", COLUMN_NUMBER, IN_JSON, FIELD(here) },
	{ "left", "left", COLUMN_NUMBER, IN_JSON, FIELD(left) },
	{ "bytes", "bytes", COLUMN_BYTES, IN_JSON, FIELD(bytes) },
};

static void print_finding(
	const char *kind, struct str mailbox, uint32_t uid, struct str text)
{
	(void)printf("%s: ", kind);
	output_clean(mailbox, stdout);
	if (uid)
		(void)printf(", UID %u", uid);
	(void)fputs(": ", stdout);
	output_clean(text, stdout);
	(void)putchar('\n');
}

int import_view_finding(json_t *findings, const char *kind, struct str mailbox,
	uint32_t uid, struct str text)
{
	json_t *one;

	if (!findings) {
		print_finding(kind, mailbox, uid, text);
		return 0;
	}
	one = json_object();
	if (json_object_set_new(one, "kind", json_string(kind)) < 0 ||
		json_object_set_new(one, "mailbox", output_string(mailbox)) < 0 ||
		json_object_set_new(one, "uid", uid ? json_integer(uid) : json_null()) <
			0 ||
		json_object_set_new(one, "text", output_string(text)) < 0 ||
		json_array_append(findings, one) < 0) {
		json_decref(one);
		return -ENOMEM;
	}
	json_decref(one);
	return 0;
}

static void print_text(const struct import_view *v)
{
	output_clean(v->account, stdout);
	(void)printf(": %" PRIu64 " messages in %" PRIu64 " mailboxes; ", v->messages,
		v->mailboxes);
	(void)printf("%s %" PRIu64 " under their UIDs, %" PRIu64
		     " under new ones (%" PRIu64 " bytes); %" PRIu64 " are here already",
		v->is_dry ? "to be added:" : "added:", v->kept, v->added, v->bytes,
		v->here);
	if (v->left)
		(void)printf("; %" PRIu64 " cannot be read and %s left", v->left,
			v->is_dry ? "would be" : "were");
	(void)puts(v->is_dry ? " (nothing was changed)" : "");
}

int import_view_print(const struct import_view *v, json_t *findings)
{
	json_t *all;

	if (!findings) {
		print_text(v);
		return 0;
	}
	all = output_object(columns, sizeof(columns) / sizeof(columns[0]), v);
	if (json_object_set(all, "findings", findings) < 0) {
		json_decref(all);
		return -ENOMEM;
	}
	return output_json(all, stdout);
}
