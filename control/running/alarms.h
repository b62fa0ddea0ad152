/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_ALARMS_H
#define CONTROL_RUNNING_ALARMS_H
/* What the running programs have seen (messages/alarms.h). */
#include "messages/message.h"
#include "registry/registry.h"
#include "settings/settings.h"

#define ALARM_DAMAGE "damage"

/* A MESSAGE_ALARM, a view during the call. Programs that do not run have seen nothing.
   Damage is left out when the whole mailbox was looked through since and nothing is wrong
   with it any more (registry/mendings.h). r: NULL when there is none. */
typedef void alarms_each_fn(void *context, const struct message *alarm);
void alarms_each(const struct settings *s, struct registry *r, alarms_each_fn *each,
	void *context);

#endif
