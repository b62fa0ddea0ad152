/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_ACCOUNT_AGAIN_H
#define CONTROL_ACCOUNTS_ACCOUNT_AGAIN_H
/*
 * `mailferry account USER --again`: of an account that lives here, the transfer fetches
 * from the source what is lost of it (transfer/account/account_again.h), and this waits.
 * One that does not live here yet is due now, as by `mailferry transfer USER`.
 */
#include "control/terminal/control.h"

command_fn account_again;

#endif
