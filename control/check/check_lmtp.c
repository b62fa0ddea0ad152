/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/check_lmtp.h"
#include "control/check/listen_file.h"

#include "settings/lmtp.h"
#include "settings/loopback.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/un.h>

static void check_file(const struct settings *s, const char *path, struct findings *f)
{
	int code = listen_file_try(s, path);

	if (code < 0)
		finding(f, FINDING_PROBLEM, "lmtp", "socket", "%s: %s", path,
			code == -EEXIST   ? "there is something else, which is no socket"
			: code == -ENOENT ? "its folder does not exist"
					  : strerror(-code));
	else if (!*s->lmtp_group)
		finding(f, FINDING_NOTE, "lmtp", "socket",
			"%s: root alone may connect; name the group of your mail server "
			"in `lmtp_group` (Postfix: \"postfix\", Exim: \"Debian-exim\")",
			path);
	else if (!getgrnam(s->lmtp_group))
		finding(f, FINDING_PROBLEM, "lmtp", "socket",
			"%s: there is no group \"%s\" on this host (`lmtp_group`)", path,
			s->lmtp_group);
	else
		finding(f, FINDING_OK, "lmtp", "socket", "%s: for root and group %s",
			path, s->lmtp_group);
}

static void check_address(const struct settings *s, const char *place,
	const struct sockaddr_storage *at, struct findings *f)
{
	if (address_is_loopback(at))
		finding(f, FINDING_NOTE, "lmtp", "address",
			"%s: each user of this host may write to everybody who lives "
			"here; a UNIX socket is for your mail server alone",
			place);
	else
		finding(f, FINDING_OK, "lmtp", "address",
			"%s: for %zu network%s, and in clear", place, s->lmtp_clients.n,
			s->lmtp_clients.n == 1 ? "" : "s");
}

void check_lmtp(const struct settings *s, struct findings *f)
{
	for (size_t i = 0; i < s->lmtp.n; i++) {
		const char *place = s->lmtp.paths[i];
		struct sockaddr_storage at = { 0 };

		if (lmtp_address_parse(place, &at) < 0)
			continue; /* the configuration was refused */
		if (at.ss_family == AF_UNIX)
			check_file(s, ((struct sockaddr_un *)&at)->sun_path, f);
		else
			check_address(s, place, &at, f);
	}
}
