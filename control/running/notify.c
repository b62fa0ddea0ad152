/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/notify.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define TIMES 4 /* within the time that systemd waits: one may be late */
#define ANSWER_USEC 1000000

void notify_init(struct notify *n)
{
	uint64_t usec = 0;

	*n = (struct notify){ 0 };
	if (sd_watchdog_enabled(0, &usec) > 0)
		n->limit_ms = usec / 1000;
}

void notify_ready(void)
{
	(void)sd_notify(0, "READY=1");
}

bool notify_is_heard(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

void notify_wait_longer(void)
{
	(void)sd_notify(0, "EXTEND_TIMEOUT_USEC=10000000");
}

void notify_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1");
}

void notify_alive(struct notify *n, uint64_t now)
{
	if (!n->limit_ms || now < n->next)
		return;
	n->next = now + n->limit_ms / TIMES;
	(void)sd_notify(0, "WATCHDOG=1");
}

/* ── what it does with us ──────────────────────────────────────────────────────────── */

/* Its own socket, which root may use where no D-Bus runs, too. */
#define MANAGER_ADDRESS "unix:path=/run/systemd/private"
#define MANAGER "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"

static int open_manager(sd_bus **ret)
{
	sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, MANAGER_ADDRESS);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r >= 0)
		r = sd_bus_set_method_call_timeout(bus, ANSWER_USEC);
	if (r < 0)
		sd_bus_unref(bus);
	else
		*ret = bus;
	return r;
}

/* The job of our unit, and what it is to do: freed by the caller. NULL: there is none, it
   ended by itself. */
static int read_job(sd_bus *bus, sd_bus_message **reply, char **ret_type)
{
	const char *unit, *job;
	uint32_t number = 0;
	int r = sd_bus_call_method(bus, MANAGER, MANAGER_PATH, MANAGER ".Manager",
		"GetUnitByPID", NULL, &reply[0], "u", (uint32_t)getpid());

	if (r >= 0)
		r = sd_bus_message_read(reply[0], "o", &unit);
	if (r >= 0)
		r = sd_bus_get_property(bus, MANAGER, unit, MANAGER ".Unit", "Job", NULL,
			&reply[1], "(uo)");
	if (r >= 0)
		r = sd_bus_message_read(reply[1], "(uo)", &number, &job);
	return r < 0 || !number ? r
	                        : sd_bus_get_property_string(bus, MANAGER, job,
					  MANAGER ".Job", "JobType", NULL, ret_type);
}

bool notify_job_is(const char *wanted)
{
	sd_bus *bus = NULL;
	sd_bus_message *reply[2] = { NULL };
	char *type = NULL;
	bool is_wanted = false;
	int r;

	if (!notify_is_heard())
		return false;
	r = open_manager(&bus);
	if (r >= 0)
		r = read_job(bus, reply, &type);
	if (r < 0)
		log_warning(NULL, "keep",
			"error=\"why systemd ends us is not known: %s\"", strerror(-r));
	else
		is_wanted = type && strcmp(type, wanted) == 0;
	free(type);
	sd_bus_message_unref(reply[1]);
	sd_bus_message_unref(reply[0]);
	sd_bus_flush_close_unref(bus);
	return is_wanted;
}

/* ── what it keeps ─────────────────────────────────────────────────────────────────── */

int notify_keep(const char *name, int fd)
{
	char state[512];
	int len = snprintf(state, sizeof(state), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	int r;

	if (len < 0 || (size_t)len >= sizeof(state))
		return -ENAMETOOLONG;
	/* not polled: an error that waits in a queue's socket is no reason to drop it */
	r = sd_pid_notify_with_fds(0, 0, state, &fd, 1);
	return r > 0 ? 0 : r < 0 ? r : -ENOTCONN;
}

void notify_wait(void)
{
	(void)sd_notify_barrier(0, ANSWER_USEC);
}

static void forget(const char *name)
{
	/* systemd calls nothing so; it is not to say more than a name */
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < ' ')
			return;
	if (*name)
		(void)sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

static void free_names(char **names)
{
	for (char **name = names; name && *name; name++)
		free(*name);
	free((void *)names);
}

void notify_take_kept(notify_kept_fn *take, void *context)
{
	int n = sd_listen_fds(0);
	char **names = NULL;
	int named = sd_listen_fds_with_names(1, &names);

	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (named == n && names) {
			forget(names[i]);
			take(context, names[i], fd);
		} else {
			fd_closep(&fd);
		}
	}
	free_names(names);
	if (n > 0)
		notify_wait(); /* our end may be so soon that it would come too late */
}
