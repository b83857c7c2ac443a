/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one place where bytes become messages and messages bytes (wire.proto).
 * Past wire_decode() nothing is checked twice. Must never know a socket, nor
 * what a message decides.
 *
 * On the stream each message is a frame: its length as u32, big-endian, then
 * so many bytes.
 */
#ifndef BFENCE_WIRE_H
#define BFENCE_WIRE_H

#include "core/message.h"

#define WIRE_BYTES_MAX		65536	/* of one message, without its length */
#define WIRE_HEADER_BYTES	4	/* the length before it */
#define WIRE_FRAME_BYTES_MAX	(WIRE_HEADER_BYTES + WIRE_BYTES_MAX)

/* Bytes written to buf, or -ENOSPC, or -EINVAL for a kind or a count that is
 * none. WIRE_BYTES_MAX is always enough. */
int wire_encode(const struct message *message, uint8_t *buf, size_t size);

/*
 * 0, or -EBADMSG: not an Envelope, a message of no known kind, an id that is
 * not one, an enum, count or length out of range. *ret is then of no use.
 */
int wire_decode(const uint8_t *buf, size_t len, struct message *ret);

/* The same with the length in front: bytes of the frame, or as above. */
int wire_frame_put(const struct message *message,
		   uint8_t buf[WIRE_FRAME_BYTES_MAX]);

/* Bytes of the frame that was taken, 0 when not all of it is there, -EMSGSIZE
 * for a length of 0 or over the limit, -EBADMSG. */
int wire_frame_get(const uint8_t *buf, size_t len, struct message *ret);

#endif
