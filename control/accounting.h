/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTING_H
#define CONTROL_ACCOUNTING_H
/*
 * Settings of the kernel by which tracked connections have their bytes and their
 * beginning (nf_conntrack_acct, nf_conntrack_timestamp): on while `mailferry up` runs,
 * for `flows`. What we switched on is noted in run_dir, so that the next end of `up` puts
 * it back also after a crash.
 */
#include "settings/settings.h"

void accounting_begin(const struct settings *s);
void accounting_end(const struct settings *s);

#endif
