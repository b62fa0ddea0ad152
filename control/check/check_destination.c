/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/check_destination.h"

#include "base/fd.h"
#include "base/process.h"
#include "control/check/destination_probe.h"
#include "settings/maildir_path.h"
#include "source/destination.h"
#include "users/maildir_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

/* ---- Maildirs ---- */

static int may_write(void *context)
{
	return access(context, R_OK | W_OK | X_OK) < 0 ? -errno : 0;
}

/* As whom writes there. Whoever is not root cannot tell. */
static int try_root(char *root, unsigned owner, struct error *err)
{
	CLEANUP(fd_closep) int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	if (r < 0)
		return error_errno(err, r, "`destination`: %s", root);
	if (geteuid() == 0)
		r = process_run_as(owner, may_write, root);
	return r < 0 ? error_errno(err, r,
			       "`destination`: %s has to be `maildir_owner`'s", root)
	             : 0;
}

int destination_refuse(const struct settings *s, struct error *err)
{
	struct process_user owner;
	char root[PATH_MAX];
	int r;

	if (s->destination.kind != DESTINATION_MAILDIR)
		return 0;
	r = maildir_owner_find(s, &owner, err);
	if (r < 0)
		return r;
	maildir_path_root(s->destination.path, root, sizeof(root));
	return try_root(root, owner.uid, err);
}

static void check_room(const struct settings *s, struct findings *f)
{
	char root[PATH_MAX];
	CLEANUP(fd_closep) int fd = -1;

	maildir_path_root(s->destination.path, root, sizeof(root));
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && fd_leaves_room(fd, 0, s->limits.disk_reserve) < 0)
		finding(f, FINDING_PROBLEM, "destination", "maildirs",
			"the disk of %s has less room than the reserve that stays free "
			"(`limits { disk_reserve }`)",
			root);
	else
		finding(f, FINDING_OK, "destination", "maildirs",
			"%s writes them below %s", s->maildir_owner, root);
}

/* ---- servers ---- */

static void ask_port(const struct settings *s, enum service_id service, const char *name,
	struct findings *f)
{
	struct destination_view v;
	struct error err = { 0 };

	if (destination_probe(s, service, DESTINATION_CHECK_MS, &v, &err) < 0)
		finding(f, FINDING_PROBLEM, "destination", name, "%s", err.text);
	else if (v.refuses_login)
		finding(f, FINDING_PROBLEM, "destination", name,
			"it takes no LOGIN there (LOGINDISABLED)%s",
			v.is_secure ? "" : "; write imap+starttls:// or imaps://");
	else
		finding(f, FINDING_OK, "destination", name, "it answers%s%s%s",
			v.is_secure ? " inside TLS" : "", *v.pin ? ", with the key " : "",
			v.pin);
}

static void ask_ports(const struct settings *s, struct findings *f)
{
	ask_port(s, SERVICE_IMAP, "imap", f);
	if (s->services[SERVICE_POP3].enabled || s->services[SERVICE_POP3S].enabled)
		ask_port(s, SERVICE_POP3, "pop3", f);
	if (s->services[SERVICE_SMTP].enabled)
		ask_port(s, SERVICE_SMTP, "mail", f);
}

struct strays {
	char home[ADDRESS_TEXT_MAX];
	uint64_t n;
	char example[ADDRESS_TEXT_MAX]; /* where one of them lives */
};

static int count_stray(void *context, const struct account *a)
{
	struct strays *s = context;

	if (a->route != ROUTE_LOCAL || !a->home.len || str_eq(a->home, str_from(s->home)))
		return 0;
	s->n++;
	(void)snprintf(s->example, sizeof(s->example), "%.*s", STR_ARG(a->home));
	return 0;
}

static void check_strays(struct control *c, struct findings *f)
{
	struct strays strays = { .n = 0 };
	struct registry *r = NULL;
	int code = control_registry(c, &r);

	destination_home(&c->settings, strays.home);
	if (code == 0)
		code = registry_each(r, count_stray, &strays, &c->err);
	registry_close(r);
	if (code < 0 && code != -ENOENT)
		finding(f, FINDING_PROBLEM, "destination", "accounts", "%s", c->err.text);
	if (strays.n)
		finding(f, FINDING_PROBLEM, "destination", "accounts",
			"%llu account%s moved to %s, which is not `destination`: nobody "
			"can log in there, and their mail waits",
			(unsigned long long)strays.n, strays.n == 1 ? "" : "s",
			strays.example);
}

void check_destination(struct control *c, struct findings *f)
{
	struct error why = { 0 };

	if (destination_refuse(&c->settings, &why) < 0)
		finding(f, FINDING_PROBLEM, "destination", "maildirs", "%s", why.text);
	else if (c->settings.destination.kind == DESTINATION_MAILDIR)
		check_room(&c->settings, f);
	if (destination_is_elsewhere(&c->settings.destination))
		ask_ports(&c->settings, f);
	check_strays(c, f);
}
