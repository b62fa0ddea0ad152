/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_UIDL_FORM_H
#define TRANSFER_UIDL_FORM_H
/*
 * Unique-ids that a server makes of a message's UID and its mailbox's UIDVALIDITY. When
 * all that were read have one form, that of the next message is known without asking.
 * Pure.
 *
 *   begin ─► see, for each message ─► learnt: the only form that all have, or none
 */
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

enum uidl_form {
	UIDL_FORM_NONE,
	UIDL_FORM_HEX_UID_FIRST,      /* Dovecot's default: %08Xu%08Xv */
	UIDL_FORM_HEX_VALIDITY_FIRST, /* UW, and what came from it: %08Xv%08Xu */
	UIDL_FORM_UID,                /* Cyrus: %u */
	UIDL_FORM_VALIDITY_DOT_UID,   /* Cyrus, since 2.3: %v.%u */
	UIDL_FORM_VALIDITY_DASH_UID,  /* %v-%u */
	UIDL_FORM_COURIER,            /* UID%u-%v */
	UIDL_FORM_COUNT
};

#define UIDL_FORM_SAMPLES 8 /* fewer are no form: they are read quickly */
#define UIDL_FORM_TEXT 32   /* two numbers, and a NUL */

struct uidl_forms {
	unsigned may; /* bits: 1 << enum uidl_form */
	size_t seen;
};

void uidl_forms_begin(struct uidl_forms *f);
void uidl_forms_see(
	struct uidl_forms *f, struct str uidl, uint32_t uid, uint32_t uidvalidity);
enum uidl_form uidl_forms_learnt(const struct uidl_forms *f);

/* The unique-id in that form, into text; "" for NONE. */
struct str uidl_form_write(enum uidl_form form, uint32_t uid, uint32_t uidvalidity,
	char text[static UIDL_FORM_TEXT]);

#endif
