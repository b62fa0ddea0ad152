/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_OPTIONS_H
#define SETTINGS_OPTIONS_H
/*
 * The table of options: one row each, from which parsing, range errors, printing and the
 * reference follow. A new option is a field in settings.h and a row in options.c.
 */
#include "settings/settings.h"

enum option_kind {
	OPTION_SWITCH,     /* bool */
	OPTION_NUMBER,     /* uint32_t */
	OPTION_PORT,       /* uint16_t */
	OPTION_BITS,       /* uint32_t, "0x78000000" */
	OPTION_CHOICE,     /* an enum: place in .choices */
	OPTION_PATH,       /* char *, absolute */
	OPTION_CREDENTIAL, /* char *, "", absolute, or %d/NAME (credential.h) */
	OPTION_PATHS,      /* struct settings_files */
	OPTION_TEXT,       /* char *, printable ASCII */
	OPTION_WINDOW,     /* char *, "" or "22:00-05:00" */
	OPTION_SEPARATOR,  /* char *, "" or one byte that is no part of a name */
	OPTION_UIDS,       /* struct uid_range */
	OPTION_ADDRESS,    /* char *, "" or one address */
	OPTION_ADDRESSES,  /* settings.sources */
	OPTION_SMART_HOST, /* char *, as smart_host.h has it */
	OPTION_LOOPBACK,   /* char *, as loopback.h has it */
	OPTION_QUOTA,      /* struct settings_quota, as quota.h has it */
	OPTION_PERCENTS,   /* struct settings_percents, as quota.h has them */
	OPTION_MILTERS,    /* struct settings_files, as milter.h has them */
	OPTION_LMTP,       /* the same, as lmtp.h has them */
	OPTION_NETWORKS,   /* the same: addresses with or without "/24" */
	OPTION_PLACES,     /* the same, as destination.h has them */
	OPTION_DOMAINS,    /* settings.domains */
};

struct option {
	const char *name;
	enum option_kind kind;
	size_t offset;            /* in the struct that its section fills */
	const char *default_text; /* NULL: none, or it follows from another option */
	uint32_t least, most;
	const char *const *choices; /* NULL-terminated */
	const char *help;           /* with the unit */
};

struct option_section {
	const struct option *rows;
	size_t count;
};

extern const struct option_section root_options, service_options, limit_options,
	tls_options, dashboard_options;

/* How a service comes out of the box. */
struct service_row {
	const char *name;
	uint16_t port;
	bool implicit_tls; /* cannot be read before TLS itself is spoken here */
	enum source_tls_mode source_tls;
};
extern const struct service_row service_rows[SERVICE_COUNT];

const struct option *option_by_name(struct option_section section, const char *name);
/* The row whose name is closest to a mistyped one, or NULL. */
const char *option_closest(struct option_section section, const char *name);

/* One value (of a list: the one at index) into the struct at base. On error `err` holds
   the sentence without file and line. */
int option_parse(const struct option *o, void *base, size_t index, const char *text,
	struct error *err);
int option_set_defaults(struct option_section section, void *base, struct error *err);
void option_print_value(const struct option *o, const void *base, FILE *to);

#endif
