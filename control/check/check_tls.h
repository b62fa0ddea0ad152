/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_CHECK_TLS_H
#define CONTROL_CHECK_CHECK_TLS_H
/*
 * Which key the source shows on each of its ports that we reach by TLS; whether it is the
 * one that was confirmed, and whether our certificates have the same one.
 */
#include "control/check/findings.h"
#include "control/terminal/control.h"

/* With c->trust_source what is shown is confirmed. */
void check_tls(struct control *c, struct findings *f);

#endif
