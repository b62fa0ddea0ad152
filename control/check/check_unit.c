/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/check_unit.h"

#include "control/running/part.h"
#include "control/running/rights.h"

#include "settings/descriptors.h"
#include "settings/state_lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* What may come to a process's children; 0: cannot be told. */
static uint64_t bounding_set(int pid)
{
	char path[64], line[128];
	uint64_t set = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && !set && fgets(line, sizeof(line), file))
		(void)sscanf(line, "CapBnd: %" SCNx64, &set);
	if (file)
		(void)fclose(file);
	return set;
}

/* The right that its unit has by a drop-in alone. */
static void check_pop_before_smtp(struct control *c, struct findings *f)
{
	int pid = state_lock_holder(&c->settings, STATE_LOCK_UP_TRANSFER);
	uint64_t set = pid > 0 ? bounding_set(pid) : 0;

	if (!c->settings.pop_before_smtp || access("/run/systemd/system", F_OK) < 0)
		return;
	if (set & RIGHT(NET_RAW))
		finding(f, FINDING_OK, "rights", "pop_before_smtp",
			"the transfer may use clients' addresses");
	else
		finding(f, set ? FINDING_PROBLEM : FINDING_NOTE, "rights",
			"pop_before_smtp", "%s%s",
			set ? "" : "under systemd: ", PART_NO_NET_RAW);
}

/* What no process can have more of, whatever its unit says; UINT64_MAX: not known. */
static uint64_t kernel_most(void)
{
	FILE *file = fopen("/proc/sys/fs/nr_open", "re");
	uint64_t most = UINT64_MAX;

	if (file && fscanf(file, "%" SCNu64, &most) != 1)
		most = UINT64_MAX;
	if (file)
		(void)fclose(file);
	return most;
}

/* As many as the program can ask for; UINT64_MAX: any, or it does not run. */
static uint64_t running_has(const struct settings *s, enum state_lock program)
{
	int pid = state_lock_holder(s, program);
	uint64_t has = UINT64_MAX;
	char path[64], line[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/limits", pid);
	file = pid > 0 ? fopen(path, "re") : NULL;
	while (file && has == UINT64_MAX && fgets(line, sizeof(line), file))
		(void)sscanf(line, "Max open files %*s %" SCNu64, &has);
	if (file)
		(void)fclose(file);
	return has;
}

static void check_one(struct control *c, struct findings *f, const char *name,
	enum state_lock program, uint64_t wanted)
{
	uint64_t most = kernel_most(), has = running_has(&c->settings, program);

	if (wanted > most)
		finding(f, FINDING_PROBLEM, "limits", name,
			"`limits { connections }` needs %" PRIu64
			" descriptors, and the kernel allows a process %" PRIu64
			"; set fs.nr_open = %" PRIu64
			" in /etc/sysctl.d, run `systemctl edit mailferry-%s` and write "
			"[Service] and LimitNOFILE=%" PRIu64,
			wanted, most, wanted, name, wanted);
	else if (wanted > has)
		/* not before there are that many connections */
		finding(f, FINDING_NOTE, "limits", name,
			"`limits { connections }` needs %" PRIu64
			" descriptors, and the %s, which runs, has %" PRIu64
			": it takes fewer connections; run `systemctl edit mailferry-%s`, "
			"write [Service] and LimitNOFILE=%" PRIu64
			", and restart it (without systemd: `ulimit -n %" PRIu64
			"` before `mailferry up`)",
			wanted, name, has, name, wanted, wanted);
	else
		finding(f, FINDING_OK, "limits", name, "%" PRIu64 " descriptors", wanted);
}

void check_units(struct control *c, struct findings *f)
{
	const struct limits *l = &c->settings.limits;

	check_pop_before_smtp(c, f);
	check_one(c, f, "interceptor", STATE_LOCK_INTERCEPTOR,
		descriptors_of_interceptor(l));
	check_one(c, f, "mailstore", STATE_LOCK_MAILSTORE, descriptors_of_mailstore(l));
}
