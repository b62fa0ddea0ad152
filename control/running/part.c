/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/part.h"

#include "control/running/notify.h"
#include "control/running/rights.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM(name) (1u << UP_##name)

const struct part part_all = {
	.lock = STATE_LOCK_UP,
	.programs = (1u << UP_PROGRAM_COUNT) - 1,
	.duties = DUTY_DIRECTORIES | DUTY_STATE | DUTY_CERTIFICATES | DUTY_RULES |
	          DUTY_END_RULES | DUTY_METRICS,
	.rights = RIGHTS_OF_ANY | RIGHTS_OF_FILES | RIGHT(KILL) | RIGHT(SYS_CHROOT) |
	          RIGHT(NET_ADMIN) | RIGHT(NET_RAW) | RIGHT(NET_BIND_SERVICE),
};

const struct part parts[PART_COUNT] = {
	{ "vault", STATE_LOCK_UP_VAULT, PROGRAM(VAULT),
		DUTY_DIRECTORIES | DUTY_CERTIFICATES, RIGHTS_OF_ANY | RIGHTS_OF_FILES },
	{ "state", STATE_LOCK_UP_STATE, 0, DUTY_STATE, RIGHTS_OF_ANY | RIGHTS_OF_FILES },
	{ "mailstore", STATE_LOCK_UP_MAILSTORE, PROGRAM(MAILSTORE), 0,
		RIGHTS_OF_ANY | RIGHT(SYS_CHROOT) },
	{ "transfer", STATE_LOCK_UP_TRANSFER, PROGRAM(TRANSFER), 0, RIGHTS_OF_ANY },
	{ "interceptor", STATE_LOCK_UP_INTERCEPTOR, PROGRAM(INTERCEPTOR), 0,
		RIGHTS_OF_ANY | RIGHT(NET_RAW) | RIGHT(NET_BIND_SERVICE) },
	{ "admission", STATE_LOCK_UP_ADMISSION, PROGRAM(ADMISSION), 0,
		RIGHTS_OF_ANY | RIGHT(NET_ADMIN) },
	{ "dashboard", STATE_LOCK_UP_DASHBOARD, PROGRAM(DASHBOARD), DUTY_METRICS,
		RIGHTS_OF_ANY },
	{ "rules", STATE_LOCK_UP_RULES, 0, DUTY_RULES | DUTY_QUESTIONS,
		RIGHT(NET_ADMIN) },
};
const struct part *part_by_name(const char *name)
{
	for (size_t i = 0; i < PART_COUNT; i++)
		if (strcmp(parts[i].name, name) == 0)
			return &parts[i];
	return NULL;
}

/* Few sites have that setting, so the unit has no such right. */
int part_require_rights(const struct part *p, const struct settings *s, struct error *err)
{
	int code = rights_require(p->rights, err);

	if (code < 0 || !part_has(p, UP_TRANSFER) || !s->pop_before_smtp ||
		rights_require(RIGHT(NET_RAW), NULL) == 0)
		return code;
	return error_set(err, -EPERM, PART_NO_NET_RAW);
}

/* One that looks after everything has each part's lock, too. */
static int lock_parts(const struct state_lock_files *lock, struct error *err)
{
	int code = 0;

	for (size_t i = 0; i < PART_COUNT && code == 0; i++)
		code = state_lock_set(lock, parts[i].lock, err);
	return code;
}

void part_await(const struct part *p, const struct state_lock_files *lock)
{
	int pid, told = 0;

	while (p != &part_all && notify_is_heard() &&
		(pid = state_lock_other(lock, STATE_LOCK_UP)) > 0) {
		if (!told)
			log_warning(NULL, "wait",
				"pid=%d text=\"until the `mailferry up` ends that looks "
				"after everything. After an upgrade from one unit: "
				"systemctl restart mailferry.target\"",
				pid);
		told = pid;
		notify_wait_longer();
		(void)sleep(1);
	}
}

int part_lock(
	const struct part *p, const struct state_lock_files *lock, struct error *err)
{
	int code = state_lock_set(lock, p->lock, err), pid;

	if (code < 0 || p == &part_all)
		return code < 0 ? code : lock_parts(lock, err);
	/* of a version that knew no parts */
	pid = state_lock_other(lock, STATE_LOCK_UP);
	return pid <= 0 ? 0
	                : error_set(err, -EBUSY,
				  "`mailferry up` (pid %d) looks after everything", pid);
}

int part_holder(const struct settings *s, enum part_duty duty)
{
	int pid = state_lock_holder(s, STATE_LOCK_UP);

	for (size_t i = 0; i < PART_COUNT && pid <= 0; i++)
		if (parts[i].duties & duty)
			pid = state_lock_holder(s, parts[i].lock);
	return pid;
}
