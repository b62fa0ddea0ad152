/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_CHECK_LMTP_H
#define CONTROL_CHECK_CHECK_LMTP_H
/* `check`: who may hand over mail by LMTP, and whether the sockets can be made. */
#include "control/check/findings.h"
#include "settings/settings.h"

void check_lmtp(const struct settings *s, struct findings *f);

#endif
