/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/credential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARK "%d/"

/* Keys and certificates; the login at a smart host; the dashboard's token. */
static const char *const folders[] = { "/run/credentials/mailferry-vault.service",
	"/run/credentials/mailferry-interceptor.service",
	"/run/credentials/mailferry-dashboard.service" };
#define FOLDERS (sizeof(folders) / sizeof(folders[0]))

bool credential_is(const char *text)
{
	return strncmp(text, MARK, strlen(MARK)) == 0;
}

static const char *join(const char *folder, const char *text, char *path, size_t size)
{
	int len = snprintf(path, size, "%s/%s", folder, text + strlen(MARK));

	return len < 0 || (size_t)len >= size ? NULL : path;
}

const char *credential_path(const char *text, char *path, size_t size)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");

	if (folder && *folder == '/')
		return join(folder, text, path, size);
	for (size_t i = 1; i < FOLDERS; i++)
		if (join(folders[i], text, path, size) && access(path, F_OK) == 0)
			return path;
	return join(folders[0], text, path, size);
}
