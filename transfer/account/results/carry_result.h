/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_CARRY_RESULT_H
#define TRANSFER_CARRY_RESULT_H
/* What was carried back and what could not be kept, as JSON for the registry (carries.h)
   and as a line for the journal. */
#include "transfer/back/carry.h"

/* From malloc; NULL: no memory. result: "returned", "stays", "dry run"; reason: why it
   stays, "". */
char *carry_result_json(const struct carry *c, const char *result, const char *reason);
void carry_result_line(const struct carry *c, char *text, size_t size);

#endif
