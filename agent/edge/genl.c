// SPDX-License-Identifier: GPL-2.0
/*
 * Requests, lists and notifications over libnl. Must never decide what an
 * answer means.
 */
#include "genl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include <linux/bfence.h>

#include "genl_gate.h"

#define MONITOR_QUEUE_BYTES	(1 << 20)
#define LIST_TRIES_MAX		16
#define HEARD_MAX		64	/* volumes looked at in one go */

struct genl {
	struct nl_sock *command;
	struct nl_sock *monitor;
	int family;
	struct loop *loop;
	struct loop_op readable;
	const struct genl_ops *ops;
	void *arg;
	size_t nr_heard;
	struct volume_id heard[HEARD_MAX];
	bool lost;
};

/* What one request is waiting for. */
struct answer {
	struct gate_info *gate;		/* one of these three, or none */
	struct boot_id *boot;
	struct gate_info *gates;	/* grows */
	size_t nr_gates;
	bool is_list;
	bool done;
	int error;			/* 0 or negative errno */
	char sentence[256];
};

/* --- one request ----------------------------------------------------------- */

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *arg)
{
	struct answer *answer = arg;

	(void)from;
	answer->error = error->error;
	answer->done = true;
	genl_sentence_read(error, answer->sentence, sizeof(answer->sentence));
	return NL_STOP;
}

static int on_end(struct nl_msg *message, void *arg)
{
	struct answer *answer = arg;

	(void)message;
	answer->done = true;
	return NL_OK;
}

static int add_gate(struct answer *answer, struct nlmsghdr *header)
{
	struct gate_info *gates = reallocarray(answer->gates,
					       answer->nr_gates + 1,
					       sizeof(*gates));

	if (!gates)
		return -ENOMEM;
	answer->gates = gates;
	if (genl_gate_read(header, &gates[answer->nr_gates]))
		return -EBADMSG;
	answer->nr_gates++;
	return 0;
}

static int on_valid(struct nl_msg *message, void *arg)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct answer *answer = arg;
	int error = 0;

	if (answer->gate)
		error = genl_gate_read(header, answer->gate);
	else if (answer->boot)
		error = genl_boot_id_read(header, answer->boot);
	else if (answer->is_list)
		error = add_gate(answer, header);
	if (error && !answer->error)
		answer->error = error;
	return NL_OK;
}

static struct nl_cb *callbacks_new(struct answer *answer)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);

	if (!cb)
		return NULL;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, answer);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_end, answer);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_end, answer);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, answer);
	return cb;
}

/* libnl has numbers of its own. The kernel's came with on_error(). */
static int errno_of(int nl_error)
{
	switch (nl_error) {
	case -NLE_DUMP_INTR:
		return -EINTR;
	case -NLE_NOMEM:
		return -ENOMEM;
	case -NLE_PERM:
		return -EPERM;
	default:
		return -EIO;
	}
}

static const char *plain_sentence(int error)
{
	if (error == -EPERM)
		return "not permitted: bfenced needs CAP_NET_ADMIN";
	if (error == -EBADMSG)
		return "the answer of the module cannot be read";
	return strerror(-error);
}

static int transact(struct genl *genl, struct nl_msg *message,
		    struct answer *answer, struct err *err)
{
	struct nl_cb *cb = callbacks_new(answer);
	int nl_error;

	if (!cb)
		return err_set(err, -ENOMEM, "netlink: out of memory");
	nl_error = nl_send_auto(genl->command, message);
	while (nl_error >= 0 && !answer->done)
		nl_error = nl_recvmsgs(genl->command, cb);
	nl_cb_put(cb);
	if (nl_error < 0 && !answer->error)
		return err_set(err, errno_of(nl_error), "netlink: %s",
			       nl_geterror(nl_error));
	if (answer->error)
		return err_set(err, answer->error, "%s",
			       answer->sentence[0] ?
				       answer->sentence :
				       plain_sentence(answer->error));
	return 0;
}

static struct nl_msg *request_new(const struct genl *genl, uint8_t command,
				  int flags)
{
	struct nl_msg *message = nlmsg_alloc();

	if (message &&
	    genlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, genl->family, 0,
			flags, command, BFENCE_GENL_VERSION))
		return message;
	nlmsg_free(message);
	return NULL;
}

/* Ends the message. `fill` says whether it could be filled. */
static int request(struct genl *genl, struct nl_msg *message, int fill,
		   struct answer *answer, struct err *err)
{
	int error = message && fill == 0 ?
			    transact(genl, message, answer, err) :
			    err_set(err, -ENOMEM, "netlink: out of memory");

	nlmsg_free(message);
	return error;
}

/* --- commands -------------------------------------------------------------- */

int genl_run(struct genl *genl, const struct kernel_op *op, const char *backing,
	     struct gate_info *ret, struct err *err)
{
	struct answer answer = {
		.gate = op->kind == KERNEL_LEASE ? NULL : ret,
	};
	struct nl_msg *message;

	if (op->kind == KERNEL_ATTACH && !backing)
		return err_set(err, -ENODEV,
			       "no backing device is configured for volume %s",
			       op->volume.s);
	message = request_new(genl, genl_op_command(op->kind), 0);
	return request(genl, message,
		       message ? genl_op_put(message, op, backing) : 0, &answer,
		       err);
}

int genl_boot_id(struct genl *genl, struct boot_id *ret, struct err *err)
{
	struct answer answer = { .boot = ret };

	return request(genl, request_new(genl, BFENCE_CMD_HOST_GET, 0), 0,
		       &answer, err);
}

int genl_list(struct genl *genl, struct gate_info **ret, size_t *ret_nr,
	      struct err *err)
{
	int error = -EINTR;

	for (int i = 0; i < LIST_TRIES_MAX && error == -EINTR; i++) {
		struct answer answer = { .is_list = true };

		error = request(genl,
				request_new(genl, BFENCE_CMD_GATE_GET,
					    NLM_F_DUMP),
				0, &answer, err);
		if (error) {
			free(answer.gates);
			continue;
		}
		*ret = answer.gates;
		*ret_nr = answer.nr_gates;
	}
	return error;
}

static int get(struct genl *genl, const struct volume_id *volume,
	       struct gate_info *ret)
{
	struct nl_msg *message = request_new(genl, BFENCE_CMD_GATE_GET, 0);
	struct answer answer = { .gate = ret };
	int fill = message ?
			   nla_put_string(message, BFENCE_A_VOLUME, volume->s) :
			   0;

	return request(genl, message, fill, &answer, NULL);
}

/* --- sockets --------------------------------------------------------------- */

static int socket_new(struct nl_sock **ret, struct err *err)
{
	struct nl_sock *sock = nl_socket_alloc();
	int on = 1, nl_error;

	if (!sock)
		return err_set(err, -ENOMEM, "netlink: out of memory");
	nl_error = genl_connect(sock);
	if (nl_error < 0) {
		nl_socket_free(sock);
		return err_set(err, errno_of(nl_error), "netlink socket: %s",
			       nl_geterror(nl_error));
	}
	/* Without it a refusal has a number and no sentence. */
	if (setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_EXT_ACK,
		       &on, sizeof(on))) {
		int error = -errno;

		nl_socket_free(sock);
		return err_set(err, error, "netlink socket: %s",
			       strerror(-error));
	}
	*ret = sock;
	return 0;
}

int genl_new(struct genl **ret, struct err *err)
{
	struct genl *genl = calloc(1, sizeof(*genl));
	int error;

	if (!genl)
		return err_set(err, -ENOMEM, "netlink: out of memory");
	error = socket_new(&genl->command, err);
	if (!error)
		error = socket_new(&genl->monitor, err);
	if (!error) {
		genl->family =
			genl_ctrl_resolve(genl->command, BFENCE_GENL_NAME);
		if (genl->family < 0)
			error = err_set(
				err, -ENOENT,
				"the kernel has no bfence: its module is not loaded (modprobe bfence)");
	}
	if (error) {
		genl_free(genl);
		return error;
	}
	*ret = genl;
	return 0;
}

void genl_free(struct genl *genl)
{
	if (!genl)
		return;
	nl_socket_free(genl->command);
	nl_socket_free(genl->monitor);
	free(genl);
}

/* --- watch ----------------------------------------------------------------- */

static int on_notification(struct nl_msg *message, void *arg)
{
	struct genl *genl = arg;
	struct volume_id volume;

	if (genl_volume_read(nlmsg_hdr(message), &volume))
		return NL_OK;
	for (size_t i = 0; i < genl->nr_heard; i++)
		if (volume_id_equal(&genl->heard[i], &volume))
			return NL_OK;
	if (genl->nr_heard == HEARD_MAX)
		genl->lost = true;
	else
		genl->heard[genl->nr_heard++] = volume;
	return NL_OK;
}

static void tell(struct genl *genl, const struct volume_id *volume)
{
	struct gate_info gate;
	int error = get(genl, volume, &gate);

	if (!error)
		genl->ops->on_gate(genl->arg, &gate);
	else if (error == -ENOENT)
		genl->ops->on_gone(genl->arg, volume);
	else
		genl->lost = true;
}

static void on_readable(struct loop_op *op, int res)
{
	struct genl *genl = loop_container(op, struct genl, readable);
	int nl_error = 0;

	if (res == -ECANCELED)
		return;
	genl->nr_heard = 0;
	genl->lost = false;
	while (nl_error >= 0 && genl->nr_heard < HEARD_MAX)
		nl_error = nl_recvmsgs_default(genl->monitor);
	/* Anything but an empty queue: ENOBUFS, most likely. */
	if (nl_error < 0 && nl_error != -NLE_AGAIN)
		genl->lost = true;
	for (size_t i = 0; i < genl->nr_heard; i++)
		tell(genl, &genl->heard[i]);
	if (genl->lost)
		genl->ops->on_lost(genl->arg);
	loop_poll(genl->loop, &genl->readable, nl_socket_get_fd(genl->monitor),
		  POLLIN);
}

int genl_watch(struct genl *genl, struct loop *loop, const struct genl_ops *ops,
	       void *arg, struct err *err)
{
	int fd = nl_socket_get_fd(genl->monitor);
	int bytes = MONITOR_QUEUE_BYTES;
	int group = genl_ctrl_resolve_grp(genl->command, BFENCE_GENL_NAME,
					  BFENCE_GENL_MONITOR);

	if (group < 0 || nl_socket_add_membership(genl->monitor, group) < 0)
		return err_set(err, -EPROTO,
			       "the loaded bfence module has no group \"%s\"",
			       BFENCE_GENL_MONITOR);
	/* A short queue only loses, and a loss is noticed. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	nl_socket_disable_seq_check(genl->monitor);
	nl_socket_modify_cb(genl->monitor, NL_CB_VALID, NL_CB_CUSTOM,
			    on_notification, genl);
	nl_socket_set_nonblocking(genl->monitor);
	genl->loop = loop;
	genl->ops = ops;
	genl->arg = arg;
	genl->readable.done = on_readable;
	loop_poll(loop, &genl->readable, fd, POLLIN);
	return 0;
}
