/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes an account's folder as a transfer would leave it, for tests of the programs that
   serve it: store_make FOLDER SEPARATOR [NAME | NAME=\Use]... (INBOX is there always). */
#include "mailstore/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_UIDVALIDITY 1700000000u

static int make(struct store *store, const char *argument, char separator,
	uint32_t uidvalidity, struct error *err)
{
	struct str use = str_from(argument);
	struct str name = str_split(&use, '=');
	struct mailbox m = { .name = name,
		.separator = separator,
		.special_use = use,
		.uidvalidity = uidvalidity };
	int64_t id;

	return store_create_mailbox(store, &m, &id, err);
}

static int make_all(struct store *store, int argc, char **argv, struct error *err)
{
	int code = store_begin(store, err);

	if (code == 0)
		code = make(store, "INBOX", argv[2][0], FIRST_UIDVALIDITY, err);
	if (code == 0)
		code = store_subscribe(store, STR_LIT("INBOX"), true, err);
	for (int i = 3; i < argc && code == 0; i++)
		code = make(
			store, argv[i], argv[2][0], FIRST_UIDVALIDITY + (uint32_t)i, err);
	if (code == 0)
		code = store_commit(store, err);
	return code < 0 ? code : store_set_service(store, STORE_SERVED, 1, err);
}

int main(int argc, char **argv)
{
	struct store *store = NULL;
	struct error err = { 0 };
	int code;

	if (argc < 3) {
		(void)fputs(
			"usage: store_make FOLDER SEPARATOR [NAME[=USE]]...\n", stderr);
		return 2;
	}
	code = store_open(argv[1], true, &store, &err);
	if (code == 0)
		code = make_all(store, argc, argv, &err);
	if (code < 0)
		(void)fprintf(stderr, "store_make: %s\n", err.text);
	store_close(store);
	return code < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
