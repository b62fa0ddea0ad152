/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_LEG_MARK_H
#define CONTROL_LEG_MARK_H
/* Says in run_dir that the interceptor that runs may go to the source: from which address
   was found out since its start (up_rules.h). Who opens the rules may be another process
   than who finds it out. */
#include "settings/settings.h"

void leg_mark_set(const struct settings *s);
void leg_mark_unset(const struct settings *s);
bool leg_mark_is_set(const struct settings *s);

#endif
