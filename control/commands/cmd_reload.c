/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry reload: certificates and keys, without dropping a session. */
#include "control/running/events.h"
#include "control/running/part.h"
#include "control/running/running.h"
#include "control/terminal/control.h"
#include "control/up/certificates.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static int say_restart(void *context, const char *option)
{
	(void)context;
	(void)printf(
		"%s: needs a restart; run `mailferry upgrade`, which keeps the sessions\n",
		option);
	return 0;
}

/* `up` watches the certificate files; the configuration may name other ones now. */
static void tell_up(const struct settings *s)
{
	int pid = part_holder(s, DUTY_CERTIFICATES);

	if (pid > 0)
		(void)kill(pid, SIGHUP);
}

enum exit_code cmd_reload(struct control *c)
{
	const struct settings *s = &c->settings;
	int code = certificates_renew(s, &c->err);

	if (code == -ECONNREFUSED)
		error_set(&c->err, code,
			"mailferry does not run here, so there is nothing to reload; "
			"start `mailferry up`");
	else if (code < 0)
		error_set(&c->err, code, "nothing was changed: %s", c->err.text);
	if (code < 0)
		return control_fail(c);
	(void)event_forget(s, CERTIFICATE_EVENT);
	tell_up(s);
	(void)printf("certificates: %zu in use, as the files are now\n",
		s->tls.certificates.n);
	return running_each_change(s, say_restart, NULL, &c->err) < 0 ? control_fail(c)
	                                                              : EXIT_DONE;
}
