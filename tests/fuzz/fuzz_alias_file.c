/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of aliases in both formats: a rule has a left side and targets, strings of an
   address lie where they should and hold what they may; what is refused has a sentence.
 */
#include "fuzz.h"

#include "registry/address_key.h"
#include "registry/alias_file.h"

#include <stdlib.h>

static void check_address(const struct alias_address *a)
{
	struct address_key key;

	if (a->local.len > ADDRESS_MAX || a->domain.len >= ADDRESS_MAX)
		abort();
	if (!a->local.len && !a->domain.len)
		abort();
	if (a->local.len && a->local.ptr != a->local_bytes)
		abort();
	if (str_index(a->domain, '@') < a->domain.len)
		abort();
	if (address_key(a->local, a->domain, &key) == 0 && key.len > ADDRESS_MAX)
		abort();
}

static int check(void *context, const struct alias_rule *rule)
{
	size_t *line = context;

	if (rule->line <= *line || !rule->n_targets || !rule->right.len ||
		(rule->is_address && rule->n_targets != 1))
		abort();
	*line = rule->line;
	check_address(&rule->left);
	if (rule->is_address)
		check_address(&rule->target);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of(data, size);

	for (int f = 0; f < ALIAS_FORMAT_COUNT; f++) {
		struct error err = { 0 };
		size_t line = 0;

		if (alias_file_read(text, (enum alias_format)f, check, &line, &err) < 0 &&
			!err.text[0])
			abort();
	}
	(void)alias_format_guess(text);
	return 0;
}
