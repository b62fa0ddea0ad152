/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_DIGEST_H
#define MAILSTORE_STORE_DIGEST_H
/*
 * What a body is known by after another server has kept it. Servers add the last line's
 * end (Courier), turn CR CR LF into CR LF and NULs into 0x80 (Dovecot): CRs, NULs and the
 * line ends at the end make no difference here, every other byte does.
 */
#include "base/str.h"

#include <sodium.h>

#define BODY_DIGEST_SIZE 32

struct body_digest {
	crypto_generichash_state state;
	uint64_t ends; /* LFs that may be the last ones */
};

void body_digest_begin(struct body_digest *d);
void body_digest_add(struct body_digest *d, struct str bytes);
void body_digest_end(struct body_digest *d, unsigned char ret[static BODY_DIGEST_SIZE]);

#endif
