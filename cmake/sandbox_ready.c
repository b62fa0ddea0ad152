/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Run by the build: writes the filter of SANDBOX_OF_ACCOUNT as the instructions that the
 * kernel takes. sandbox_ready FILE
 *
 * The process's number is not known yet: READY_PID_AT says which instruction compares
 * with it. Before libseccomp's list comes what such a list cannot say: no lingering.
 */
#include "base/sandbox_walls.h"

#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>

#define ANY_PID 0x7ffffffe /* no such process, and nothing else in a list */
#define CODE_MAX 4096

_Static_assert(
	!(SANDBOX_OF_ACCOUNT & (SANDBOX_LISTENS | SANDBOX_CHILDREN | SANDBOX_USERS)),
	"those have other filters");

static _Noreturn void die(const char *what)
{
	(void)fprintf(stderr, "sandbox_ready: %s\n", what);
	exit(EXIT_FAILURE);
}

/* The number of instructions. */
static size_t list(struct sock_filter code[static CODE_MAX])
{
	const struct sandbox s = { .allows = SANDBOX_OF_ACCOUNT };
	scmp_filter_ctx filter = NULL;
	FILE *file = tmpfile();
	size_t n;

	if (!file)
		die("no temporary file");
	if (sandbox_list_calls(&s, ANY_PID, &filter) < 0 ||
		seccomp_export_bpf(filter, fileno(file)) < 0)
		die("libseccomp makes no filter");
	seccomp_release(filter);
	rewind(file);
	n = fread(code, sizeof(*code), CODE_MAX, file);
	if (n == 0 || n == CODE_MAX)
		die("the filter is empty, or too long");
	(void)fclose(file);
	return n;
}

static size_t find_pid(const struct sock_filter *code, size_t n)
{
	size_t at = n;

	for (size_t i = 0; i < n; i++) {
		if (code[i].k != ANY_PID)
			continue;
		if (at != n || code[i].code != (BPF_JMP | BPF_JEQ | BPF_K))
			die("it does not say where the process's number is");
		at = i;
	}
	if (at == n)
		die("it does not compare with the process's number");
	return at;
}

static void write_code(FILE *file, const struct sock_filter *code, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)fprintf(file, "{ 0x%02x, %u, %u, 0x%08x },\n", code[i].code,
			code[i].jt, code[i].jf, code[i].k);
}

int main(int argc, char **argv)
{
	static struct sock_filter code[CODE_MAX];
	size_t n = list(code);
	FILE *file = argc == 2 ? fopen(argv[1], "we") : NULL;

	if (!file)
		die("usage: sandbox_ready FILE");
	(void)fprintf(file,
		"#define READY_PID_AT %zu\nstatic const struct sock_filter ready[] = {\n",
		SANDBOX_NO_LINGERING + find_pid(code, n));
	write_code(file, sandbox_no_lingering, SANDBOX_NO_LINGERING);
	write_code(file, code, n);
	(void)fputs("};\n", file);
	return fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
