/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way to bfence.ko: one netlink socket that found the family. Knows
 * nothing of verbs.
 */
#ifndef BFENCE_TOOLS_GENL_H
#define BFENCE_TOOLS_GENL_H

#include <stdint.h>
#include <jansson.h>
#include <libmnl/libmnl.h>

#include "field.h"
#include "refusal.h"

#define GENL_REQUEST_BYTES	2048	/* all attributes at full length */

struct genl {
	struct mnl_socket *socket;
	uint32_t portid;
	uint32_t seq;
	uint32_t group;			/* of the monitor */
	uint16_t family;
};

struct genl_request {
	struct nlmsghdr *header;
	char bytes[GENL_REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
};

int genl_open(struct genl *genl, struct refusal *refusal);
/* Also after a genl_open() that failed. */
void genl_close(struct genl *genl);

/* Starts a request in place; the caller puts the attributes. */
void genl_request_init(struct genl_request *request, uint8_t command);

/* One object comes back; gives it. */
int genl_call(struct genl *genl, struct genl_request *request,
	      const struct field *fields, json_t **ret,
	      struct refusal *refusal);

/* Gives an array of all gates, one consistent view. */
int genl_dump_gates(json_t **ret, struct refusal *refusal);

/* From here on genl_next() gives what happens. */
int genl_join(struct genl *genl, struct refusal *refusal);

/*
 * Waits for notifications and gives an array of at least one. -ENOBUFS when
 * some were lost.
 */
int genl_next(struct genl *genl, json_t **ret, struct refusal *refusal);

#endif
