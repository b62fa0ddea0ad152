/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is taken as a configuration is printed in a form that is taken again, and means
   the same; what is refused has a sentence. */
#include "fuzz.h"

#include "settings/settings.h"

#include <stdlib.h>
#include <string.h>

static char *print(const struct settings *s)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	settings_print(s, to);
	(void)fclose(to);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings first, second;
	struct error err = { 0 };
	char *text = str_dup_c(str_of(data, size)), *one, *two;
	int r = text ? settings_parse("fuzz", text, &first, &err) : -1;

	if (text && r < 0 && !err.text[0])
		abort();
	free(text);
	if (r < 0)
		return 0;
	one = print(&first);
	if (settings_parse("printed", one, &second, &err) < 0)
		abort();
	two = print(&second);
	if (strcmp(one, two) != 0)
		abort();
	free(one);
	free(two);
	settings_fini(&first);
	settings_fini(&second);
	return 0;
}
