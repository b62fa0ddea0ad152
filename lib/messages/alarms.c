/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "messages/alarms.h"

#include <stdio.h>
#include <string.h>

static void keep(char *to, size_t size, struct str text)
{
	(void)snprintf(to, size, "%.*s", STR_ARG(str_take(text, size - 1)));
}

static bool is_about(const struct alarm *a, const struct message *m)
{
	return str_eq(str_from(a->kind), str_take(m->service, ALARM_KIND_MAX - 1)) &&
	       str_eq(str_from(a->subject), str_take(m->account, ALARM_SUBJECT_MAX - 1));
}

static struct alarm *oldest(struct alarms *a)
{
	struct alarm *found = &a->at[0];

	for (size_t i = 1; i < a->n; i++)
		if (a->at[i].last_at < found->last_at)
			found = &a->at[i];
	return found;
}

static struct alarm *place_of(struct alarms *a, const struct message *m, uint64_t now_ms)
{
	struct alarm *place;

	for (size_t i = 0; i < a->n; i++)
		if (is_about(&a->at[i], m))
			return &a->at[i];
	place = a->n < ALARMS_MAX ? &a->at[a->n++] : oldest(a);
	*place = (struct alarm){ .window_at = now_ms };
	keep(place->kind, sizeof(place->kind), m->service);
	keep(place->subject, sizeof(place->subject), m->account);
	return place;
}

void alarms_take(struct alarms *a, const struct message *m, uint64_t now_ms)
{
	struct alarm *place = place_of(a, m, now_ms);

	if (now_ms - place->window_at >= ALARM_WINDOW_MS) {
		bool is_next = now_ms - place->window_at < 2 * ALARM_WINDOW_MS;

		place->before = is_next ? place->now : 0;
		place->now = 0;
		place->window_at = now_ms;
	}
	place->now += m->number ? m->number : 1;
	place->last_at = now_ms;
	if (m->text.len)
		keep(place->text, sizeof(place->text), m->text);
}

void alarms_tell(const struct alarms *a,
	void (*send)(void *context, const struct message *m), void *context)
{
	struct message m = { .type = MESSAGE_ALARMS_END };

	for (size_t i = 0; i < a->n; i++) {
		const struct alarm *one = &a->at[i];
		struct message alarm = { .type = MESSAGE_ALARM,
			.service = str_from(one->kind),
			.account = str_from(one->subject),
			.text = str_from(one->text),
			.number = one->now + one->before,
			.number2 = one->last_at };

		send(context, &alarm);
	}
	send(context, &m);
}
