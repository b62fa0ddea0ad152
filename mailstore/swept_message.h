/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SWEPT_MESSAGE_H
#define MAILSTORE_SWEPT_MESSAGE_H
#include "mailstore/serve/swept.h"
#include "messages/message.h"

/* What MESSAGE_SWEEP says of the mail that comes with it; views into m. -EBADMSG: its
   date or its zone is no number. */
int swept_of(const struct message *m, struct swept *ret);

#endif
