// SPDX-License-Identifier: GPL-2.0
/*
 * Requests, dumps and notifications over generic netlink. Must never decide
 * what an answer means.
 */
#include "genl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/bfence.h>
#include <linux/genetlink.h>

#include "extack.h"
#include "gate.h"

#define RECEIVE_BYTES		32768	/* the most a dump puts in one */
#define MONITOR_QUEUE_BYTES	(1 << 20)
#define DUMP_TRIES_MAX		16

/* What the receiving callbacks share. */
struct reply {
	const struct nlmsghdr *request;
	const struct field *fields;
	json_t *objects;		/* array, grows */
	struct genl *family_of;		/* resolving the family */
	struct refusal *refusal;
	int error;
};

static int on_error(const struct nlmsghdr *message, void *data)
{
	struct reply *reply = data;

	reply->error = extack_error(message, reply->request, reply->refusal);
	return MNL_CB_STOP;
}

/* A dump that failed half way says so in its last message. */
static int on_done(const struct nlmsghdr *message, void *data)
{
	struct reply *reply = data;
	const int *error = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) >= sizeof(*error) && *error < 0)
		reply->error = refuse(reply->refusal, *error,
				      "the dump ended early: %s",
				      strerror(-*error));
	return MNL_CB_STOP;
}

static int on_object(const struct nlmsghdr *message, void *data)
{
	struct reply *reply = data;
	json_t *object;

	reply->error = gate_from_message(message, reply->fields, &object);
	if (!reply->error && json_array_append_new(reply->objects, object))
		reply->error = -ENOMEM;
	if (reply->error) {
		refuse(reply->refusal, reply->error,
		       "the kernel's answer cannot be read: %s",
		       strerror(-reply->error));
		return MNL_CB_STOP;
	}
	return MNL_CB_OK;
}

static void take_group(const struct nlattr *group, struct genl *genl)
{
	const struct nlattr *attr;
	const char *name = "";
	uint32_t id = 0;

	mnl_attr_for_each_nested(attr, group) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME)
			name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID)
			id = mnl_attr_get_u32(attr);
	}
	if (!strcmp(name, BFENCE_GENL_MONITOR))
		genl->group = id;
}

static int on_family(const struct nlmsghdr *message, void *data)
{
	struct reply *reply = data;
	const struct nlattr *attr, *group;

	mnl_attr_for_each(attr, message, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			reply->family_of->family = mnl_attr_get_u16(attr);
		if (mnl_attr_get_type(attr) != CTRL_ATTR_MCAST_GROUPS)
			continue;
		/* cppcheck-suppress unknownMacro */
		mnl_attr_for_each_nested(group, attr)
			take_group(group, reply->family_of);
	}
	return MNL_CB_OK;
}

/* One recv() and what it holds. 1: more will come, 0: that was all. */
static int receive(struct genl *genl, uint32_t seq, mnl_cb_t on_data,
		   struct reply *reply)
{
	mnl_cb_t control[] = {
		[NLMSG_ERROR] = on_error,
		[NLMSG_DONE] = on_done,
	};
	char bytes[RECEIVE_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t len;
	int ret;

	do {
		len = mnl_socket_recvfrom(genl->socket, bytes, sizeof(bytes));
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return refuse(reply->refusal, -errno, "netlink: %s",
			      strerror(errno));

	ret = mnl_cb_run2(bytes, (size_t)len, seq, seq ? genl->portid : 0,
			  on_data, reply, control,
			  sizeof(control) / sizeof(control[0]));
	if (reply->error)
		return reply->error;
	/* libmnl says EINTR for a dump that changed while it was read. */
	if (ret < 0)
		return refuse(reply->refusal, -errno,
			      errno == EINTR ? "the gates kept changing" :
					       "netlink: unexpected answer");
	return ret == MNL_CB_STOP ? 0 : 1;
}

static int transact(struct genl *genl, struct genl_request *request,
		    mnl_cb_t on_data, struct reply *reply)
{
	struct nlmsghdr *header = request->header;
	int more;

	header->nlmsg_seq = ++genl->seq;
	reply->request = header;
	if (mnl_socket_sendto(genl->socket, header, header->nlmsg_len) < 0)
		return refuse(reply->refusal, -errno, "netlink: %s",
			      strerror(errno));
	do {
		more = receive(genl, genl->seq, on_data, reply);
	} while (more > 0);
	return more;
}

static void request_start(struct genl_request *request, uint16_t family,
			  uint8_t command, uint8_t version)
{
	struct genlmsghdr *genlh;

	request->header = mnl_nlmsg_put_header(request->bytes);
	request->header->nlmsg_type = family;
	request->header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	genlh = mnl_nlmsg_put_extra_header(request->header, sizeof(*genlh));
	genlh->cmd = command;
	genlh->version = version;
}

void genl_request_init(struct genl_request *request, uint8_t command)
{
	/* The family's number is put when the request is sent. */
	request_start(request, 0, command, BFENCE_GENL_VERSION);
}

static int resolve(struct genl *genl, struct refusal *refusal)
{
	struct reply reply = { .family_of = genl, .refusal = refusal };
	struct genl_request request;
	int error;

	request_start(&request, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	mnl_attr_put_strz(request.header, CTRL_ATTR_FAMILY_NAME,
			  BFENCE_GENL_NAME);
	error = transact(genl, &request, on_family, &reply);
	if (error == -ENOENT)
		return refuse(refusal, -ENOENT,
			      "the kernel has no bfence: its module is not "
			      "loaded (as root: modprobe bfence)");
	if (error)
		return error;
	if (!genl->family || !genl->group)
		return refuse(refusal, -EPROTO,
			      "the loaded bfence module has no family id or no "
			      "group \"%s\"",
			      BFENCE_GENL_MONITOR);
	return 0;
}

static int socket_open(struct genl *genl, struct refusal *refusal)
{
	int on = 1;

	genl->socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!genl->socket)
		return refuse(refusal, -errno, "netlink socket: %s",
			      strerror(errno));
	if (mnl_socket_bind(genl->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(genl->socket, NETLINK_EXT_ACK, &on,
				  sizeof(on)) < 0 ||
	    mnl_socket_setsockopt(genl->socket, NETLINK_GET_STRICT_CHK, &on,
				  sizeof(on)) < 0) {
		int error = refuse(refusal, -errno, "netlink socket: %s",
				   strerror(errno));

		genl_close(genl);
		return error;
	}
	genl->portid = mnl_socket_get_portid(genl->socket);
	return 0;
}

int genl_open(struct genl *genl, struct refusal *refusal)
{
	int error;

	*genl = (struct genl){ 0 };
	error = socket_open(genl, refusal);
	if (error)
		return error;
	error = resolve(genl, refusal);
	if (error)
		genl_close(genl);
	return error;
}

void genl_close(struct genl *genl)
{
	if (genl->socket)
		mnl_socket_close(genl->socket);
	genl->socket = NULL;
}

int genl_call(struct genl *genl, struct genl_request *request,
	      const struct field *fields, json_t **ret, struct refusal *refusal)
{
	struct reply reply = {
		.fields = fields,
		.objects = json_array(),
		.refusal = refusal,
	};
	int error;

	request->header->nlmsg_type = genl->family;
	error = transact(genl, request, on_object, &reply);
	if (!error && json_array_size(reply.objects) != 1)
		error = refuse(refusal, -EPROTO,
			       "the kernel answered with %zu objects instead "
			       "of one",
			       json_array_size(reply.objects));
	if (!error)
		*ret = json_incref(json_array_get(reply.objects, 0));
	json_decref(reply.objects);
	return error;
}

/* A socket of its own: what is left of a broken dump dies with it. */
static int dump_once(json_t *gates, struct refusal *refusal)
{
	struct reply reply = {
		.fields = gate_fields,
		.objects = gates,
		.refusal = refusal,
	};
	struct genl_request request;
	struct genl genl;
	int error;

	error = genl_open(&genl, refusal);
	if (error)
		return error;
	genl_request_init(&request, BFENCE_CMD_GATE_GET);
	request.header->nlmsg_type = genl.family;
	request.header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	error = transact(&genl, &request, on_object, &reply);
	genl_close(&genl);
	return error;
}

int genl_dump_gates(json_t **ret, struct refusal *refusal)
{
	int error = -EINTR, tries;
	json_t *gates = NULL;

	for (tries = 0; error == -EINTR && tries < DUMP_TRIES_MAX; tries++) {
		json_decref(gates);
		gates = json_array();
		error = dump_once(gates, refusal);
	}
	if (error)
		json_decref(gates);
	else
		*ret = gates;
	return error;
}

int genl_join(struct genl *genl, struct refusal *refusal)
{
	int fd = mnl_socket_get_fd(genl->socket);
	int bytes = MONITOR_QUEUE_BYTES;

	/* Best effort: a short queue only loses, and losing is reported. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (mnl_socket_setsockopt(genl->socket, NETLINK_ADD_MEMBERSHIP,
				  &genl->group, sizeof(genl->group)) < 0)
		return refuse(refusal, -errno,
			      "cannot join the group \"%s\": %s",
			      BFENCE_GENL_MONITOR, strerror(errno));
	return 0;
}

int genl_next(struct genl *genl, json_t **ret, struct refusal *refusal)
{
	struct reply reply = {
		.fields = gate_fields,
		.objects = json_array(),
		.refusal = refusal,
	};
	int error;

	error = receive(genl, 0, on_object, &reply);
	if (error < 0) {
		json_decref(reply.objects);
		return error;
	}
	*ret = reply.objects;
	return 0;
}
