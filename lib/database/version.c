/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The last commit, as the head of SQLite's wal-index says it (sqlite.org/walformat.html,
 * 2.1): how many changes there were, how long the log is, a checksum over all of it. It
 * is the one place by which other processes learn of a commit, and changes with each.
 */
#include "database/internal.h"

#define INDEX_PAGE 32768 /* of the wal-index; its head is in the first one */

bool database_version(struct database *d, struct database_version *ret)
{
	sqlite3_file *file = NULL;
	volatile void *index = NULL;
	const volatile uint64_t *head;

	if (database_in_transaction(d) || d->queries ||
		sqlite3_file_control(d->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) !=
			SQLITE_OK ||
		!file || !file->pMethods || file->pMethods->iVersion < 2 ||
		file->pMethods->xShmMap(file, 0, INDEX_PAGE, 0, &index) != SQLITE_OK ||
		!index)
		return false;
	/* one that is being written is like none that was seen before */
	head = index;
	for (size_t i = 0; i < sizeof(ret->words) / sizeof(ret->words[0]); i++)
		ret->words[i] = __atomic_load_n(&head[i], __ATOMIC_ACQUIRE);
	return true;
}
