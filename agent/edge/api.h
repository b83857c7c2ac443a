/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The operators' door of the master: HTTP and JSON on a Unix socket, through
 * libmicrohttpd on the loop. Reads the master's status views; an ask for a
 * change is handed to the owner of the loop and answered when it is durable.
 * Must never decide anything.
 *
 *   GET  /healthz            200 "ok"
 *   GET  /v1/status          one object: the master itself
 *   GET  /v1/volumes         an array of volumes
 *   GET  /v1/volumes/NAME    one volume, or 404
 *   POST /v1/volumes         {"volume", "hosts": [3], "guard"?} -> 201 volume
 *   DELETE /v1/volumes/NAME  ?expect=E.V|none, or whatever its line is -> 200
 *   POST /v1/volumes/NAME/recover
 *                            {"expect"?, "hosts"?, "guard"?} -> 200 volume
 *   POST /v1/volumes/NAME/reassign
 *                            {"to"?, "expect"?, "force"?} -> 200 volume
 *   GET  /v1/hosts           an array of hosts
 *   GET  /v1/hosts/NAME      one host, or 404
 *   POST /v1/hosts/NAME/drain, /v1/hosts/NAME/undrain -> 200 host
 *
 * A refusal is {"error": sentence} with 400 malformed, 404 unknown, 405 not
 * a method of the path, 409 conflict, 413 body over 64 KiB, 507 no room, 503
 * the authority log is closed or the master is stopping. docs/openapi.yaml
 * has the objects. A volume that is not durable yet is unknown.
 */
#ifndef BFENCE_API_H
#define BFENCE_API_H

#include "core/master.h"
#include "edge/loop.h"
#include "edge/store.h"
#include "err.h"

struct api;

struct api_ops {
	/* What an operator asks, but for its time; borrowed.
	 * api_answer() with the same token follows, from within this call or
	 * later. */
	void (*ask)(void *arg, const struct master_event *event);
};

struct api_config {
	const char *socket_path;	/* borrowed; mode 0600, replaced when
					 * nobody listens on it any more */
	const struct api_ops *ops;	/* borrowed */
	void *arg;			/* of the ops */
	const struct master *master;	/* borrowed */
	const struct store *store;	/* borrowed: identity and skips */
	uint64_t incarnation;
	size_t nr_reloaded;
	struct mono_ms started;
};

/* -EADDRINUSE when another master answers on the socket, -EEXIST when its
 * path is no socket. */
int api_new(struct loop *loop, const struct api_config *config,
	    struct api **ret, struct err *err);

/*
 * Answers who still waits, closes everything, removes the socket. The memory
 * is given back when the loop has ended the ops in flight (loop_free() does).
 * NULL is fine; not from ask().
 */
void api_free(struct api *api);

/* The fate of an ask; a token that nobody waits for any more is ignored. */
void api_answer(struct api *api, const struct master_answer *answer);

#endif
