/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/pause.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define PAUSED STR_LIT("paused")

int registry_paused(struct registry *r, uint64_t *ret_since, struct error *err)
{
	struct arena arena;
	struct str value;
	int code;

	arena_init(&arena);
	*ret_since = 0;
	code = registry_fact(r, PAUSED, &arena, &value, err);
	if (code == 0 && !str_to_u64(value, ret_since))
		code = error_set(
			err, -EUCLEAN, "the registry's fact `paused` is not a time");
	arena_fini(&arena);
	return code == -ENOENT ? 0 : code;
}

int registry_set_paused(struct registry *r, bool paused, struct error *err)
{
	uint64_t since = 0;
	char value[24];
	int code = registry_paused(r, &since, err);

	if (code == 0 && (since != 0) == paused)
		return 0;
	(void)snprintf(value, sizeof(value), "%" PRIu64, paused ? clock_wall_ms() : 0);
	return registry_set_fact(r, PAUSED, str_from(value), err);
}
