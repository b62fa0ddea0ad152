/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_RESULT_H
#define TRANSFER_RESULT_H
/* What the registry gets to know of a copy: whether UIDs and unique-ids were kept, and
   its certificate. */
#include "transfer/account/job/job.h"

/* Of the last pass. The certificate lies in the job's arena. 0 or -errno. */
int result_make(struct job *j, bool equal, struct account_result *ret);
/* Source and copy differ, or could not be compared: for the admin, as far as possible. */
void result_write_failure(struct job *j);

#endif
