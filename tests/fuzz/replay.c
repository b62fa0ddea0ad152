/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs a fuzz target over all files of a corpus, without clang's fuzzer: what crashed
   once is tried again by every build. Each input lies at the end of its own allocation,
   so that a sanitizer sees one byte too many. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int run_file(const char *directory, const char *name)
{
	char path[4096];
	struct stat about;
	uint8_t *bytes;
	FILE *in;
	size_t len;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	in = fopen(path, "rb");
	if (!in || fstat(fileno(in), &about) < 0) {
		perror(path);
		exit(1);
	}
	if (!S_ISREG(about.st_mode)) {
		(void)fclose(in);
		return 0;
	}
	len = (size_t)about.st_size;
	bytes = malloc(len ? len : 1);
	if (!bytes || fread(bytes, 1, len, in) != len) {
		perror(path);
		exit(1);
	}
	(void)fclose(in);
	(void)fprintf(stderr, "%s\n", name); /* the last line names what crashed */
	(void)LLVMFuzzerTestOneInput(bytes, len);
	free(bytes);
	return 1;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		const struct dirent *entry;

		if (!d) {
			perror(argv[i]);
			return 1;
		}
		while ((entry = readdir(d)))
			count += run_file(argv[i], entry->d_name);
		closedir(d);
	}
	(void)fprintf(stderr, "%d inputs\n", count);
	return count == 0; /* an empty corpus proves nothing */
}
