/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The restart smoke: a store is opened as a start opens it, and the line that
 * comes back is held against the one of the run before. Must never know a
 * replica.
 */
#ifndef BFENCE_RESTART_SMOKE_H
#define BFENCE_RESTART_SMOKE_H

/*
 * On a store without volumes it mints the first line of its own volume; else
 * it reports only. Prints one JSON object in a line. 0 or a negative errno,
 * which the object explains.
 */
int restart_smoke(const char *dir);

#endif
