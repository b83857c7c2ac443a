// SPDX-License-Identifier: GPL-2.0
/*
 * Objects on stdout. Which object, and from where, is the caller's business.
 */
#include "view.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX	16

int view_json(const json_t *array)
{
	if (json_dumpf(array, stdout, JSON_INDENT(2)) && !ferror(stdout))
		return -ENOMEM;
	fputc('\n', stdout);
	return 0;
}

int view_json_one(const json_t *object)
{
	json_t *array = json_pack("[O]", (json_t *)object);
	int error;

	if (!array)
		return -ENOMEM;
	error = view_json(array);
	json_decref(array);
	return error;
}

int view_json_line(const json_t *object)
{
	if (json_dumpf(object, stdout, JSON_COMPACT) && !ferror(stdout))
		return -ENOMEM;
	fputc('\n', stdout);
	return 0;
}

/* Gives a string; NULL for no memory. */
static char *cell_text(const char *pattern, const struct field *fields,
		       const json_t *object, uint64_t now_ns)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	field_print_pattern(out, pattern, fields, object, now_ns);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* Rows of cells, one after the other, and how wide each column must be. */
struct grid {
	char **cells;
	size_t nr_cells;
	size_t nr_columns;
	size_t widths[COLUMNS_MAX];
};

static int grid_init(struct grid *grid, const struct column *columns,
		     size_t nr_rows)
{
	*grid = (struct grid){ 0 };
	while (columns[grid->nr_columns].title)
		grid->nr_columns++;
	assert(grid->nr_columns > 0);
	assert(grid->nr_columns <= COLUMNS_MAX);
	grid->cells = calloc(nr_rows * grid->nr_columns, sizeof(*grid->cells));
	return grid->cells ? 0 : -ENOMEM;
}

static void grid_exit(struct grid *grid)
{
	size_t i;

	for (i = 0; i < grid->nr_cells; i++)
		free(grid->cells[i]);
	free(grid->cells);
}

/* Takes text; NULL is the caller's lack of memory. */
static int grid_put(struct grid *grid, char *text)
{
	size_t *width = &grid->widths[grid->nr_cells % grid->nr_columns];

	if (!text)
		return -ENOMEM;
	if (strlen(text) > *width)
		*width = strlen(text);
	grid->cells[grid->nr_cells++] = text;
	return 0;
}

/* The last column is not padded: no line ends with spaces. */
static void grid_print(const struct grid *grid)
{
	size_t i, column;

	for (i = 0; i < grid->nr_cells; i++) {
		column = i % grid->nr_columns;
		if (column + 1 < grid->nr_columns)
			printf("%-*s  ", (int)grid->widths[column],
			       grid->cells[i]);
		else
			printf("%s\n", grid->cells[i]);
	}
}

int view_table(const struct column *columns, const struct field *fields,
	       const json_t *array, uint64_t now_ns)
{
	struct grid grid;
	json_t *object;
	size_t row, i;
	int error;

	error = grid_init(&grid, columns, json_array_size(array) + 1);
	for (i = 0; !error && columns[i].title; i++)
		error = grid_put(&grid, strdup(columns[i].title));
	json_array_foreach(array, row, object)
		for (i = 0; !error && columns[i].title; i++)
			error = grid_put(&grid,
					 cell_text(columns[i].pattern, fields,
						   object, now_ns));
	if (!error)
		grid_print(&grid);
	grid_exit(&grid);
	return error;
}

void view_long(const struct field *fields, const json_t *object,
	       uint64_t now_ns)
{
	const struct field *field;
	const json_t *value;
	int width = 0;

	for (field = fields; field->key; field++)
		if (json_object_get(object, field->key) &&
		    (int)strlen(field->key) > width)
			width = (int)strlen(field->key);
	for (field = fields; field->key; field++) {
		value = json_object_get(object, field->key);
		if (!value)
			continue;
		printf("%-*s  ", width, field->key);
		field_print(stdout, field, value, now_ns);
		fputc('\n', stdout);
	}
}
