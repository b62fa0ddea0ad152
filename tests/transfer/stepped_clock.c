/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Preloaded (LD_PRELOAD): the wall clock is as many milliseconds off as the file
   STEPPED_CLOCK says at that moment, an int64_t. No namespace has a wall clock. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef int clock_fn(clockid_t which, struct timespec *ret);

static volatile const int64_t *off_ms;
static clock_fn *real;

/* Before the program shuts itself in. */
__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("STEPPED_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *page = fd < 0 ? MAP_FAILED
	                    : mmap(NULL, sizeof(*off_ms), PROT_READ, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		abort(); /* a test without its clock proves nothing */
	off_ms = page;
	(void)close(fd);
}

int clock_gettime(clockid_t which, struct timespec *ret)
{
	int r;

	if (!real)
		real = (clock_fn *)dlsym(RTLD_NEXT, "clock_gettime");
	r = real(which, ret);
	if (r == 0 && which == CLOCK_REALTIME && off_ms) {
		int64_t ns = ret->tv_nsec + *off_ms % 1000 * 1000000;
		int64_t carry = ns < 0 ? -1 : ns >= 1000000000;

		ret->tv_sec += *off_ms / 1000 + carry;
		ret->tv_nsec = ns - carry * 1000000000;
	}
	return r;
}

time_t time(time_t *ret)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
