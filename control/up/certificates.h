/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_UP_CERTIFICATES_H
#define CONTROL_UP_CERTIFICATES_H
/*
 * The files of `tls { certificate, key }` while mailferry runs. The vault cannot open
 * them any more; who starts it can, and hands them over when they have changed: certbot
 * puts links to new ones in place, the key and the certificate one after the other. A
 * pair that does not fit is refused, and the old ones stay.
 */
#include "settings/settings.h"

#define CERTIFICATE_EVENT                                                                \
	"certificates" /* control/running/events.h: they could not be renewed */

/* Changes when one of the files does. */
uint64_t certificates_stamp(const struct settings *s);
/* To the running vault. */
int certificates_renew(const struct settings *s, struct error *err);

/* Watches them for `mailferry up`. */
struct certificate_watch {
	uint64_t look_at;      /* the next look; monotonic */
	uint64_t in_use, seen; /* stamps */
	bool is_judged;        /* what was seen last was tried */
};
void certificates_watch_begin(struct certificate_watch *w, const struct settings *s);
/* Renews them when they have changed and rest again; says so in the log and by an event.
 */
void certificates_watch_tick(
	struct certificate_watch *w, const struct settings *s, uint64_t now);
/* At once, changed or not. */
void certificates_watch_renew(struct certificate_watch *w, const struct settings *s);

#endif
