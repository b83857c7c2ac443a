/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a target gives to whoever feeds it: the search (libFuzzer) or the
 * replay of files. Must never know which of the two it is.
 */
#ifndef BFENCE_FUZZ_H
#define BFENCE_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Judges one input; always 0, what does not hold aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
