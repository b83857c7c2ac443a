// SPDX-License-Identifier: GPL-2.0
/*
 * One stamped I/O: its command is copied once, checked, admitted by the gate,
 * and becomes one bio. It must never know how its device came to be.
 *
 * The count is given back when the backing device has completed the bio; the
 * completion is posted later, by the task that submitted, which nothing bounds.
 */
#include <linux/bfence_io.h>
#include <linux/fs.h>
#include <linux/nospec.h>
#include <linux/uio.h>

#include "stamped_io.h"

struct stamped_op {
	u32 cmd_op;
	blk_opf_t opf;
	fmode_t mode;			/* any of these will do */
	u32 flags;			/* that it takes */
	u32 length_max;			/* 0: it takes no range */
	bool has_buffer;
	bool changes_data;
};

#define OPF_WRITE	(REQ_OP_WRITE | REQ_SYNC | REQ_IDLE)

/* clang-format off */
static const struct stamped_op stamped_ops[] = {
	{ BFENCE_IO_READ, REQ_OP_READ, FMODE_READ,
	  0, BFENCE_IO_LENGTH_MAX, true, false },
	{ BFENCE_IO_WRITE, OPF_WRITE, FMODE_WRITE,
	  BFENCE_IO_F_FUA, BFENCE_IO_LENGTH_MAX, true, true },
	{ BFENCE_IO_FLUSH, REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC,
	  FMODE_READ | FMODE_WRITE, 0, 0, false, false },
	{ BFENCE_IO_DISCARD, REQ_OP_DISCARD, FMODE_WRITE,
	  0, BFENCE_IO_RANGE_MAX, false, true },
	{ BFENCE_IO_WRITE_ZEROES, REQ_OP_WRITE_ZEROES, FMODE_WRITE,
	  0, BFENCE_IO_RANGE_MAX, false, true },
};

/* clang-format on */

/* An I/O in flight, in the command's own spare bytes. */
struct stamped_pdu {
	struct bio *bio;
	union {
		struct grant *grant;	/* until the bio has ended */
		u64 epoch;		/* of the gate, from then on */
	};
	/* Who is inside submit_bio() and can be told to come again. */
	struct task_struct *submitter;
	s32 result;
	bool again;
	bool polled;			/* finished by the poller */
	bool ended;
};

static struct stamped_pdu *pdu_of(struct io_uring_cmd *cmd)
{
	BUILD_BUG_ON(sizeof(struct stamped_pdu) > sizeof(cmd->pdu));
	return (struct stamped_pdu *)cmd->pdu;
}

/* --- the command --------------------------------------------------------- */

static const struct stamped_op *op_of(u32 cmd_op)
{
	unsigned int i = _IOC_NR(cmd_op) - 1;

	if (i >= ARRAY_SIZE(stamped_ops))
		return NULL;
	i = array_index_nospec(i, ARRAY_SIZE(stamped_ops));
	return stamped_ops[i].cmd_op == cmd_op ? &stamped_ops[i] : NULL;
}

/* The memory is the user's, who may write to it at any time: look once. */
static struct bfence_io io_copy(const struct bfence_io *from)
{
	BUILD_BUG_ON(sizeof(*from) != 80);	/* all that an SQE128 has */
	return (struct bfence_io){
		.epoch = READ_ONCE(from->epoch),
		.endpoint_version = READ_ONCE(from->endpoint_version),
		.offset = READ_ONCE(from->offset),
		.length = READ_ONCE(from->length),
		.addr = READ_ONCE(from->addr),
		.flags = READ_ONCE(from->flags),
		.reserved0 = READ_ONCE(from->reserved0),
		.reserved[0] = READ_ONCE(from->reserved[0]) |
			       READ_ONCE(from->reserved[1]) |
			       READ_ONCE(from->reserved[2]) |
			       READ_ONCE(from->reserved[3]),
	};
}

/* What can be said without the backing device. */
static int io_check_form(const struct io_uring_cmd *cmd,
			 const struct stamped_op *op,
			 const struct bfence_io *io)
{
	bool is_fixed = cmd->flags & IORING_URING_CMD_FIXED;

	if (!op || (io->flags & ~op->flags) || io->reserved0 ||
	    io->reserved[0] || !io->epoch || !io->endpoint_version)
		return -EINVAL;
	if (!op->has_buffer && (io->addr || is_fixed))
		return -EINVAL;
	if (!(cmd->file->f_mode & op->mode))
		return -EBADF;
	if (!op->length_max)
		return io->offset || io->length ? -EINVAL : 0;
	if (!io->length)
		return -EINVAL;
	return io->length > op->length_max ? -E2BIG : 0;
}

/* Under a grant's count: before, the device may be gone. */
static int io_check_place(struct block_device *bdev,
			  const struct stamped_op *op,
			  const struct bfence_io *io)
{
	u64 size = bdev_nr_bytes(bdev);

	if ((io->offset | io->length) & (bdev_logical_block_size(bdev) - 1))
		return -EINVAL;
	if (op->has_buffer && (io->addr & bdev_dma_alignment(bdev)))
		return -EINVAL;
	if (io->offset > size || io->length > size - io->offset)
		return -EINVAL;
	return 0;
}

/* --- the answer ---------------------------------------------------------- */

/* An answer is never returned: -EAGAIN would ask io_uring to try again. */
static int io_answer(struct io_uring_cmd *cmd, const struct gate *gate, int err,
		     unsigned int issue_flags)
{
	io_uring_cmd_done(cmd, err, READ_ONCE(gate->v.authority.epoch),
			  issue_flags);
	return -EIOCBQUEUED;
}

/* The device's own errors must not look like a refusal of the gate. */
static int io_errno(blk_status_t status)
{
	switch (status) {
	case BLK_STS_NOTSUPP:
	case BLK_STS_NOSPC:
	case BLK_STS_TIMEOUT:
	case BLK_STS_RESOURCE:
	case BLK_STS_RESV_CONFLICT:
		return blk_status_to_errno(status);
	case BLK_STS_AGAIN:
		return -EBUSY;
	}
	return -EIO;
}

static void io_free(struct bio *bio)
{
	bio_release_pages(bio, bio_op(bio) == REQ_OP_READ);
	bio_put(bio);
}

/* In the submitter's task, or its poller's: pages are made dirty here. */
static void io_finish(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct stamped_pdu *pdu = pdu_of(cmd);

	io_free(pdu->bio);
	io_uring_cmd_done(cmd, pdu->result, pdu->epoch, issue_flags);
}

static void io_end(struct bio *bio)
{
	struct io_uring_cmd *cmd = bio->bi_private;
	struct stamped_pdu *pdu = pdu_of(cmd);
	struct grant *grant = pdu->grant;
	blk_status_t status = bio->bi_status;

	if (unlikely(status)) {
		if (status == BLK_STS_AGAIN && in_task() &&
		    pdu->submitter == current) {
			pdu->again = true;
			return;
		}
		/* A busy device asked without waiting is not an error. */
		if (status != BLK_STS_AGAIN)
			this_cpu_inc(grant->gate->stats->io_errors);
		pdu->result = io_errno(status);
	}
	pdu->epoch = READ_ONCE(grant->gate->v.authority.epoch);
	/* From here on bio and command may be gone at any time. */
	if (pdu->polled)
		smp_store_release(&pdu->ended, true);	/* and the result */
	else
		compat_uring_complete(cmd, io_finish);
	bfence_gate_leave(grant);
}

/* Under the ring's lock, which whoever frees the bio holds as well. */
int bfence_stamped_io_poll(struct io_uring_cmd *cmd,
			   struct io_comp_batch *batch, unsigned int flags)
{
	struct stamped_pdu *pdu = pdu_of(cmd);
	int ret = 0;

	/* Not into the batch: what that completes is not finished there. */
	if (!READ_ONCE(pdu->ended))
		ret = bio_poll(pdu->bio, NULL, flags);
	if (smp_load_acquire(&pdu->ended))	/* then the result is there */
		io_finish(cmd, 0);
	return ret;
}

/* --- the way down -------------------------------------------------------- */

/* How many vectors the bio needs, or a negative errno. */
static int io_import(struct io_uring_cmd *cmd, const struct stamped_op *op,
		     const struct bfence_io *io, struct iov_iter *iter)
{
	unsigned int dir = op->changes_data ? ITER_SOURCE : ITER_DEST;
	void __user *buffer = u64_to_user_ptr(io->addr);
	u64 nr_pages;

	if (!op->has_buffer)
		return 0;
	/* Its vectors are lent by the registration. */
	if (cmd->flags & IORING_URING_CMD_FIXED)
		return io_uring_cmd_import_fixed(io->addr, io->length, dir,
						 iter, cmd);
	if (!access_ok(buffer, io->length))
		return -EFAULT;
	nr_pages =
		DIV_ROUND_UP(offset_in_page(io->addr) + io->length, PAGE_SIZE);
	if (nr_pages > BIO_MAX_VECS)
		return -E2BIG;
	iov_iter_ubuf(iter, dir, buffer, io->length);
	return nr_pages;
}

/* The bio of an admitted I/O. It waits only where @gfp may. */
static struct bio *io_build(struct io_uring_cmd *cmd,
			    const struct stamped_op *op,
			    const struct bfence_io *io, gfp_t gfp)
{
	struct stamped_io_target *target = cmd->file->private_data;
	blk_opf_t opf = op->opf | COMPAT_BIO_CACHE;
	struct iov_iter iter;
	struct bio *bio;
	int nr_vecs;
	int err;

	nr_vecs = io_import(cmd, op, io, &iter);
	if (nr_vecs < 0)
		return ERR_PTR(nr_vecs);
	if (io->flags & BFENCE_IO_F_FUA)
		opf |= REQ_FUA;
	bio = bio_alloc_bioset(target->gate->backing.bdev, nr_vecs, opf, gfp,
			       &target->bios);
	if (!bio)
		return ERR_PTR(gfp == GFP_KERNEL ? -ENOMEM : -EAGAIN);
	bio->bi_iter.bi_sector = io->offset >> SECTOR_SHIFT;
	if (!op->has_buffer) {
		bio->bi_iter.bi_size = io->length;
		return bio;
	}
	err = bio_iov_iter_get_pages(bio, &iter);
	/* It may take less than it was given. */
	if (!err && iov_iter_count(&iter))
		err = -EFAULT;
	if (err) {
		io_free(bio);
		return ERR_PTR(err);
	}
	return bio;
}

/*
 * -EAGAIN: nothing was sent, and it must be tried again where it may wait.
 * Whoever asked not to wait is also the only one to free the bio: in this very
 * task, or, of a polled ring, once this has returned. So the command may still
 * be looked at after it was sent.
 */
static int io_submit(struct io_uring_cmd *cmd, struct bio *bio)
{
	struct stamped_pdu *pdu = pdu_of(cmd);
	bool nowait = bio->bi_opf & REQ_NOWAIT;

	pdu->bio = bio;
	pdu->submitter = nowait ? current : NULL;
	pdu->again = false;
	pdu->ended = false;
	bio->bi_private = cmd;
	bio->bi_end_io = io_end;
	submit_bio(bio);
	if (!nowait)
		return 0;
	if (unlikely(pdu->again)) {
		io_free(bio);
		return -EAGAIN;
	}
	pdu->submitter = NULL;
	return 0;
}

static int io_start(struct io_uring_cmd *cmd, const struct stamped_op *op,
		    const struct bfence_io *io, struct grant *grant,
		    unsigned int issue_flags)
{
	struct block_device *bdev = grant->gate->backing.bdev;
	bool nonblock = issue_flags & IO_URING_F_NONBLOCK;
	bool polled = issue_flags & IO_URING_F_IOPOLL;
	struct stamped_pdu *pdu = pdu_of(cmd);
	struct bio *bio;
	int err;

	err = io_check_place(bdev, op, io);
	if (err)
		return err;
	if (unlikely(polled && !(compat_bdev_polls(bdev) && bdev_nowait(bdev))))
		return -EOPNOTSUPP;
	if (nonblock && !bdev_nowait(bdev))
		return -EAGAIN;
	bio = io_build(cmd, op, io, nonblock ? GFP_NOWAIT : GFP_KERNEL);
	if (IS_ERR(bio))
		return PTR_ERR(bio);
	/* Waiting for a tag that only a poll gives back would never end. */
	if (nonblock || polled)
		bio->bi_opf |= REQ_NOWAIT;
	if (polled && op->has_buffer)
		bio->bi_opf |= REQ_POLLED;
	pdu->grant = grant;
	pdu->result = io->length;
	pdu->polled = polled;
	return io_submit(cmd, bio);
}

int bfence_stamped_io(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct stamped_io_target *target = cmd->file->private_data;
	const struct stamped_op *op = op_of(cmd->cmd_op);
	struct gate *gate = target->gate;
	enum verdict_reject why;
	struct bfence_io io;
	struct grant *grant;
	int err;

	if (!(issue_flags & IO_URING_F_SQE128))
		return io_answer(cmd, gate, -EINVAL, issue_flags);
	io = io_copy(compat_uring_payload(cmd));
	err = io_check_form(cmd, op, &io);
	if (err)
		return io_answer(cmd, gate, err, issue_flags);

	grant = bfence_gate_enter_stamped(gate,
					  &(struct lineage){
						  io.epoch,
						  io.endpoint_version },
					  op->changes_data, &why);
	if (unlikely(!grant)) {
		err = verdict_reject_errno(why);
		if (READ_ONCE(gate->detached))
			err = -ENODEV;
		return io_answer(cmd, gate, err, issue_flags);
	}
	err = io_start(cmd, op, &io, grant, issue_flags);
	if (likely(!err))
		return -EIOCBQUEUED;
	bfence_gate_give_back(grant);
	if (err == -EAGAIN)
		return compat_uring_again(cmd);
	return io_answer(cmd, gate, err, issue_flags);
}
