/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/out_of_service.h"

#include "base/clock.h"
#include "base/log.h"

void out_of_service_lap(struct job *j, enum job_out part)
{
	uint64_t now = clock_monotonic_ms();

	j->out_ms[part] += now - j->out_lap;
	j->out_lap = now;
}

void out_of_service_log(struct job *j)
{
	if (!j->out_since)
		return;
	out_of_service_lap(j, OUT_ARRIVE);
	log_info(NULL, "out-of-service",
		"account=%.*s all_ms=%llu quiesce_ms=%llu pass_ms=%llu uidls_ms=%llu "
		"onward_ms=%llu arrive_ms=%llu",
		STR_ARG(j->account.name), (unsigned long long)(j->out_lap - j->out_since),
		(unsigned long long)j->out_ms[OUT_QUIESCE],
		(unsigned long long)j->out_ms[OUT_PASS],
		(unsigned long long)j->out_ms[OUT_UIDLS],
		(unsigned long long)j->out_ms[OUT_ONWARD],
		(unsigned long long)j->out_ms[OUT_ARRIVE]);
}
