/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/lane.h"

static const struct lane *const lanes[SERVICE_COUNT] = {
	[SERVICE_SMTP] = &lane_smtp,
	[SERVICE_POP3] = &lane_pop3,
	[SERVICE_IMAP] = &lane_imap,
	[SERVICE_SUBMISSION] = &lane_smtp,
};

const struct lane *lane_of(enum service_id service)
{
	return (unsigned)service < SERVICE_COUNT ? lanes[service] : NULL;
}
