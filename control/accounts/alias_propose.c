/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/alias_propose.h"

#include "registry/alias.h"
#include "registry/delivered.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_LEAST 2
/* Of what the source accepted for it: spam filters there keep some. */
#define PARTS_LEAST 3
#define PARTS_OF 4
/* Mail is accepted before it is seen: a sweep later, and some time in a queue. */
#define BEFORE_MS 900000

static const char *const verdict_names[] = { "likely", "too-few", "elsewhere", "shared",
	"namesake", "many" };
_Static_assert(sizeof(verdict_names) / sizeof(verdict_names[0]) == PROPOSAL_VERDICT_COUNT,
	"a name for each");

const char *proposal_verdict_name(enum proposal_verdict v)
{
	return verdict_names[v];
}

void proposals_init(struct proposals *p)
{
	arena_init(&p->arena);
	buf_init(&p->all, 0);
}

void proposals_fini(struct proposals *p)
{
	buf_fini(&p->all);
	arena_fini(&p->arena);
}

static struct proposal *rows(const struct proposals *p)
{
	return (struct proposal *)(void *)p->all.data;
}

size_t proposals_count(const struct proposals *p)
{
	return buf_len(&p->all) / sizeof(struct proposal);
}

const struct proposal *proposals_at(const struct proposals *p, size_t i)
{
	return &rows(p)[i];
}

/* ── the one command ───────────────────────────────────────────────────────────────── */

static bool is_quiet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("@._+=-", c));
}

bool proposal_quote(struct str word, struct buf *out)
{
	bool quiet = word.len > 0;
	int r = 0;

	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.ptr[i];

		if (c < ' ' || c == 0x7f)
			return false;
		quiet = quiet && is_quiet(word.ptr[i]);
	}
	if (!word.len || word.ptr[0] == '-') /* an option's beginning */
		return false;
	if (quiet)
		return buf_append(out, word) == 0;
	r = buf_byte(out, '\'');
	for (size_t i = 0; i < word.len && r == 0; i++)
		r = word.ptr[i] == '\'' ? buf_append_c(out, "'\\''")
		                        : buf_byte(out, word.ptr[i]);
	return r == 0 && buf_byte(out, '\'') == 0;
}

static int write_command(struct proposals *p, struct proposal *one)
{
	struct buf text;
	int code;

	buf_init(&text, 0);
	code = buf_append_c(&text, "mailferry alias add ");
	if (code == 0 && proposal_quote(one->address, &text) &&
		buf_byte(&text, ' ') == 0 && proposal_quote(one->account, &text)) {
		one->command = arena_str(&p->arena, buf_view(&text));
		code = one->command.ptr ? 0 : -ENOMEM;
	}
	buf_fini(&text);
	return code;
}

/* ── gathering ─────────────────────────────────────────────────────────────────────── */

struct gathering {
	struct registry *registry;
	struct proposals *proposals;
};

static int put(struct proposals *p, const struct proposal *one)
{
	return buf_append(&p->all, str_of(one, sizeof(*one)));
}

/* One row for all that an account has of them. */
static struct proposal *find_many(struct proposals *p, int64_t account)
{
	for (size_t i = 0; i < proposals_count(p); i++)
		if (rows(p)[i].verdict == PROPOSAL_MANY &&
			rows(p)[i].account_id == account)
			return &rows(p)[i];
	return NULL;
}

static void join(struct proposal *one, const struct delivered_row *row)
{
	one->messages += row->messages;
	if (row->first_at < one->first_at)
		one->first_at = row->first_at;
	if (row->last_at > one->last_at)
		one->last_at = row->last_at;
}

static struct proposal *last_address(struct proposals *p)
{
	for (size_t i = proposals_count(p); i-- > 0;)
		if (rows(p)[i].verdict != PROPOSAL_MANY)
			return &rows(p)[i];
	return NULL;
}

static int share(
	struct proposals *p, struct proposal *one, const struct delivered_row *row)
{
	struct buf names;
	int code;

	buf_init(&names, 0);
	code = buf_printf(
		&names, "%.*s, %.*s", STR_ARG(one->account), STR_ARG(row->name));
	join(one, row);
	one->account = arena_str(&p->arena, buf_view(&names));
	buf_fini(&names);
	return code < 0 || !one->account.ptr ? -ENOMEM : 0;
}

static int take_row(void *context, const struct delivered_row *row)
{
	struct gathering *g = context;
	struct proposals *p = g->proposals;
	bool many = row->of_account >= DELIVERED_MAX;
	struct proposal *before = many ? find_many(p, row->account) : last_address(p);
	struct account_route where;
	struct proposal one = { .address = many ? STR_LIT("*")
		                                : arena_str(&p->arena, row->address),
		.account = arena_str(&p->arena, row->name),
		.messages = row->messages,
		.first_at = row->first_at,
		.last_at = row->last_at,
		.verdict = many                  ? PROPOSAL_MANY
		           : row->of_address > 1 ? PROPOSAL_SHARED
		                                 : PROPOSAL_LIKELY,
		.account_id = row->account,
		.command = STR("") };

	if (!one.address.ptr || !one.account.ptr)
		return -ENOMEM;
	if (registry_address_text(g->registry, row->address, &where, NULL) == 0)
		return 0; /* it has an owner by now */
	if (many && before) {
		join(before, row);
		return 0;
	}
	if (!many && before && str_eq(before->address, row->address))
		return share(p, before, row);
	return put(p, &one);
}

/* Rows of both come by address. */
static int compare_addresses(const void *a, const void *b)
{
	const struct proposal *one = a, *other = b;

	return str_cmp(one->address, other->address);
}

static int count_asked(void *context, const struct recipients_row *row)
{
	struct proposals *p = context;
	const struct proposal key = { .address = row->address };
	struct proposal *found = bsearch(
		&key, rows(p), proposals_count(p), sizeof(key), compare_addresses);

	if (found && row->first_at + BEFORE_MS >= found->first_at)
		found->asked += row->count;
	return 0;
}

static int ask_for_all(struct control *c, struct registry *r, struct proposals *p)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < proposals_count(p); i++)
		if (rows(p)[i].first_at < first)
			first = rows(p)[i].first_at;
	if (first < BEFORE_MS || !proposals_count(p))
		return 0;
	qsort(rows(p), proposals_count(p), sizeof(struct proposal), compare_addresses);
	return registry_each_recipients(
		r, (first - BEFORE_MS) / DAY_MS, count_asked, p, &c->err);
}

/* ── judging ───────────────────────────────────────────────────────────────────────── */

static bool is_anothers_name(struct registry *r, const struct proposal *one)
{
	struct str local = str_take(one->address, str_index(one->address, '@'));
	struct account_route route;

	return registry_route(r, local, &route, NULL) == 0 && route.id != one->account_id;
}

static enum proposal_verdict judge(struct registry *r, const struct proposal *one)
{
	if (one->verdict != PROPOSAL_LIKELY)
		return one->verdict;
	if (is_anothers_name(r, one))
		return PROPOSAL_NAMESAKE;
	if (one->messages * PARTS_OF < one->asked * PARTS_LEAST)
		return PROPOSAL_ELSEWHERE;
	return one->messages < MESSAGES_LEAST ? PROPOSAL_TOO_FEW : PROPOSAL_LIKELY;
}

static int explain(struct registry *r, struct proposals *p, struct proposal *one)
{
	static const char *const texts[] = {
		[PROPOSAL_LIKELY] = "all that was seen of it came here",
		[PROPOSAL_TOO_FEW] = "one message alone",
		[PROPOSAL_ELSEWHERE] = "the source accepted more than came here: it goes "
				       "to others, too, or is somebody else's",
		[PROPOSAL_SHARED] = "several accounts get it; leave it to the source",
		[PROPOSAL_NAMESAKE] = "another account has that name",
		[PROPOSAL_MANY] =
			"too many addresses lead here: all of a domain, "
			"perhaps, or a delimiter that `subaddress` does not name",
	};

	one->verdict = judge(r, one);
	one->verdict_name = str_from(proposal_verdict_name(one->verdict));
	one->why = str_from(texts[one->verdict]);
	return one->verdict == PROPOSAL_LIKELY ? write_command(p, one) : 0;
}

static int by_likelihood(const void *a, const void *b)
{
	const struct proposal *one = a, *other = b;

	if (one->verdict != other->verdict)
		return one->verdict < other->verdict ? -1 : 1;
	if (one->messages != other->messages)
		return one->messages > other->messages ? -1 : 1;
	return str_cmp(one->address, other->address);
}

int proposals_gather(struct control *c, struct registry *r, struct proposals *p)
{
	struct gathering g = { .registry = r, .proposals = p };
	int code = registry_each_delivered(r, take_row, &g, &c->err);

	if (code == 0)
		code = ask_for_all(c, r, p);
	for (size_t i = 0; i < proposals_count(p) && code == 0; i++)
		code = explain(r, p, &rows(p)[i]);
	if (code == 0 && proposals_count(p))
		qsort(rows(p), proposals_count(p), sizeof(struct proposal),
			by_likelihood);
	return code;
}
