/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/inspect.h"
#include "base/buf.h"
#include "base/fd.h"
#include "mailstore/store/internal.h"
#include "mailstore/store/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct inspection {
	struct snapshot snapshot;
	store_finding_fn *each;
	void *context;
	struct store_inspected *count;
	bool is_second;  /* after the repair: only what should be gone is told */
	uint64_t of[16]; /* findings by row of index_checks */
};

static int tell(struct inspection *x, const struct store_finding *f)
{
	return x->each(x->context, f);
}

/* ── the index ─────────────────────────────────────────────────────────────────────── */

static const struct {
	enum sql_id find, repair;
	const char *kind;
} index_checks[] = {
	{ SQL_CHECK_PAGES, SQL_REPAIR_PAGES, "index" }, /* the others read what it vouches
	                                                   for */
	{ SQL_CHECK_REFERENCES, SQL_COUNT, "reference" },
	{ SQL_CHECK_COUNTS, SQL_REPAIR_COUNTS, "counters" },
	{ SQL_CHECK_UIDS, SQL_REPAIR_UIDS, "uidnext" },
	{ SQL_CHECK_MODSEQS, SQL_REPAIR_MODSEQS, "modseq" },
	{ SQL_CHECK_MODSEQS, SQL_REPAIR_MODSEQ, "modseq" },
	{ SQL_CHECK_EXPUNGED, SQL_REPAIR_EXPUNGED, "expunged" },
	{ SQL_CHECK_HEADERS, SQL_REPAIR_HEADERS, "header" },
	{ SQL_CHECK_GRAMS, SQL_REPAIR_GRAMS, "text-index" },
	{ SQL_CHECK_UNUSED, SQL_REPAIR_UNUSED, "unused" },
};
#define INDEX_CHECKS (sizeof(index_checks) / sizeof(index_checks[0]))

static bool is_twin(size_t row)
{
	return row && index_checks[row].find == index_checks[row - 1].find;
}

static int check_index(struct inspection *x, size_t row, bool repairs, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_begin(
		x->snapshot.db, index_checks[row].find, SQL_NO_VALUES, &q, err);

	while (n == 0 && (n = query_next(&q, err)) == 1) {
		struct store_finding f = { .kind = index_checks[row].kind,
			.text = query_bytes(&q, 0),
			.is_repaired = repairs && index_checks[row].repair != SQL_COUNT };

		x->of[row]++;
		n = x->is_second && index_checks[row].repair == SQL_COUNT ? 0
		                                                          : tell(x, &f);
	}
	return n;
}

static int check_all_of_index(struct inspection *x, bool repairs, struct error *err)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < INDEX_CHECKS; i++)
		if (!is_twin(i))
			code = check_index(x, i, repairs, err);
	return code;
}

/* ── bodies ────────────────────────────────────────────────────────────────────────── */

/* Copies of a message share its body: it is read once, and each of them named. */
struct last_body {
	struct body_place place;
	bool is_known;
	struct error err; /* code 0: it is there */
};

static int check_body(struct inspection *x, const struct query *q, struct last_body *last)
{
	struct body_place p = { .pack = (uint32_t)query_number(q, 2),
		.offset = query_number(q, 3),
		.len = query_number(q, 4) };
	int64_t checksum = query_is_null(q, 5) ? -1 : (int64_t)query_number(q, 5);
	struct store_finding f = { .kind = "lost",
		.mailbox = query_bytes(q, 0),
		.uid = (uint32_t)query_number(q, 1),
		.mailbox_id = (int64_t)query_number(q, 6),
		.pack = p.pack,
		.offset = p.offset };
	struct snapshot_body body;

	if (!last->is_known || last->place.pack != p.pack ||
		last->place.offset != p.offset || last->place.len != p.len) {
		*last = (struct last_body){ .place = p, .is_known = true };
		if (snapshot_body(&x->snapshot, &p, checksum, &body, &last->err) == 0)
			snapshot_body_release(&body);
	}
	x->count->messages++;
	x->count->bytes += p.len;
	if (!last->err.code || last->err.code == -ESTALE)
		return 0;
	if (last->err.code != -EIO) /* no memory: it says nothing about the body */
		return last->err.code;
	x->count->lost++;
	f.text = str_from(last->err.text);
	return tell(x, &f);
}

static int check_bodies(struct inspection *x, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	struct last_body last = { 0 };
	int n = query_begin(x->snapshot.db, SQL_EACH_BODY, SQL_NO_VALUES, &q, err);

	while (n == 0 && (n = query_next(&q, err)) == 1) {
		n = check_body(x, &q, &last);
		if (n < 0 && last.err.code == n && err)
			*err = last.err;
	}
	return n;
}

/* ── packs ─────────────────────────────────────────────────────────────────────────── */

/* Numbers above those of all rows are of bodies that are on their way. */
static bool is_unused(const struct snapshot *s, const char *name, uint32_t *ret_number)
{
	struct str rest = str_from(name);
	struct str digits = str_split(&rest, '.');

	return str_eq(rest, STR_LIT("pack")) && str_to_u32(digits, ret_number) &&
	       s->n_packs && *ret_number < s->packs[s->n_packs - 1].number &&
	       !snapshot_pack(s, *ret_number);
}

static int check_packs(struct inspection *x, bool repair, struct error *err)
{
	char path[PATH_MAX], text[160];
	DIR *d;
	uint32_t number;
	int code = 0;

	(void)snprintf(path, sizeof(path), "%s/bodies", x->snapshot.folder);
	d = opendir(path);
	if (!d)
		return error_errno(err, -errno, "cannot read %s", path);
	for (struct dirent *e; code == 0 && (e = readdir(d));) {
		struct store_finding f = { .kind = "unused" };

		if (!is_unused(&x->snapshot, e->d_name, &number))
			continue;
		f.is_repaired = repair && unlinkat(dirfd(d), e->d_name, 0) == 0;
		(void)snprintf(
			text, sizeof(text), "no message is in bodies/%04u.pack", number);
		f.text = str_from(text);
		x->count->unused++;
		x->count->repaired += f.is_repaired;
		code = tell(x, &f);
	}
	(void)closedir(d);
	return code;
}

/* ── repair ────────────────────────────────────────────────────────────────────────── */

static int repair_index(struct store *s, const struct inspection *x, struct error *err)
{
	int code = store_begin(s, err);

	if (code < 0)
		return code;
	for (size_t i = 0; code == 0 && i < INDEX_CHECKS; i++) {
		uint64_t found = x->of[i] + (is_twin(i) ? x->of[i - 1] : 0);

		if (found && index_checks[i].repair != SQL_COUNT)
			code = sql_run(s->db, index_checks[i].repair, SQL_NO_VALUES, err);
	}
	if (code == 0)
		return store_commit(s, err);
	store_rollback(s);
	return code;
}

static uint64_t damage(const struct inspection *x)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < INDEX_CHECKS; i++)
		sum += x->of[i];
	return sum;
}

/* What is still wrong afterwards is left. */
static int look_again(const char *folder, struct inspection *first, struct error *err)
{
	struct inspection second = { .each = first->each,
		.context = first->context,
		.is_second = true,
		.count = first->count };
	uint64_t before = damage(first), after;
	int code = snapshot_open(folder, &second.snapshot, err);

	if (code == 0)
		code = check_all_of_index(&second, false, err);
	snapshot_close(&second.snapshot);
	after = damage(&second);
	first->count->repaired += before > after ? before - after : 0;
	return code;
}

static int inspect(struct inspection *x, struct store *s, struct error *err)
{
	const char *folder = x->snapshot.folder;
	int code = check_all_of_index(x, s != NULL, err);

	if (code == 0)
		code = check_bodies(x, err);
	if (code == 0)
		code = check_packs(x, s != NULL, err);
	x->count->unused += x->of[INDEX_CHECKS - 1];
	x->count->found =
		damage(x) + x->count->lost + x->count->unused - x->of[INDEX_CHECKS - 1];
	snapshot_close(&x->snapshot);
	if (code == 0 && s && damage(x))
		code = repair_index(s, x, err);
	return code == 0 && s ? look_again(folder, x, err) : code;
}

int store_inspect(const char *folder, bool repair, store_finding_fn *each, void *context,
	struct store_inspected *ret, struct error *err)
{
	struct inspection x = { .each = each, .context = context, .count = ret };
	struct store *s = NULL;
	int code = repair ? store_open(folder, false, &s, err) : 0;

	*ret = (struct store_inspected){ 0 };
	if (code == 0)
		code = snapshot_open(folder, &x.snapshot, err);
	if (code == 0)
		code = inspect(&x, s, err);
	snapshot_close(&x.snapshot);
	store_close(s);
	return code;
}
