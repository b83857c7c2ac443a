/* SPDX-License-Identifier: GPL-2.0 */
/*
 * CRC32C (Castagnoli), the checksum of a frame's header and of the whole
 * frame. Must never know what the bytes mean.
 */
#ifndef BFENCE_RECORD_CRC_H
#define BFENCE_RECORD_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Of the bytes that gave `before` and these; before nothing it is 0. */
uint32_t record_crc32c(uint32_t before, const void *data, size_t len);

#endif
