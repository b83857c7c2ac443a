// SPDX-License-Identifier: GPL-2.0
/*
 * The verbs io read, io write and io flush: bytes between a file and a gate's
 * device, in pieces that one command can carry.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>
#include <linux/bfence_io.h>

#include "field.h"
#include "io.h"
#include "run.h"
#include "view.h"

#define PAGE_BYTES	4096	/* any block device takes a buffer so aligned */

struct probe {
	const struct args *args;
	struct io io;
	char *buffer;		/* BFENCE_IO_LENGTH_MAX bytes */
	const char *name;	/* of the file */
	int file;
	uint64_t done;		/* bytes */
};

static const struct field fields[] = {
	{ "volume", KIND_STRING, 0 }, { "offset", KIND_U64, 0 },
	{ "bytes", KIND_U64, 0 },     { "gate_epoch", KIND_U64, 0 },
	{ NULL, KIND_STRING, 0 },
};

static int print_result(const struct probe *probe)
{
	json_t *result = json_pack("{s:s, s:o, s:o, s:o}", "volume",
				   probe->args->volume, "offset",
				   field_json_u64(probe->args->offset), "bytes",
				   field_json_u64(probe->done), "gate_epoch",
				   field_json_u64(probe->io.gate_epoch));
	int error = 0;

	if (!result)
		return -ENOMEM;
	if (probe->args->json)
		error = view_json_one(result);
	else
		view_long(fields, result, 0);
	json_decref(result);
	return error;
}

/* --- the file ------------------------------------------------------------ */

static bool is_stdio(const char *file)
{
	return !file || !strcmp(file, "-");
}

static int file_open(struct probe *probe, bool write, struct refusal *refusal)
{
	const char *file = probe->args->file;

	if (is_stdio(file)) {
		probe->name = write ? "standard output" : "standard input";
		probe->file = write ? STDOUT_FILENO : STDIN_FILENO;
		return 0;
	}
	probe->name = file;
	probe->file = write ? open(file,
				   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				   0666) :
			      open(file, O_RDONLY | O_CLOEXEC);
	if (probe->file < 0)
		return refuse(refusal, -errno, "%s: %m", file);
	return 0;
}

/* What is buffered by a file system may still fail now. */
static int file_close(struct probe *probe, struct refusal *refusal)
{
	if (probe->file <= STDERR_FILENO || !close(probe->file))
		return 0;
	return refuse(refusal, -errno, "%s: %m", probe->name);
}

/* As much as there is, up to length. */
static int file_read(struct probe *probe, uint64_t length, uint64_t *ret_got,
		     struct refusal *refusal)
{
	uint64_t got = 0;
	ssize_t n = 1;

	while (got < length && n) {
		n = read(probe->file, probe->buffer + got, length - got);
		if (n < 0 && errno != EINTR)
			return refuse(refusal, -errno, "%s: %m", probe->name);
		if (n > 0)
			got += (uint64_t)n;
	}
	*ret_got = got;
	return 0;
}

static int file_write(struct probe *probe, uint64_t length,
		      struct refusal *refusal)
{
	uint64_t put = 0;
	ssize_t n;

	while (put < length) {
		n = write(probe->file, probe->buffer + put, length - put);
		if (n < 0 && errno != EINTR)
			return refuse(refusal, -errno, "%s: %m", probe->name);
		if (n > 0)
			put += (uint64_t)n;
	}
	return 0;
}

/* --- the verbs ----------------------------------------------------------- */

static uint64_t piece_of(const struct probe *probe)
{
	uint64_t left = probe->args->length - probe->done;

	/* Without a length until the input ends. */
	if (!probe->args->length || left > BFENCE_IO_LENGTH_MAX)
		return BFENCE_IO_LENGTH_MAX;
	return left;
}

static int send_piece(struct probe *probe, uint32_t cmd_op, uint64_t length,
		      struct refusal *refusal)
{
	const struct io_ask ask = {
		.cmd_op = cmd_op,
		.flags = probe->args->fua ? BFENCE_IO_F_FUA : 0,
		.offset = probe->args->offset + probe->done,
		.length = length,
		.buffer = probe->buffer,
	};

	return io_call(&probe->io, &ask, refusal);
}

static int read_all(struct probe *probe, struct refusal *refusal)
{
	uint64_t length;
	int error;

	while (probe->done < probe->args->length) {
		length = piece_of(probe);
		error = send_piece(probe, BFENCE_IO_READ, length, refusal);
		if (!error)
			error = file_write(probe, length, refusal);
		if (error)
			return error;
		probe->done += length;
	}
	return 0;
}

static int write_all(struct probe *probe, struct refusal *refusal)
{
	uint64_t piece, got = 0;
	int error;

	do {
		piece = piece_of(probe);
		error = file_read(probe, piece, &got, refusal);
		if (error)
			return error;
		if (got < piece && probe->args->length)
			return refuse(refusal, -EINVAL,
				      "%s: ends after %" PRIu64
				      " bytes, before "
				      "--length; %" PRIu64 " were written",
				      probe->name, probe->done + got,
				      probe->done);
		if (got)
			error = send_piece(probe, BFENCE_IO_WRITE, got,
					   refusal);
		if (error)
			return error;
		probe->done += got;
	} while (got == piece && probe->done != probe->args->length);
	return 0;
}

static int flush(struct probe *probe, struct refusal *refusal)
{
	const struct io_ask ask = { .cmd_op = BFENCE_IO_FLUSH };

	return io_call(&probe->io, &ask, refusal);
}

typedef int probe_fn(struct probe *probe, struct refusal *refusal);

static int run_probe(const struct args *args, probe_fn *body, bool write,
		     struct refusal *refusal)
{
	struct probe probe = { .args = args };
	int error;

	error = io_open(&probe.io, args->volume, write, refusal);
	if (error)
		return error;
	probe.io.lineage = args->lineage;
	probe.buffer = aligned_alloc(PAGE_BYTES, BFENCE_IO_LENGTH_MAX);
	error = probe.buffer ? file_open(&probe, !write, refusal) :
			       refuse(refusal, -ENOMEM, "no memory");
	if (!error) {
		error = body(&probe, refusal);
		if (file_close(&probe, refusal) && !error)
			error = -EIO;
	}
	/* The data has standard output for itself. */
	if (!error && (write || body == flush || !is_stdio(args->file)))
		error = print_result(&probe);
	free(probe.buffer);
	io_close(&probe.io);
	return error;
}

int run_io_read(const struct args *args, struct refusal *refusal)
{
	if (args->json && is_stdio(args->file))
		return refuse(refusal, -EINVAL,
			      "with -j the data must go to a FILE");
	return run_probe(args, read_all, false, refusal);
}

int run_io_write(const struct args *args, struct refusal *refusal)
{
	return run_probe(args, write_all, true, refusal);
}

int run_io_flush(const struct args *args, struct refusal *refusal)
{
	return run_probe(args, flush, false, refusal);
}
