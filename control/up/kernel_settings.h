/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_UP_KERNEL_SETTINGS_H
#define CONTROL_UP_KERNEL_SETTINGS_H
/*
 * Settings of the kernel that are changed while `mailferry up` runs:
 *
 *   nf_conntrack_acct, nf_conntrack_timestamp   on: tracked connections have their bytes
 *                      and their beginning, for `flows`
 *   tcp_early_demux    off once clients are admitted to the source: the SYN of one is
 *                      not taken for one to what is left here of its last connection
 *                      (TIME_WAIT), which ip_forward() drops. Else it stays: without
 *                      it each packet to a socket of this host is routed
 *
 * What we changed is noted in run_dir, so that the next end of `up` puts it back also
 * after a crash.
 */
#include "settings/settings.h"

void kernel_settings_begin(const struct settings *s);
/* Before rules that admit clients to the source. */
void kernel_settings_begin_direct(const struct settings *s);
/* Behind the last rules: where they stay they may have begun some. */
void kernel_settings_end(const struct settings *s);

#endif
