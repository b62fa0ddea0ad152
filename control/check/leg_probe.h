/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_LEG_PROBE_H
#define CONTROL_CHECK_LEG_PROBE_H
/*
 * Does the source answer a client's own address by way of this host? To each of its
 * addresses and services a connection from a foreign address (nft-rules/tun.h) is tried
 * beside one from our own, all at once. One more comes from an address that we have on
 * another interface, if there is one: a source may drop addresses that nobody has.
 *
 *   own        one of the others
 *   answers    answers             it works
 *   answers    silent              its answers go another way: only our own address works
 *   silent     any                 says nothing: the service is not there
 *
 * A source that refuses by a reset has answered. To our other address it must answer by
 * the interface that leads to it: the long way round is not the clients'.
 */
#include "control/terminal/control.h"

enum leg_way {
	LEG_WAY_UNKNOWN, /* the service does not answer at all */
	LEG_WAY_WORKS,
	LEG_WAY_ELSEWHERE, /* answers to others do not come back through us */
};

struct leg_probe {
	enum leg_way of[SERVICE_COUNT];
	char own[ADDRESS_TEXT_MAX]; /* what the source sees when we connect ourselves */
};

/* Takes 3 s at the most. -errno: it could not be tried, with the reason. */
int leg_probe_run(const struct settings *s, struct leg_probe *ret, struct error *err);

/* Services whose way is that, "imap pop3", into text; false: none. */
#define LEG_SERVICES_MAX 96
bool leg_probe_names(const struct settings *s, const struct leg_probe *p, bool smtp,
	char text[static LEG_SERVICES_MAX]);

#endif
