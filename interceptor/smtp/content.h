/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SMTP_CONTENT_H
#define INTERCEPTOR_SMTP_CONTENT_H
/* The bytes of a message that is on its way in: small ones in memory, larger ones in a
   file without a name in state_dir. */
#include "base/buf.h"
#include "settings/settings.h"

struct content {
	const struct settings *settings;
	struct buf bytes; /* what is not in the file */
	int file;         /* -1: all is in memory */
	uint64_t len;     /* that was written */
	bool is_broken;   /* a write has failed */
	void *map;
	size_t map_len;
};

void content_init(struct content *c, const struct settings *settings);
void content_fini(struct content *c); /* may be called twice */

/* 0 or -errno; behind a failure nothing can be written any more. */
int content_write(struct content *c, struct str bytes);
/* All of it; valid until the next write. */
int content_view(struct content *c, struct str *ret);
/* All of it in a file that others may be given: the descriptor, which is still the
   content's, or -errno. */
int content_file(struct content *c);

#endif
