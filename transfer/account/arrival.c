/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/arrival.h"

#include "transfer/account/held.h"
#include "transfer/account/job/job.h"
#include "transfer/account/job/loan.h"

/* Without a vault, which a lone process of a test has not, nobody can say it. */
static int read_residence(struct job *j, struct str *ret)
{
	*ret = STR_LIT("");
	return loan_is_there() ? loan_residence(&j->arena, ret, &j->err) : 0;
}

int arrival_mark(struct job *j)
{
	const struct destination *to = &j->destination;
	struct str residence;
	int r = job_set_arriving(j, true);

	if (r == 0)
		r = read_residence(j, &residence);
	if (r == 0)
		r = to->ops->note_switch(to->self, residence, &j->err);
	return r ? r : to->ops->commit(to->self, &j->err);
}

int arrival_finish(struct job *j, const struct account_result *result)
{
	int r;

	job_close_destination(j); /* the next login opens it */
	r = held_or_arrived(j, result);
	if (r == 0)
		j->account.is_arriving = false;
	return r;
}
