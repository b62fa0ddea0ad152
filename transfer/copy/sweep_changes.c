/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/copy/sweep_changes.h"

#include <stdio.h>

/* Names of such folders where the server does not say what they are for. */
static const struct str expiring[] = { STR("Trash"), STR("Junk"), STR("Spam"),
	STR("Deleted Items"), STR("Deleted Messages"), STR("Junk E-mail"),
	STR("Bulk Mail") };

static struct str last_part(struct str name)
{
	for (size_t i = name.len; i-- > 0;)
		if (name.ptr[i] == '.' || name.ptr[i] == '/')
			return str_skip(name, i + 1);
	return name;
}

bool sweep_expires(struct str name, struct str special_use)
{
	if (str_ieq(special_use, STR_LIT("\\Trash")) ||
		str_ieq(special_use, STR_LIT("\\Junk")))
		return true;
	for (size_t i = 0; i < sizeof(expiring) / sizeof(expiring[0]); i++)
		if (str_ieq(last_part(name), expiring[i]))
			return true;
	return false;
}

/* With new mail in between only what cannot come from it; a server that begins to count
   changes says 1, or nothing, before. */
static void describe(const struct source_status *was, const struct source_status *now,
	char text[static SWEEP_CHANGE_MAX])
{
	bool has_new = now->uidnext != was->uidnext;

	if (now->messages < was->messages)
		(void)snprintf(text, SWEEP_CHANGE_MAX, "messages removed there: %u",
			was->messages - now->messages);
	else if (now->unseen < was->unseen)
		(void)snprintf(text, SWEEP_CHANGE_MAX, "messages read there: %u",
			was->unseen - now->unseen);
	else if (!has_new && (now->unseen > was->unseen ||
				     (was->highestmodseq > 1 &&
					     now->highestmodseq > was->highestmodseq)))
		(void)snprintf(text, SWEEP_CHANGE_MAX, "flags changed there");
}

void sweep_compare(struct sweep_was *was, const struct source_status *now,
	uint64_t now_ms, struct sweep_change *change)
{
	char text[SWEEP_CHANGE_MAX] = "";

	if (was->is_known && !now->uidvalidity)
		(void)snprintf(text, sizeof(text), "removed there");
	else if (was->is_known && now->uidvalidity == was->looks.uidvalidity)
		describe(&was->looks, now, text);
	*was = (struct sweep_was){ .is_known = now->uidvalidity != 0, .looks = *now };
	if (!*text)
		return;
	(void)snprintf(change->text, sizeof(change->text), "%s", text);
	change->at = now_ms;
}
