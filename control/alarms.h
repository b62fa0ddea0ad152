/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ALARMS_H
#define CONTROL_ALARMS_H
/* What the running programs have seen (messages/alarms.h). */
#include "messages/message.h"
#include "settings/settings.h"

/* A MESSAGE_ALARM, a view during the call. Programs that do not run have seen nothing. */
typedef void alarms_each_fn(void *context, const struct message *alarm);
void alarms_each(const struct settings *s, alarms_each_fn *each, void *context);

#endif
