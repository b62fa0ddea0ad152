/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/job/uidl_form.h"

#include <stdio.h>

static void write(enum uidl_form form, uint32_t uid, uint32_t uidvalidity,
	char text[static UIDL_FORM_TEXT])
{
	switch (form) {
	case UIDL_FORM_HEX_UID_FIRST:
		(void)snprintf(text, UIDL_FORM_TEXT, "%08x%08x", uid, uidvalidity);
		return;
	case UIDL_FORM_HEX_VALIDITY_FIRST:
		(void)snprintf(text, UIDL_FORM_TEXT, "%08x%08x", uidvalidity, uid);
		return;
	case UIDL_FORM_UID:
		(void)snprintf(text, UIDL_FORM_TEXT, "%u", uid);
		return;
	case UIDL_FORM_VALIDITY_DOT_UID:
		(void)snprintf(text, UIDL_FORM_TEXT, "%u.%u", uidvalidity, uid);
		return;
	case UIDL_FORM_VALIDITY_DASH_UID:
		(void)snprintf(text, UIDL_FORM_TEXT, "%u-%u", uidvalidity, uid);
		return;
	case UIDL_FORM_COURIER:
		(void)snprintf(text, UIDL_FORM_TEXT, "UID%u-%u", uid, uidvalidity);
		return;
	case UIDL_FORM_NONE:
	case UIDL_FORM_COUNT:
		break;
	}
	text[0] = '\0';
}

struct str uidl_form_write(enum uidl_form form, uint32_t uid, uint32_t uidvalidity,
	char text[static UIDL_FORM_TEXT])
{
	write(form, uid, uidvalidity, text);
	return str_from(text);
}

void uidl_forms_begin(struct uidl_forms *f)
{
	*f = (struct uidl_forms){ .may = (1u << UIDL_FORM_COUNT) - 1 -
		                         (1u << UIDL_FORM_NONE) };
}

void uidl_forms_see(
	struct uidl_forms *f, struct str uidl, uint32_t uid, uint32_t uidvalidity)
{
	char text[UIDL_FORM_TEXT];

	f->seen++;
	for (unsigned i = 0; i < UIDL_FORM_COUNT && f->may; i++)
		if (f->may & 1u << i && !str_eq(uidl_form_write((enum uidl_form)i, uid,
							uidvalidity, text),
						uidl))
			f->may &= ~(1u << i);
}

enum uidl_form uidl_forms_learnt(const struct uidl_forms *f)
{
	for (unsigned i = 0; i < UIDL_FORM_COUNT; i++)
		if (f->seen >= UIDL_FORM_SAMPLES && f->may == 1u << i)
			return (enum uidl_form)i;
	return UIDL_FORM_NONE;
}
