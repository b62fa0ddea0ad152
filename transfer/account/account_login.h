/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_ACCOUNT_LOGIN_H
#define TRANSFER_ACCOUNT_LOGIN_H
/* One login at the source and its end, as the account's user, from the address that the
   scheduler has bound the socket to (transfer/pop_logins.h). It opens no mailbox. */
#include "transfer/account/account.h"

#define LOGIN_CLIENT_SOCKET 6 /* descriptor of that process; behind LOAN_SOCKET */

enum account_exit account_login(
	const struct settings *settings, const char *name, const char *service);

#endif
