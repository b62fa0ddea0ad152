/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_ALIAS_FILE_H
#define REGISTRY_ALIAS_FILE_H
/*
 * Postfix's two texts of addresses, as rules:
 *
 *   virtual (virtual(5))            aliases (aliases(5))
 *     info@example.com  alice         info:    alice
 *     "a b"@example.com alice         list:    alice, bob@example.net,
 *     @example.org      bob                    "|/usr/bin/filter -x"
 *
 * Both: a line that begins with white space continues the one before; blank lines and
 * those that begin with '#' are nothing, even in between. This reads and judges nothing:
 * what a rule means for us is decided in alias.c. Pure: bytes in, one call for each rule.
 */
#include "base/error.h"
#include "base/str.h"

enum alias_format { ALIAS_FORMAT_VIRTUAL, ALIAS_FORMAT_ALIASES, ALIAS_FORMAT_COUNT };
const char *alias_format_name(enum alias_format f);
bool alias_format_by_name(const char *name, enum alias_format *ret_format);

/* What the first rule looks like. */
enum alias_format alias_format_guess(struct str text);

#define ADDRESS_MAX 320        /* 64 + "@" + 255 bytes, RFC 5321 4.5.3.1 */
#define ALIAS_RULE_MAX 1048576 /* bytes of one rule: a list of some 30,000 members */

/* An address as written: quotes and backslashes are off. Empty domain: none written.
   Empty local: "@domain", which stands for all of a domain. */
struct alias_address {
	char local_bytes[ADDRESS_MAX];
	struct str local;
	struct str domain;
};

struct alias_rule {
	size_t line; /* where it begins, from 1 */
	struct alias_address left;
	struct str right; /* as written, on one line */
	size_t n_targets;
	bool is_address; /* there is one target, and that is an address: */
	struct alias_address target;
};

/* Strings of the rule live until the callback returns; what it returns ends the walk when
   it is not 0. -EINVAL with "line 7: …" for what is no rule. */
typedef int alias_rule_fn(void *context, const struct alias_rule *rule);
int alias_file_read(struct str text, enum alias_format format, alias_rule_fn *each,
	void *context, struct error *err);

#endif
