/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/hibernation.h"

#include <errno.h>
#include <inttypes.h>

#define VERSION "1"
#define NUMBERS 13
#define TEXTS 5

/* All of them, in the order of the bytes. */
struct fields {
	uint64_t *numbers[NUMBERS];
	struct str *texts[TEXTS];
};

static struct fields fields_of(struct hibernation *h)
{
	return (struct fields){ { &h->enabled, &h->bad, &h->mailbox, &h->uidvalidity,
					&h->read_only, &h->dirty, &h->lost_words,
					&h->form, &h->count, &h->last_uid, &h->as_of,
					&h->seen, &h->seen_expunges },
		{ &h->idle, &h->saved, &h->recent, &h->otherwise, &h->keywords } };
}

int hibernation_encode(const struct hibernation *h, struct buf *out)
{
	struct hibernation copy = *h;
	struct fields all = fields_of(&copy);
	int r = buf_append_c(out, VERSION);

	for (size_t i = 0; i < NUMBERS && r == 0; i++) {
		r = buf_byte(out, '\0');
		if (r == 0)
			r = buf_number(out, *all.numbers[i]);
	}
	for (size_t i = 0; i < TEXTS && r == 0; i++) {
		struct str text = *all.texts[i];

		r = str_index(text, '\0') < text.len ? -EINVAL : buf_byte(out, '\0');
		if (r == 0)
			r = buf_append(out, text);
	}
	return r;
}

int hibernation_decode(struct str bytes, struct hibernation *ret)
{
	struct hibernation h = { 0 };
	struct fields all = fields_of(&h);

	if (!str_eq(str_split(&bytes, '\0'), STR_LIT(VERSION)))
		return -EBADMSG;
	for (size_t i = 0; i < NUMBERS; i++)
		if (!str_to_u64(str_split(&bytes, '\0'), all.numbers[i]))
			return -EBADMSG;
	for (size_t i = 0; i < TEXTS - 1; i++)
		*all.texts[i] = str_split(&bytes, '\0');
	*all.texts[TEXTS - 1] = bytes;
	if (str_index(bytes, '\0') < bytes.len)
		return -EBADMSG;
	*ret = h;
	return 0;
}

int hibernation_put_message(struct buf *otherwise, const struct hibernation_message *m)
{
	return buf_printf(otherwise, "%s%" PRIu32 " %u %" PRIu32 " %" PRIu64,
		buf_len(otherwise) ? "," : "", m->uid, m->flags, m->keywords, m->modseq);
}

bool hibernation_take_message(struct str *otherwise, struct hibernation_message *ret)
{
	struct str text = str_split(otherwise, ',');
	uint32_t flags;

	if (!str_to_u32(str_split(&text, ' '), &ret->uid) ||
		!str_to_u32(str_split(&text, ' '), &flags) || flags > UINT8_MAX ||
		!str_to_u32(str_split(&text, ' '), &ret->keywords) ||
		!str_to_u64(text, &ret->modseq))
		return false;
	ret->flags = (uint8_t)flags;
	return true;
}
