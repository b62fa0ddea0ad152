/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry up: what must be in place before the supervisor's loop. */
#include "control/control.h"
#include "control/copies.h"
#include "control/folders.h"
#include "control/make_registry.h"
#include "control/ownership.h"
#include "control/rights.h"
#include "control/running.h"
#include "control/supervisor.h"

#include "base/log.h"
#include "settings/state_lock.h"

#include <errno.h>

/* Better not to start than to serve from a registry that is damaged or too old. */
static int check_registry(struct control *c, struct registry *r)
{
	int code = copies_make(c, r);

	if (code == -ENOSPC) { /* those who are here can still be served */
		log_warning(NULL, "registry-copy", "error=\"%s\"", c->err.text);
		code = 0;
	}
	return code < 0 ? code : folders_refuse_strays(c, r);
}

enum exit_code cmd_up(struct control *c)
{
	struct registry *r = NULL;
	int code = rights_require_all(&c->err);

	if (code == 0)
		code = ownership_of_directories(c);
	if (code == 0)
		code = ownership_is_reachable(c);
	if (code == 0)
		code = state_lock_take(&c->settings, STATE_LOCK_UP, &c->err);
	if (code == 0)
		code = make_registry(c, &r);
	if (code == 0)
		code = ownership_of_files(c);
	if (code == 0)
		code = check_registry(c, r);
	if (code == 0)
		code = running_write(&c->settings, &c->err);
	if (code == 0)
		code = supervisor_run(c, r);
	registry_close(r);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
