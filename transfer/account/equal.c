/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/equal.h"

#include "transfer/account/job/job.h"

#include <errno.h>

int equal_refuse_unreadable(struct job *j)
{
	const struct sync *s = &j->sync;
	const struct unreadable *u = &s->unreadable[0];
	struct str name = folder_name(&s->folders.at[u->folder]);

	if (!s->folders.at[u->folder].is_listed)
		return error_set(&j->err, -EREMOTEIO,
			"the source does not open \"%.*s\": %s", STR_ARG(name), u->text);
	return error_set(&j->err, -EREMOTEIO,
		"the source does not give %llu message(s), the first in \"%.*s\", UID "
		"%u: %s",
		(unsigned long long)s->n_unreadable, STR_ARG(name), u->uid, u->text);
}

/* INBOX itself is never left. */
static bool has_inbox(const struct sync *s)
{
	for (size_t i = 0; i < s->folders.count; i++)
		if (str_ieq(folder_name(&s->folders.at[i]), STR_LIT("INBOX")))
			return s->folders.at[i].is_listed;
	return false;
}

bool equal_leaves_unreadable(const struct job *j)
{
	return j->settings->on_unreadable == ON_UNREADABLE_LEAVE && has_inbox(&j->sync);
}

bool equal_is(const struct job *j)
{
	return j->sync.n_unreadable ? equal_leaves_unreadable(j) &&
	                                      sync_is_equal_but_unreadable(&j->sync)
	                            : !j->sync.differences;
}
