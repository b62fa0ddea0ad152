/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/pack.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void pack_name(uint32_t number, char name[static PACK_NAME_MAX])
{
	(void)snprintf(name, PACK_NAME_MAX, "%04u.pack", number);
}

/* Disk full has one number for callers, whichever way the kernel says it. */
static int disk_error(struct error *err, int code, const struct pack *k, const char *what)
{
	if (code == -EDQUOT || code == -EFBIG)
		code = -ENOSPC;
	return error_errno(err, code, "cannot %s bodies/%04u.pack", what, k->number);
}

/* ── the set of files ──────────────────────────────────────────────────────────────── */

static int open_pack(
	struct packs *p, uint32_t number, int flags, struct pack **ret, struct error *err)
{
	char name[PACK_NAME_MAX];
	struct pack *k = calloc(1, sizeof(*k));

	if (!k)
		return error_set(err, -ENOMEM, "no memory");
	k->of = p;
	k->number = number;
	pack_name(number, name);
	k->fd = openat(p->directory, name, O_RDWR | O_CLOEXEC | flags, 0600);
	if (k->fd < 0) {
		int code = disk_error(err, -errno, k, "open");

		free(k);
		return code;
	}
	k->next = p->all;
	p->all = k;
	*ret = k;
	return 0;
}

int pack_find(struct packs *p, uint32_t number, struct pack **ret, struct error *err)
{
	int code;

	for (struct pack *k = p->all; k; k = k->next)
		if (k->number == number) {
			*ret = k;
			return 0;
		}
	code = open_pack(p, number, 0, ret, err);
	/* -ENOENT is the answer for a message that is not there; this one is, its body
	   is not */
	return code == -ENOENT ? error_set(err, -EIO,
					 "bodies/%04u.pack is missing; restore it from a "
					 "backup",
					 number)
	                       : code;
}

static bool number_of(const char *name, uint32_t *ret_number)
{
	struct str s = str_from(name);
	struct str digits = str_split(&s, '.');

	return str_eq(s, STR_LIT("pack")) && str_to_u32(digits, ret_number);
}

static int find_newest(int directory, uint32_t *ret_newest, struct error *err)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	uint32_t number;

	*ret_newest = 0;
	if (!d) {
		fd_closep(&fd);
		return error_errno(err, -errno, "cannot read bodies/");
	}
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		if (number_of(e->d_name, &number) && number > *ret_newest)
			*ret_newest = number;
	(void)closedir(d);
	return 0;
}

int packs_find_newest(struct packs *p, int directory, struct error *err)
{
	*p = (struct packs){ .directory = directory };
	return find_newest(directory, &p->newest, err);
}

int packs_start(struct packs *p, uint32_t last, uint64_t end, struct error *err)
{
	struct pack *k;
	uint64_t size;
	int code = find_newest(p->directory, &p->newest, err);

	if (code < 0)
		return code;
	if (last < p->newest)
		end = 0; /* made just before a crash: no row points there */
	if (last > p->newest || p->newest == 0) {
		p->newest = last;
		return 0;
	}
	code = open_pack(p, p->newest, 0, &k, err);
	if (code == 0)
		code = pack_size(k, &size, err);
	if (code < 0)
		return code;
	if (size >= end) {
		p->current = k;
		p->position = end;
		p->directory_dirty = true; /* its maker may not have come to that */
	}
	return 0;
}

void packs_close_window(struct packs *p)
{
	if (p->window.pack)
		(void)munmap(p->window.bytes, PACK_WINDOW);
	p->window = (struct pack_window){ 0 };
}

static bool is_in_window(
	const struct pack_window *w, const struct pack *k, uint64_t offset)
{
	return w->pack == k && offset >= w->from && offset - w->from < PACK_WINDOW;
}

static bool open_window(struct pack *k, uint64_t offset)
{
	struct pack_window *w = &k->of->window;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t from = offset & ~(page - 1);
	void *bytes;

	packs_close_window(k->of);
	bytes = mmap(NULL, PACK_WINDOW, PROT_READ, MAP_SHARED, k->fd, (off_t)from);
	if (bytes == MAP_FAILED)
		return false;
	*w = (struct pack_window){ .pack = k, .from = from, .bytes = bytes };
	return true;
}

/* Behind the file's end its last page is zeros. */
static void look_at_end(struct pack_window *w)
{
	uint64_t size = 0;

	(void)pack_size(w->pack, &size, NULL);
	size = size > w->from ? size - w->from : 0;
	w->seen = size < PACK_WINDOW ? size : PACK_WINDOW;
}

struct str pack_see(struct pack *k, uint64_t offset, bool may_move)
{
	struct pack_window *w = &k->of->window;

	if (!is_in_window(w, k, offset) && !(may_move && open_window(k, offset)))
		return (struct str){ 0 };
	if (may_move)
		look_at_end(w);
	if (offset - w->from >= w->seen)
		return (struct str){ 0 };
	return str_skip(str_of(w->bytes, w->seen), offset - w->from);
}

static void free_pack(struct pack *k)
{
	if (k->of->window.pack == k)
		packs_close_window(k->of);
	fd_closep(&k->fd);
	free(k);
}

void packs_close(struct packs *p)
{
	packs_close_window(p);
	for (size_t i = 0; i < PACK_BUFFERS; i++)
		free(p->buffers[i].bytes);
	while (p->all) {
		struct pack *k = p->all;

		p->all = k->next;
		free_pack(k);
	}
	fd_closep(&p->directory);
}

static void drop_buffers(struct packs *p, const struct pack *k, uint64_t from)
{
	for (size_t i = 0; i < PACK_BUFFERS; i++) {
		struct pack_buffer *b = &p->buffers[i];

		if (b->pack != k || b->offset + b->len <= from)
			continue;
		b->len = from > b->offset ? (size_t)(from - b->offset) : 0;
	}
}

void pack_unlink(struct packs *p, uint32_t number)
{
	char name[PACK_NAME_MAX];

	pack_name(number, name);
	(void)unlinkat(p->directory, name, 0);
	for (struct pack **at = &p->all; *at; at = &(*at)->next) {
		struct pack *k = *at;

		if (k->number != number)
			continue;
		*at = k->next;
		drop_buffers(p, k, 0);
		if (p->current == k)
			p->current = NULL;
		k->unlinked = true;
		if (!k->views)
			free_pack(k);
		return;
	}
}

void pack_release(struct pack *k)
{
	k->views--;
	if (k->unlinked && !k->views)
		free_pack(k);
}

int pack_size(const struct pack *k, uint64_t *ret_size, struct error *err)
{
	struct stat st;

	if (fstat(k->fd, &st) < 0)
		return disk_error(err, -errno, k, "stat");
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/* ── reserving ─────────────────────────────────────────────────────────────────────── */

static int next_pack(struct packs *p, struct error *err)
{
	int code = open_pack(p, p->newest + 1, O_CREAT | O_EXCL, &p->current, err);

	if (code < 0)
		return code;
	p->newest++;
	p->position = 0;
	p->directory_dirty = true;
	return 0;
}

int pack_reserve(struct packs *p, uint64_t len, struct pack **ret, uint64_t *ret_offset,
	struct error *err)
{
	bool full = p->position && p->position + len > PACK_SIZE_MAX;
	int code = 0;

	if (len > PACK_BODY_MAX)
		return error_set(err, -EFBIG, "a body of %llu bytes is too large",
			(unsigned long long)len);
	if (!p->current || full)
		code = next_pack(p, err);
	if (code < 0)
		return code;
	*ret = p->current;
	*ret_offset = p->position;
	p->position += len;
	p->current->open++;
	return 0;
}

void packs_leave(struct packs *p, uint32_t number)
{
	struct stat st;

	if (p->current && (p->current->number == number ||
				  fstat(p->current->fd, &st) < 0 || !st.st_nlink))
		p->current = NULL;
}

int pack_open_again(const struct packs *p, uint32_t number)
{
	char name[PACK_NAME_MAX];
	int fd;

	pack_name(number, name);
	fd = openat(p->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/* Nothing lies beyond the last range, so the file may be cut there: after "disk full" the
   room is wanted. A range in the middle belongs to nobody else, so its blocks may go. */
void pack_give_back(struct packs *p, struct pack *k, uint64_t offset, uint64_t len)
{
	uint64_t size = 0;

	if (k->open)
		k->open--;
	if (k != p->current || offset + len != p->position) {
		(void)fallocate(k->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t)offset, (off_t)len);
		return;
	}
	p->position = offset;
	drop_buffers(p, k, offset);
	if (pack_size(k, &size, NULL) == 0 && size > offset)
		(void)!ftruncate(k->fd, (off_t)offset);
}

/* ── writing ───────────────────────────────────────────────────────────────────────── */

/* After a failed write-back the kernel may have dropped pages and will not say so again:
   what was not synced is not to be trusted, and nothing new goes there. */
static void fail_pack(struct packs *p, struct pack *k)
{
	k->failed = true;
	drop_buffers(p, k, 0);
	if (p->current == k)
		p->current = NULL;
}

static void start_writeback(struct pack *k, uint64_t offset, size_t len)
{
	if (!k->unsent || offset < k->unsent_from)
		k->unsent_from = offset;
	k->unsent += len;
	if (k->unsent < PACK_WRITEBACK_EVERY)
		return;
	(void)sync_file_range(k->fd, (off_t)k->unsent_from, 0, SYNC_FILE_RANGE_WRITE);
	k->unsent = 0;
}

/* As much as goes; *ret_done says how much that was, with an error too. */
static int write_some(struct packs *p, struct pack *k, uint64_t offset, struct str bytes,
	size_t *ret_done, struct error *err)
{
	size_t done = 0;
	int code = 0;

	k->dirty = true;
	while (code == 0 && done < bytes.len) {
		ssize_t n = pwrite(k->fd, bytes.ptr + done, bytes.len - done,
			(off_t)(offset + done));

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			code = disk_error(err, -errno, k, "write");
	}
	if (done)
		start_writeback(k, offset, done);
	if (code < 0 && code != -ENOSPC)
		fail_pack(p, k);
	*ret_done = done;
	return code;
}

/* What could not be written stays in the buffer: it may hold the end of a body that its
   writer believes to be complete. */
static int flush_buffer(struct packs *p, struct pack_buffer *b, struct error *err)
{
	size_t done;
	int code;

	if (!b->len)
		return 0;
	code = write_some(p, b->pack, b->offset, str_of(b->bytes, b->len), &done, err);
	if (b->len) { /* else the pack failed and took it away */
		memmove(b->bytes, b->bytes + done, b->len - done);
		b->offset += done;
		b->len -= done;
	}
	return code;
}

/* It ends where a buffer's size divides the offset: what is written in such steps lies in
   large pages of the cache, which are cheaper to send from. */
static size_t room_of(const struct pack_buffer *b)
{
	return PACK_BUFFER_SIZE - (size_t)((b->offset + b->len) % PACK_BUFFER_SIZE);
}

static bool is_full(const struct pack_buffer *b)
{
	return b->len && (b->offset + b->len) % PACK_BUFFER_SIZE == 0;
}

static bool continues(const struct pack_buffer *b, const struct pack *k, uint64_t offset)
{
	return b->len && b->pack == k && b->offset + b->len == offset;
}

static struct pack_buffer *choose_buffer(
	struct packs *p, const struct pack *k, uint64_t offset)
{
	struct pack_buffer *empty = NULL;

	for (size_t i = 0; i < PACK_BUFFERS; i++) {
		if (continues(&p->buffers[i], k, offset))
			return &p->buffers[i];
		if (!p->buffers[i].len && !empty)
			empty = &p->buffers[i];
	}
	return empty ? empty : &p->buffers[p->turn++ % PACK_BUFFERS];
}

static int take_buffer(struct packs *p, struct pack *k, uint64_t offset,
	struct pack_buffer **ret, struct error *err)
{
	struct pack_buffer *b = choose_buffer(p, k, offset);
	int code = 0;

	if (is_full(b) || !continues(b, k, offset))
		code = flush_buffer(p, b, err);
	if (code < 0)
		return code;
	if (!b->bytes)
		b->bytes = malloc(PACK_BUFFER_SIZE);
	if (!b->bytes)
		return error_set(err, -ENOMEM, "no memory");
	if (!b->len) {
		b->pack = k;
		b->offset = offset;
	}
	*ret = b;
	return 0;
}

int pack_write(struct packs *p, struct pack *k, uint64_t offset, struct str bytes,
	struct error *err)
{
	struct pack_buffer *b = NULL;
	size_t part;
	int code = 0;

	if (k->failed)
		return disk_error(err, -EIO, k, "write");
	if (bytes.len >= PACK_DIRECT_MIN)
		return write_some(p, k, offset, bytes, &part, err);
	while (code == 0 && bytes.len) {
		code = take_buffer(p, k, offset, &b, err);
		if (code < 0)
			break;
		part = str_take(bytes, room_of(b)).len;
		memcpy(b->bytes + b->len, bytes.ptr, part);
		b->len += part;
		offset += part;
		bytes = str_skip(bytes, part);
	}
	return code;
}

/* ── syncing ───────────────────────────────────────────────────────────────────────── */

int packs_flush(struct packs *p, struct error *err)
{
	int code = 0;

	for (size_t i = 0; i < PACK_BUFFERS && code == 0; i++)
		code = flush_buffer(p, &p->buffers[i], err);
	return code;
}

static int sync_pack(struct packs *p, struct pack *k, struct error *err)
{
	int code = 0;

	for (size_t i = 0; i < PACK_BUFFERS && code == 0; i++)
		if (p->buffers[i].pack == k)
			code = flush_buffer(p, &p->buffers[i], err);
	if (code < 0)
		return code;
	if (k->failed)
		return disk_error(err, -EIO, k, "write");
	if (k->dirty && fdatasync(k->fd) < 0) {
		code = disk_error(err, -errno, k, "sync");
		fail_pack(p, k);
		return code;
	}
	k->dirty = false;
	k->unsent = 0;
	return 0;
}

int packs_sync(struct packs *p, struct error *err)
{
	bool any = false;
	int code = 0;

	for (struct pack *k = p->all; k && code == 0; k = k->next)
		if (k->wanted) {
			code = sync_pack(p, k, err);
			any = true;
		}
	if (code < 0 || !any || !p->directory_dirty)
		return code;
	if (fsync(p->directory) < 0)
		return error_errno(err, -errno, "cannot sync bodies/");
	p->directory_dirty = false;
	return 0;
}

void packs_settle(struct packs *p)
{
	for (struct pack *k = p->all; k; k = k->next)
		k->wanted = false;
}

/* ── a set of numbers ──────────────────────────────────────────────────────────────── */

bool pack_set_has(const struct pack_set *set, uint32_t number)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->numbers[i] == number)
			return true;
	return false;
}

int pack_set_add(struct pack_set *set, uint32_t number)
{
	if (pack_set_has(set, number))
		return 0;
	if (set->count == set->cap) {
		size_t cap = set->cap ? set->cap * 2 : 8;
		uint32_t *numbers =
			reallocarray(set->numbers, cap, sizeof(*set->numbers));

		if (!numbers)
			return -ENOMEM;
		set->numbers = numbers;
		set->cap = cap;
	}
	set->numbers[set->count++] = number;
	return 0;
}

void pack_set_clear(struct pack_set *set)
{
	free(set->numbers);
	*set = (struct pack_set){ 0 };
}
