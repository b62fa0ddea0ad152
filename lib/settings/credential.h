/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_CREDENTIAL_H
#define SETTINGS_CREDENTIAL_H
/* "%d/key" as units have it: a credential of the service (LoadCredential=), in a folder
   that systemd makes. A command that systemd has not started looks where it makes those
   of our units. */
#include <stdbool.h>
#include <stddef.h>

bool credential_is(const char *text);
/* Its path, in path[size]; NULL: it does not fit. */
const char *credential_path(const char *text, char *path, size_t size);

#endif
