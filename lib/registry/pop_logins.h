/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_POP_LOGINS_H
#define REGISTRY_POP_LOGINS_H
/* `pop_before_smtp`: how the last login of ours at the source went, that followed one of
   a user who lives here. */
#include "registry/registry.h"

/* no source shall lock anybody out */
#define POP_LOGIN_REFUSED_AGAIN_MS (UINT64_C(6) * 3600 * 1000)

struct pop_login {
	uint64_t at;       /* 0: there was none */
	struct str client; /* from whose address */
	struct str error;  /* why it failed; "" */
	uint64_t next_at;  /* not before: the source has refused the password */
};

/* All zero, when there was none. */
int registry_pop_login(struct registry *r, int64_t account, struct arena *arena,
	struct pop_login *ret, struct error *err);
int registry_set_pop_login(struct registry *r, int64_t account, const struct pop_login *l,
	struct error *err);

#endif
