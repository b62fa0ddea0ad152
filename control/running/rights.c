/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/rights.h"

#include <cap-ng.h>
#include <errno.h>

const struct right rights[] = {
	{ CAP_NET_ADMIN, "CAP_NET_ADMIN", "packet rules, counters, TPROXY" },
	{ CAP_NET_RAW, "CAP_NET_RAW", "connections from the clients' own addresses" },
	{ CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE", "listening on mail's ports" },
	{ CAP_SETUID, "CAP_SETUID", "each program and each account its own user" },
	{ CAP_SETGID, "CAP_SETGID", "and its own group" },
	{ CAP_CHOWN, "CAP_CHOWN", "giving them their files" },
	{ CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "looking at those files afterwards" },
	{ CAP_FOWNER, "CAP_FOWNER", "their modes" },
	{ CAP_KILL, "CAP_KILL", "ending the programs" },
	{ CAP_SYS_CHROOT, "CAP_SYS_CHROOT",
		"one mailbox, one process that sees no other" },
};
const size_t right_count = sizeof(rights) / sizeof(rights[0]);

bool right_is_there(const struct right *r)
{
	return capng_have_capability(CAPNG_EFFECTIVE, (unsigned)r->capability) == 1;
}

static int require(const struct right *r, struct error *err)
{
	if (right_is_there(r))
		return 0;
	return error_set(
		err, -EPERM, "this needs %s (%s); run it as root", r->name, r->what_for);
}

int rights_require(uint64_t wanted, struct error *err)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < right_count; i++)
		if (wanted >> rights[i].capability & 1)
			code = require(&rights[i], err);
	return code;
}

int rights_require_network(struct error *err)
{
	return require(&rights[0], err);
}
