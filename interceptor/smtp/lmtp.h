/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SMTP_LMTP_H
#define INTERCEPTOR_SMTP_LMTP_H
/*
 * A session of `lmtp`: a mail server of the admin's hands over mail for accounts that
 * live here (wire/smtp/lmtp.h). It has a queue and has accepted the mail already, so:
 *
 *   - Whoever does not live here, or not yet, is refused for now as long as the source is
 *     there: the mail waits in that queue. A refusal for good would be a bounce.
 *   - Neither the source's policy nor content filters are asked, and loops are that
 *     server's to find: it is too late to refuse.
 *   - Each recipient hears what became of its own mail, when that is on the disk.
 *
 * Nothing of this session goes to the source.
 */
#include "interceptor/session/handler.h"

extern const struct handler lmtp_handler;

#endif
