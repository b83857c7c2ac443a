// SPDX-License-Identifier: GPL-2.0
/*
 * A whole log read beside its owner, at one instant, while he may write. Must
 * never know what a record decides, nor write.
 */
#include "store_image.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_state.h"

#define SLICE_BYTES	((size_t)1 << 20)	/* of one system call */

/* What lies above the last synced frame while a group is written: that group
 * and the first, torn, frames of the next one. */
#define TAIL_FRAMES	((size_t)2 * RECORD_GROUP_MAX)
#define TAIL_MS		5	/* between two looks at it */
#define TAIL_STILL	50	/* looks without a change: nobody writes */
#define TAIL_LOOKS_MAX	1000

/* A log while it is read. Frames are counted from the start of the file. */
struct reading {
	int fd;
	struct store_image image;
	bool placed;		/* the opening frame tells the next two */
	struct store_id store;
	uint64_t first_seq;
};

static int read_bytes(const struct reading *r, uint8_t *to, size_t from,
		      size_t len)
{
	while (len) {
		ssize_t n = pread(r->fd, to,
				  len < SLICE_BYTES ? len : SLICE_BYTES,
				  (off_t)from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		to += n;
		from += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_frames(struct reading *r, size_t from, size_t to)
{
	size_t offset = from * RECORD_FRAME_SIZE;

	return read_bytes(r, r->image.bytes + offset, offset,
			  (to - from) * RECORD_FRAME_SIZE);
}

static void find_place(struct reading *r)
{
	struct record record;
	struct record_frame at;

	r->placed = r->image.nr_frames &&
		    record_decode(r->image.bytes, &record, &at) == RECORD_OK &&
		    record.kind == RECORD_MARKER;
	if (!r->placed)
		return;
	r->store = at.store;
	r->first_seq = at.log_seq;
}

static enum record_verdict decode_at(const struct reading *r, size_t i,
				     struct record_frame *ret_at)
{
	struct record record;

	return record_decode(r->image.bytes + i * RECORD_FRAME_SIZE, &record,
			     ret_at);
}

static bool is_in_place(const struct reading *r, size_t i,
			const struct record_frame *at)
{
	return store_id_equal(&at->store, &r->store) &&
	       at->log_seq == r->first_seq + i;
}

/* Number of frames up to log_seq, within the file. */
static size_t frames_through(const struct reading *r, uint64_t log_seq)
{
	uint64_t nr;

	if (log_seq < r->first_seq)
		return 0;
	nr = log_seq - r->first_seq + 1;
	return nr < r->image.nr_frames ? (size_t)nr : r->image.nr_frames;
}

/* How many frames the ones from `from` to `to` promise to be synced. */
static size_t synced(const struct reading *r, size_t from, size_t to)
{
	size_t most = from;

	for (size_t i = from; r->placed && i < to; i++) {
		struct record_frame at;
		enum record_verdict verdict = decode_at(r, i, &at);
		size_t nr;

		if ((verdict != RECORD_OK && verdict != RECORD_BAD_BODY) ||
		    !is_in_place(r, i, &at))
			continue;
		nr = frames_through(r, at.durable_through);
		if (nr > most)
			most = nr;
	}
	return most;
}

/* Above what is synced: one whole group or nothing, then zeros. */
static bool tail_is_whole(const struct reading *r, size_t from, size_t to)
{
	size_t end = from;

	for (size_t i = from; i < to; i++) {
		struct record_frame at;
		enum record_verdict verdict = decode_at(r, i, &at);

		if (i == from && verdict == RECORD_OK)
			end = frames_through(r, at.group_last);
		if (i >= end && verdict != RECORD_ZERO)
			return false;
		if (i < end &&
		    (verdict != RECORD_OK || !is_in_place(r, i, &at)))
			return false;
	}
	return end <= to;
}

/* Reads the tail again; whether it has changed, or a negative errno. */
static int look_again(struct reading *r, uint8_t *before, size_t from,
		      size_t to)
{
	size_t len = (to - from) * RECORD_FRAME_SIZE;
	uint8_t *tail = r->image.bytes + from * RECORD_FRAME_SIZE;
	int ret;

	poll(NULL, 0, TAIL_MS);
	memcpy(before, tail, len);
	ret = read_frames(r, from, to);
	return ret ? ret : memcmp(before, tail, len) != 0;
}

/*
 * A group that is being written may be read torn. Either it is soon whole, or
 * a later one says that it was synced: then the log is cut above that one,
 * which holds all that was durable when the reading began. What nobody writes
 * any more is given as it is, and so is a log without its opening frame.
 */
static int settle_tail(struct reading *r, uint8_t *before, size_t from,
		       size_t to)
{
	int looks = 0;

	for (int still = 0; still < TAIL_STILL && looks < TAIL_LOOKS_MAX;
	     looks++) {
		size_t now;
		int ret;

		if (r->placed && tail_is_whole(r, from, to))
			return 0;
		ret = look_again(r, before, from, to);
		if (ret < 0)
			return ret;
		still = ret ? 0 : still + 1;
		now = synced(r, from, to);
		if (now <= from)
			continue;
		ret = read_frames(r, from, now);
		if (now < to)
			memset(r->image.bytes + now * RECORD_FRAME_SIZE, 0,
			       (to - now) * RECORD_FRAME_SIZE);
		return ret;
	}
	return 0;
}

static int settle(struct reading *r)
{
	size_t nr = r->image.nr_frames, from, to;
	uint8_t *before;
	int ret;

	find_place(r);
	from = synced(r, 0, nr);
	/* Nobody writes these again, but they may have been read before. */
	ret = read_frames(r, 0, from);
	if (ret)
		return ret;
	to = nr - from < TAIL_FRAMES ? nr : from + TAIL_FRAMES;
	before = malloc((to - from) * RECORD_FRAME_SIZE + 1);
	if (!before)
		return -ENOMEM;
	ret = settle_tail(r, before, from, to);
	free(before);
	return ret;
}

static int read_log(struct reading *r)
{
	struct stat st;
	int ret;

	if (fstat(r->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	r->image.nr_frames = (size_t)st.st_size / RECORD_FRAME_SIZE;
	r->image.nr_extra = (size_t)st.st_size % RECORD_FRAME_SIZE;
	r->image.bytes = malloc((size_t)st.st_size + 1);
	if (!r->image.bytes)
		return -ENOMEM;
	ret = read_frames(r, 0, r->image.nr_frames);
	return ret ? ret : settle(r);
}

int store_image_read(const char *dir, struct store_image *ret, struct err *err)
{
	struct reading r = { 0 };
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error;

	if (dir_fd < 0)
		return err_set(err, -errno, "%s: not opened: %s", dir,
			       strerror(errno));
	r.fd = openat(dir_fd, STORE_LOG_NAME, O_RDONLY | O_CLOEXEC);
	error = r.fd < 0 ? -errno : 0;
	/* A file that says nothing sound stands in nobody's way here. */
	store_id_read(dir_fd, &r.image.named);
	close(dir_fd);
	if (error)
		return err_set(err, error, "%s/%s: not opened: %s", dir,
			       STORE_LOG_NAME, strerror(-error));
	error = read_log(&r);
	close(r.fd);
	if (error) {
		store_image_free(&r.image);
		return err_set(err, error, "%s/%s: not read: %s", dir,
			       STORE_LOG_NAME, strerror(-error));
	}
	*ret = r.image;
	return 0;
}

void store_image_free(struct store_image *image)
{
	free(image->bytes);
	memset(image, 0, sizeof(*image));
}

size_t store_image_used(const struct store_image *image)
{
	static const uint8_t zeros[RECORD_FRAME_SIZE];
	size_t nr = image->nr_frames;

	while (nr && memcmp(image->bytes + (nr - 1) * RECORD_FRAME_SIZE, zeros,
			    RECORD_FRAME_SIZE) == 0)
		nr--;
	return nr;
}
