/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/search_options.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* ── RETURN ────────────────────────────────────────────────────────────────────────── */

static const struct return_row {
	struct str name;
	enum imap_return option;
} return_rows[] = {
	{ STR("MIN"), IMAP_RETURN_MIN },
	{ STR("MAX"), IMAP_RETURN_MAX },
	{ STR("ALL"), IMAP_RETURN_ALL },
	{ STR("COUNT"), IMAP_RETURN_COUNT },
	{ STR("SAVE"), IMAP_RETURN_SAVE },
	{ STR("PARTIAL"), IMAP_RETURN_PARTIAL },
	{ STR("UPDATE"), IMAP_RETURN_UPDATE },
	{ STR("CONTEXT"), IMAP_RETURN_CONTEXT },
};

static bool signed_number(struct imap_cursor *c, bool *ret_minus, uint32_t *ret)
{
	*ret_minus = imap_char(c, '-');
	return imap_number(c, ret) && *ret > 0;
}

bool imap_partial(struct imap_cursor *c, struct imap_partial *ret)
{
	struct imap_cursor at = *c;
	bool minus, other;
	uint32_t a, b;

	if (!signed_number(&at, &minus, &a) || !imap_char(&at, ':') ||
		!signed_number(&at, &other, &b) || minus != other)
		return false;
	*ret = (struct imap_partial){
		.first = a < b ? a : b, .last = a < b ? b : a, .from_end = minus
	};
	*c = at;
	return true;
}

static bool return_option(struct imap_cursor *c, struct imap_returns *ret)
{
	struct str name;

	if (!imap_atom(c, &name))
		return false;
	for (size_t i = 0; i < COUNT(return_rows); i++) {
		if (!str_ieq(name, return_rows[i].name))
			continue;
		ret->options |= return_rows[i].option;
		if (return_rows[i].option == IMAP_RETURN_PARTIAL)
			return imap_space(c) && !ret->partial.first &&
			       imap_partial(c, &ret->partial);
		/* RFC 5465, 7: "UPDATE (UID BODY[…])" */
		return return_rows[i].option != IMAP_RETURN_UPDATE ||
		       imap_optional_list(c, &ret->update_items);
	}
	return false;
}

bool imap_returns(struct imap_cursor *c, struct imap_returns *ret)
{
	const unsigned lists = IMAP_RETURN_PARTIAL | IMAP_RETURN_ALL;

	*ret = (struct imap_returns){ .update_items = STR("") };
	if (!imap_keyword(c, STR_LIT("RETURN")))
		return true;
	ret->given = true;
	if (!imap_space(c) || !imap_char(c, '('))
		return false;
	while (!imap_char(c, ')')) {
		if (!return_option(c, ret))
			return false;
		if (!imap_space(c) && imap_peek(c) != ')' && imap_peek(c) != ' ')
			return false;
	}
	/* RFC 4731, 3.1: none is ALL; RFC 5182, 2.1: SAVE alone asks for no answer */
	if (!(ret->options & ~(unsigned)(IMAP_RETURN_UPDATE | IMAP_RETURN_CONTEXT)))
		ret->options |= IMAP_RETURN_ALL;
	/* RFC 5267, 4.4 */
	return (ret->options & lists) != lists && imap_space(c);
}

/* ── SORT and THREAD ───────────────────────────────────────────────────────────────── */

static const struct sort_row {
	struct str name;
	enum imap_sort_kind kind;
} sort_rows[] = {
	{ STR("ARRIVAL"), IMAP_SORT_ARRIVAL },
	{ STR("CC"), IMAP_SORT_CC },
	{ STR("DATE"), IMAP_SORT_DATE },
	{ STR("FROM"), IMAP_SORT_FROM },
	{ STR("SIZE"), IMAP_SORT_SIZE },
	{ STR("SUBJECT"), IMAP_SORT_SUBJECT },
	{ STR("TO"), IMAP_SORT_TO },
	{ STR("DISPLAYFROM"), IMAP_SORT_DISPLAYFROM },
	{ STR("DISPLAYTO"), IMAP_SORT_DISPLAYTO },
};
_Static_assert(COUNT(sort_rows) == IMAP_SORT_KEYS_MAX, "one of each kind");

static bool has_kind(const struct imap_sort *sort, enum imap_sort_kind kind)
{
	for (size_t i = 0; i < sort->count; i++)
		if (sort->keys[i].kind == kind)
			return true;
	return false;
}

static bool sort_key(struct imap_cursor *c, struct imap_sort *ret)
{
	bool reverse = imap_keyword(c, STR_LIT("REVERSE"));
	struct str name;

	if ((reverse && !imap_space(c)) || !imap_atom(c, &name))
		return false;
	for (size_t i = 0; i < COUNT(sort_rows); i++) {
		if (!str_ieq(name, sort_rows[i].name))
			continue;
		if (has_kind(ret, sort_rows[i].kind))
			return true;
		ret->keys[ret->count].kind = sort_rows[i].kind;
		ret->keys[ret->count++].reverse = reverse;
		return true;
	}
	return false;
}

bool imap_sort(struct imap_cursor *c, struct imap_sort *ret)
{
	struct imap_cursor at = *c;

	*ret = (struct imap_sort){ .count = 0 };
	if (!imap_char(&at, '('))
		return false;
	do {
		if (!sort_key(&at, ret))
			return false;
	} while (imap_space(&at));
	if (!imap_char(&at, ')'))
		return false;
	*c = at;
	return true;
}

bool imap_thread(struct imap_cursor *c, enum imap_thread *ret)
{
	static const struct str names[] = {
		[IMAP_THREAD_ORDEREDSUBJECT] = STR("ORDEREDSUBJECT"),
		[IMAP_THREAD_REFERENCES] = STR("REFERENCES"),
		[IMAP_THREAD_REFS] = STR("REFS"),
	};

	for (size_t i = 0; i < COUNT(names); i++) {
		if (imap_keyword(c, names[i])) {
			*ret = (enum imap_thread)i;
			return true;
		}
	}
	return false;
}
