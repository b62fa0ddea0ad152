/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/delivered.h"

#include "wire/mime/header.h"

#define FIELDS_MAX 32 /* above the first Received: spam filters write a dozen */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next word between blanks; "" at the end. */
static struct str next_word(struct str *text)
{
	size_t n = 0;
	struct str word;

	while (text->len && is_space(text->ptr[0]))
		*text = str_skip(*text, 1);
	while (n < text->len && !is_space(text->ptr[n]))
		n++;
	word = str_take(*text, n);
	*text = str_skip(*text, n);
	return word;
}

/* One address, in <> or not; "": several, or none. */
static struct str bare(struct str value)
{
	struct str address = next_word(&value);

	if (next_word(&value).len)
		return STR_LIT("");
	if (address.len > 2 && address.ptr[0] == '<' &&
		address.ptr[address.len - 1] == '>')
		address = str_of(address.ptr + 1, address.len - 2);
	if (str_index(address, '@') == address.len ||
		str_index(address, ',') < address.len ||
		str_index(address, '<') < address.len)
		return STR_LIT("");
	return address;
}

static void add(struct smtp_delivered *d, struct str address)
{
	for (size_t i = 0; i < d->n; i++)
		if (str_ieq(d->to[i], address))
			return;
	if (address.len && d->n < SMTP_DELIVERED_MAX)
		d->to[d->n++] = address;
}

/* Behind "by": before it stands what the client has called itself, and a message that
   begins with a blank may go on behind the date. With two of them one is a client's. */
static struct str behind_by(struct str value)
{
	struct str rest = value, behind = STR_LIT(""), word;
	size_t n = 0;

	while ((word = next_word(&rest)).len)
		if (str_ieq(word, STR_LIT("by")) && ++n)
			behind = rest;
	return n == 1 ? behind : STR_LIT("");
}

/* The word behind that one, up to the date. */
static struct str clause(struct str text, struct str name)
{
	struct str word;

	while ((word = next_word(&text)).len) {
		size_t n = str_index(word, ';');

		if (n < word.len)
			break;
		if (!str_ieq(word, name))
			continue;
		word = next_word(&text);
		return str_take(word, str_index(word, ';'));
	}
	return STR_LIT("");
}

/* Whether it was LMTP. A quote may hide words of the sender's. */
static bool take_received(struct smtp_delivered *d, struct str value)
{
	struct str text = behind_by(value);

	if (str_index(value, '"') < value.len)
		return false;
	add(d, bare(clause(text, STR_LIT("for"))));
	return str_istarts(clause(text, STR_LIT("with")), STR_LIT("LMTP"));
}

static bool says_to(struct str name)
{
	return str_ieq(name, STR_LIT("X-Original-To")) ||
	       str_ieq(name, STR_LIT("Delivered-To")) ||
	       str_ieq(name, STR_LIT("Envelope-To"));
}

/* One that is whole: another line stands behind it. */
static bool next_whole(struct str *head, struct mime_field *ret)
{
	return mime_next_field(head, ret) && head->len;
}

void smtp_delivered_to(struct str head, struct smtp_delivered *ret)
{
	struct smtp_delivered above = { .n = 0 };
	struct mime_field f;

	ret->n = 0;
	head = str_take(head, SMTP_DELIVERED_HEAD);
	for (int i = 0; i < FIELDS_MAX && next_whole(&head, &f); i++) {
		if (says_to(f.name))
			add(&above, bare(f.value));
		if (!str_ieq(f.name, STR_LIT("Received")))
			continue;
		*ret = above;
		if (take_received(ret, f.value) && next_whole(&head, &f) &&
			str_ieq(f.name, STR_LIT("Received")))
			(void)take_received(ret, f.value);
		return;
	}
}
