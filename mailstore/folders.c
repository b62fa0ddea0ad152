/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folders that somebody moves away and puts another in their place. */
#include "base/log.h"
#include "mailstore/process.h"

#include <limits.h>
#include <sys/stat.h>

#define LOOK_MS 2000

/* Its process is inside and does not see that the folder was moved away. */
struct folder_id process_folder_of(const struct processes *all, struct str account)
{
	char path[PATH_MAX];
	struct stat st;

	if (settings_mail_path(all->settings, account, path, sizeof(path)) < 0 ||
		stat(path, &st) < 0)
		return (struct folder_id){ 0 };
	return (struct folder_id){ st.st_dev, st.st_ino };
}

void process_remember_folder(struct process *p)
{
	p->folder = process_folder_of(p->all, str_from(p->account));
}

void process_leave_if_moved(struct process *p)
{
	struct folder_id now;

	if (p->state != PROCESS_RUNNING || !p->folder.inode)
		return;
	now = process_folder_of(p->all, str_from(p->account));
	if (!now.inode ||
		(now.inode == p->folder.inode && now.device == p->folder.device))
		return;
	log_warning(NULL, "replaced",
		"account=%s error=\"another folder is in its place\"", p->account);
	process_leave(p);
}

static void on_looks(void *context)
{
	struct processes *all = context;

	for (struct process *p = all->first; p; p = p->next)
		process_leave_if_moved(p);
}

int processes_init(struct processes *all)
{
	int r = timer_new(all->loop, on_looks, all, &all->looks);

	TAILQ_INIT(&all->waking);
	if (r == 0)
		r = timer_new(all->loop, asleep_turn, all, &all->turn);
	if (r == 0)
		timer_start_every(all->looks, LOOK_MS);
	return r;
}

void processes_fini(struct processes *all)
{
	timer_free(all->looks);
	timer_free(all->turn);
}
