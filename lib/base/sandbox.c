/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/sandbox.h"

#include "base/fd.h"
#include "base/process.h"
#include "base/sandbox_walls.h"

#ifdef __SANITIZE_ADDRESS__
/* LeakSanitizer looks at its own process with ptrace at the end: refused here. */
static bool is_entered;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return is_entered;
}
#endif

int sandbox_enter(const struct sandbox *s, struct error *err)
{
	CLEANUP(fd_closep) int rules = -1;
	int r = sandbox_open_files(s, &rules, err);

	if (r == 0 && s->user)
		r = process_become(s->user, err);
	if (r == 0)
		r = process_keep_capabilities(s->capabilities, s->n_capabilities, err);
	if (r == 0)
		r = process_pass_capabilities(s->passed, s->n_passed, err);
	if (r == 0)
		r = process_protect_memory(err);
	if (r == 0)
		r = sandbox_enter_files(rules, err);
	if (r == 0)
		r = sandbox_enter_calls(s, err);
#ifdef __SANITIZE_ADDRESS__
	is_entered = r == 0;
#endif
	return r;
}
