/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The last commit, as the head of SQLite's wal-index says it (sqlite.org/walformat.html,
 * 2.1): how many changes there were, how long the log is, a checksum over all of it. It
 * is the one place by which other processes learn of a commit, and changes with each.
 */
#include "database/internal.h"

#define INDEX_PAGE 32768 /* of the wal-index; its head is in the first one */

/* It stays the same for as long as the connection lives. */
static bool find_file(struct database *d)
{
	sqlite3_file *file = NULL;

	if (d->file)
		return true;
	if (sqlite3_file_control(d->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) !=
			SQLITE_OK ||
		!file || !file->pMethods || file->pMethods->iVersion < 2)
		return false;
	d->file = file;
	return true;
}

bool database_version(struct database *d, struct database_version *ret)
{
	volatile void *index = NULL;
	const volatile uint64_t *head;

	if (database_in_transaction(d) || d->queries || !find_file(d) ||
		d->file->pMethods->xShmMap(d->file, 0, INDEX_PAGE, 0, &index) !=
			SQLITE_OK ||
		!index)
		return false;
	/* one that is being written is like none that was seen before */
	head = index;
	for (size_t i = 0; i < sizeof(ret->words) / sizeof(ret->words[0]); i++)
		ret->words[i] = __atomic_load_n(&head[i], __ATOMIC_ACQUIRE);
	return true;
}
