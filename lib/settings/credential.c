/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/credential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "%d/"
#define FOLDER_OF_UNIT "/run/credentials/mailferry.service"

bool credential_is(const char *text)
{
	return strncmp(text, MARK, strlen(MARK)) == 0;
}

const char *credential_path(const char *text, char *path, size_t size)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	int len = snprintf(path, size, "%s/%s",
		folder && *folder == '/' ? folder : FOLDER_OF_UNIT, text + strlen(MARK));

	return len < 0 || (size_t)len >= size ? NULL : path;
}
