/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_MAILDIR_WRITER_H
#define TRANSFER_MAILDIR_WRITER_H
/*
 * The process that writes one account's Maildir, as `maildir_owner`, below that folder
 * and nowhere else. It does what it is told (record.h), within what is safe whoever
 * tells it:
 *
 *   - only files of our own names are made, renamed or removed; where there is mail of
 *     others nothing is done at all
 *   - a message is written in tmp/, synced, read again and compared, and only then gets
 *     its name: what has a name in cur/ or new/ is whole
 *   - Dovecot's lists are replaced under Dovecot's own locks
 *
 * The file "mailferry" says whose Maildir it is. One that has mail, and no such file, is
 * somebody else's.
 */
#include "settings/settings.h"

#define MAILDIR_WRITER_TASK "maildir-writer"
/* Descriptors of the process, behind its settings. */
enum { MAILDIR_WRITER_SOCKET = 4, MAILDIR_WRITER_FOLDER = 5 };

/* The exit status. */
int maildir_writer_run(const struct settings *s, const char *account);

/* The work itself, in a folder that is open: 0 when the other end has left. */
int maildir_write(int socket, int folder, const char *account, uint64_t disk_reserve);

#endif
