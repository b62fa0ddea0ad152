/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_SIEVE_PROBE_H
#define CONTROL_CHECK_SIEVE_PROBE_H
/* Whether users of the source have filters that they set by ManageSieve (RFC 5804): what
   its port greets with. Nobody logs in. */
#include "control/check/findings.h"
#include "settings/settings.h"

#define SIEVE_PORT 4190
#define SIEVE_CHECK_MS 5000
#define SIEVE_REPORT_MS 2000 /* a person waits, and most sources have none */
#define SIEVE_NAME_MAX 64    /* "Dovecot Pigeonhole" */

/* 0: it is there, and calls itself that (printable). -errno: it is not. */
int sieve_probe(const struct settings *s, unsigned ms, char ret_name[SIEVE_NAME_MAX]);
/* For `mailferry check`. */
void check_sieve(const struct settings *s, struct findings *f);

#endif
