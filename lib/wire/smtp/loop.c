/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/loop.h"

#include "wire/milter/header.h"

static bool names(struct str value, const struct smtp_recipient *recipients)
{
	struct str address = str_trim(value);

	if (address.len > 2 && address.ptr[0] == '<' &&
		address.ptr[address.len - 1] == '>')
		address = str_of(address.ptr + 1, address.len - 2);
	for (const struct smtp_recipient *r = recipients; r; r = r->next)
		if (str_ieq(r->address, address))
			return true;
	return false;
}

enum smtp_loop smtp_loop_find(struct str message, const struct smtp_recipient *recipients)
{
	struct milter_fields f;
	struct mime_field field;
	unsigned hops = 0, deliveries = 0;

	milter_fields_init(&f, message);
	while (milter_fields_next(&f, &field)) {
		if (str_ieq(field.name, STR_LIT("Received")) && ++hops > SMTP_HOPS_MAX)
			return SMTP_LOOP_HOPS;
		if (!str_ieq(field.name, STR_LIT("Delivered-To")))
			continue;
		if (++deliveries > SMTP_DELIVERED_TO_MAX)
			return SMTP_LOOP_HOPS;
		if (names(field.value, recipients))
			return SMTP_LOOP_DELIVERED;
	}
	return SMTP_LOOP_NONE;
}
