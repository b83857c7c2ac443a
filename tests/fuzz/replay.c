// SPDX-License-Identifier: GPL-2.0
/*
 * Gives each file of the named folders, or each named file, to the target
 * that it is linked with. Fails on an empty folder. Must never know what an
 * input means.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_BYTES_MAX	(1 << 20)

/* In memory of its own size, so that a byte past its end is seen. */
static void judge(const uint8_t *bytes, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	if (!exact)
		abort();
	memcpy(exact, bytes, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static int replay_file(const char *path)
{
	static uint8_t bytes[INPUT_BYTES_MAX];
	FILE *file = fopen(path, "re");
	size_t size;

	if (!file) {
		perror(path);
		return -1;
	}
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	/* Said before: a crash leaves the name as the last line. */
	printf("%s: %zu bytes\n", path, size);
	fflush(stdout);
	judge(bytes, size);
	return 1;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int replay_folder(const char *dir)
{
	struct dirent **entries;
	int nr = scandir(dir, &entries, is_visible, alphasort);
	int nr_done = 0;

	if (nr < 0) {
		perror(dir);
		return -1;
	}
	for (int i = 0; i < nr; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		nr_done += replay_file(path) == 1;
		free(entries[i]);
	}
	free(entries);
	if (nr_done == nr && nr > 0)
		return nr_done;
	fprintf(stderr, "%s: %d of %d files judged\n", dir, nr_done, nr);
	return -1;
}

int main(int argc, char **argv)
{
	int nr = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;
		int done = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode) ?
				   replay_folder(argv[i]) :
				   replay_file(argv[i]);

		if (done < 0)
			return 1;
		nr += done;
	}
	printf("%d inputs hold\n", nr);
	return nr == 0;
}
