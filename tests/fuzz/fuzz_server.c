/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fuzz_server.h"

#include "database/internal.h"
#include "fuzz_imap_text.h"
#include "mailstore/store/internal.h"
#include "support/folder.h"

#include <stdlib.h>

#define PAGES_EVERY 256 /* runs: SQLite's own work is not what is tried here */

static struct {
	struct memory_server made;
	struct store *store;
	uint64_t modseq;
	uint64_t changes; /* of rows, before the run */
	unsigned runs;
	sqlite3_stmt *undo, *pages;
} base;

/* ── one transaction around all ────────────────────────────────────────────────────── */

static void execute(const char *text)
{
	if (database_execute(base.store->db, text, NULL) < 0)
		abort();
}

static sqlite3_stmt *prepared(const char *text)
{
	sqlite3_stmt *made = NULL;

	if (sqlite3_prepare_v3(base.store->db->db, text, -1, SQLITE_PREPARE_PERSISTENT,
		    &made, NULL) != SQLITE_OK)
		abort();
	return made;
}

/* In a transaction it is an error, and nothing here waits for the disk anyway. */
static int ignore_synchronous(void *context, int action, const char *what,
	const char *value, const char *schema, const char *trigger)
{
	(void)context;
	(void)value;
	(void)schema;
	(void)trigger;
	return action == SQLITE_PRAGMA && sqlite3_stricmp(what, "synchronous") == 0
	               ? SQLITE_IGNORE
	               : SQLITE_OK;
}

/* What the store calls a transaction is a part of ours: the statements that it keeps for
   that are others. SQLite never closes ours, so a transaction that is over may be
   released once more, which finds none. */
static void make_parts(struct database *d)
{
	static const char *const texts[] = {
		[OWN_BEGIN_WRITING] = "SAVEPOINT inner",
		[OWN_BEGIN_READING] = "SAVEPOINT inner",
		[OWN_COMMIT] = "RELEASE inner",
		[OWN_ROLLBACK] = "ROLLBACK TO inner",
	};

	database_give_back(d);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		d->statements[d->schema->n_statements + i] = prepared(texts[i]);
}

/* Most of the time of store_verify(), which needs them where a disk is in question. */
static void make_checks(struct database *d)
{
	base.pages = prepared(store_statements[SQL_CHECK_PAGES]);
	d->statements[SQL_CHECK_PAGES] = prepared("SELECT 1 WHERE 0");
	d->statements[SQL_CHECK_REFERENCES] = prepared("SELECT 1 WHERE 0");
}

/* What is to be undone stays in memory, however much it is. */
static void configure(void)
{
	if (sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1) != SQLITE_OK ||
		sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK ||
		sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) != SQLITE_OK)
		abort();
}

static void make(void)
{
	configure();
	if (memory_server_open(&base.made) < 0)
		abort();
	folder_remove_at_exit(base.made.folder);
	base.store = base.made.serve.store;
	base.modseq = store_modseq(base.store);
	base.store->presence.is_known = false; /* nobody puts files there */
	(void)sqlite3_set_authorizer(base.store->db->db, ignore_synchronous, NULL);
	make_parts(base.store->db);
	make_checks(base.store->db);
	execute("BEGIN IMMEDIATE; SAVEPOINT run");
	base.undo = prepared("ROLLBACK TO run");
}

/* ── undoing ───────────────────────────────────────────────────────────────────────── */

static void undo_packs(struct packs *p)
{
	while (p->all) {
		if (p->all->views || p->all->open)
			abort();
		pack_unlink(p, p->all->number);
	}
	p->newest = 0;
	p->position = 0;
	p->directory_dirty = false;
}

static void run(sqlite3_stmt *statement)
{
	if (sqlite3_step(statement) != SQLITE_DONE ||
		sqlite3_reset(statement) != SQLITE_OK)
		abort();
}

static void undo(struct store *s)
{
	if (s->in_transaction || s->boxes || s->watches || s->db->queries)
		abort();
	run(base.undo);
	undo_packs(&s->packs);
	pack_set_clear(&s->candidates);
	pack_set_clear(&s->waiting);
	pack_set_clear(&s->dead);
	s->forget_dead = false;
	s->grams_are_damaged = false;
	s->doubted_image = 0;
	s->modseq = s->committed_modseq = base.modseq;
	compared_free(&s->compared);
}

/* ── a run ─────────────────────────────────────────────────────────────────────────── */

void fuzz_server_open(struct memory_server *m)
{
	if (!base.store)
		make();
	base.changes = database_total_changes(base.store->db);
	memory_server_begin(m, base.store);
}

void fuzz_server_close(struct memory_server *m)
{
	for (size_t i = 0; i < MEMORY_SESSIONS; i++)
		fuzz_check_responses(buf_view(&m->sessions[i].output));
	if (database_total_changes(base.store->db) != base.changes &&
		store_verify(base.store, NULL) < 0)
		abort();
	if (++base.runs % PAGES_EVERY == 0)
		run(base.pages);
	memory_server_close(m);
	undo(base.store);
}
