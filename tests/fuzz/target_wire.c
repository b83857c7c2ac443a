// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes from a stream: what becomes a message survives the way back, as a
 * message and as a frame. Must never know what a message decides.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "edge/wire.h"
#include "fuzz.h"

static void check_message(const struct message *message)
{
	static uint8_t first[WIRE_FRAME_BYTES_MAX];
	static uint8_t second[WIRE_FRAME_BYTES_MAX];
	static struct message again;
	int size = wire_frame_put(message, first);

	assert(size > WIRE_HEADER_BYTES);
	memset(&again, 0xa5, sizeof(again));
	assert(wire_frame_get(first, (size_t)size, &again) == size);
	assert(memcmp(&again, message, sizeof(again)) == 0);
	assert(wire_frame_put(&again, second) == size);
	assert(memcmp(first, second, (size_t)size) == 0);
	/* Not before its last byte is there. */
	assert(wire_frame_get(first, (size_t)size - 1, &again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct message message;
	int ret;

	memset(&message, 0xa5, sizeof(message));
	ret = wire_decode(data, size, &message);
	assert(ret == 0 || ret == -EBADMSG);
	if (ret == 0)
		check_message(&message);
	ret = wire_frame_get(data, size, &message);
	assert(ret == -EMSGSIZE || ret == -EBADMSG || ret >= 0);
	assert(ret <= 0 || (size_t)ret <= size);
	if (ret > 0)
		check_message(&message);
	return 0;
}
