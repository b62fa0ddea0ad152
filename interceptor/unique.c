/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/unique.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

bool unique_make(char ret[static UNIQUE_LEN + 1])
{
	uint64_t bits = 0;
	bool ok = getrandom(&bits, sizeof(bits), 0) == (ssize_t)sizeof(bits);

	(void)snprintf(ret, UNIQUE_LEN + 1, "%016" PRIx64, bits);
	return ok;
}
