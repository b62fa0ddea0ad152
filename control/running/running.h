/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_RUNNING_H
#define CONTROL_RUNNING_RUNNING_H
/* The settings with which `mailferry up` was started, in run_dir: what has changed in
   mailferry.conf since then takes a restart, but for certificates and keys. */
#include "settings/settings.h"

#define RUNNING_FILE "settings"

int running_write(const struct settings *s, struct error *err);
/* Until they are written again, no part begins (running_require()). */
void running_forget(const struct settings *s);
/* What a part needs that has its own `mailferry up`: the part "state" has looked at what
   is on the disk, with settings that fit these. -EAGAIN with a sentence: it has not. */
int running_require(const struct settings *s, struct error *err);

/* -EINVAL with a sentence: an option is another one with which programs that run and
   those that follow them could not work side by side. */
int running_refuse_others(const struct settings *s, struct error *err);

/* "services imap port", for each option that is another one now. Nothing when no `up` has
   written them. */
typedef int running_change_fn(void *context, const char *option);
int running_each_change(const struct settings *s, running_change_fn *each, void *context,
	struct error *err);

#endif
