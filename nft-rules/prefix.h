/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_PREFIX_H
#define NFT_RULES_PREFIX_H
/* Networks as people write them. */
#include <stddef.h>
#include <stdint.h>

struct prefix {
	int family;
	unsigned char address[16]; /* network order, zero behind the prefix */
	uint8_t len;
};

#define PREFIX_TEXT_MAX 64

/* "192.0.2.0/24", "2001:db8::7"; without a length one address. -EINVAL: it is none, or
   has bits behind its length ("192.0.2.1/24"). */
int prefix_parse(const char *text, struct prefix *ret);
/* The one way to write it, with its length. */
void prefix_text(const struct prefix *p, char ret[static PREFIX_TEXT_MAX]);

#endif
