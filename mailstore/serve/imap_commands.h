/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_IMAP_COMMANDS_H
#define MAILSTORE_SERVE_IMAP_COMMANDS_H
/* The handlers of the commands; see struct imap_command. */
#include "mailstore/serve/imap_session.h"

typedef void imap_handler(struct imap *s, struct imap_cursor *args);

imap_handler cmd_capability, cmd_noop, cmd_logout, cmd_id, cmd_logged_in,
	cmd_idle;                           /* cmd_basic.c */
imap_handler cmd_compress;                  /* cmd_compress.c */
imap_handler cmd_enable;                    /* cmd_enable.c */
imap_handler cmd_list, cmd_lsub, cmd_xlist; /* cmd_list.c */
imap_handler cmd_myrights, cmd_getacl, cmd_listrights, cmd_setacl,
	cmd_deleteacl;                                     /* cmd_acl.c */
imap_handler cmd_getquota, cmd_getquotaroot, cmd_setquota; /* cmd_quota.c */
imap_handler cmd_getmetadata, cmd_setmetadata;             /* cmd_metadata.c */
imap_handler cmd_namespace, cmd_subscribe, cmd_unsubscribe, cmd_create, cmd_delete,
	cmd_rename;                                            /* cmd_mailbox.c */
imap_handler cmd_status;                                       /* cmd_status.c */
imap_handler cmd_select, cmd_examine, cmd_close, cmd_unselect; /* cmd_select.c */
imap_handler cmd_expunge, cmd_copy, cmd_move;                  /* cmd_copy.c */
imap_handler cmd_notify;                                       /* notify.c */
imap_handler cmd_cancelupdate;                                 /* context.c */
imap_handler cmd_search;                                       /* cmd_search.c */
imap_handler cmd_sort;                                         /* cmd_sort.c */
imap_handler cmd_thread;                                       /* cmd_thread.c */
imap_handler cmd_fetch;                                        /* cmd_fetch.c */
imap_handler cmd_store;                                        /* cmd_store.c */
imap_handler cmd_append, cmd_replace;                          /* cmd_append.c */

#endif
