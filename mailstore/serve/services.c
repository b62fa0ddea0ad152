/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/services.h"

#include "mailstore/serve/imap.h"
#include "mailstore/serve/pop3.h"

static const struct service_ops *const services[] = { &imap_service, &pop3_service };

const struct service_ops *service_find(struct str name)
{
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (str_eq(name, str_from(services[i]->name)))
			return services[i];
	return NULL;
}
