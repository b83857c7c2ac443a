// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's refusal as the operator reads it, from NLMSG_ERROR messages
 * made by hand. No socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include <linux/bfence.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "../../tools/extack.h"

struct exchange {
	char request_bytes[512] __attribute__((aligned(4)));
	char reply_bytes[1024] __attribute__((aligned(4)));
	struct nlmsghdr *request;
	struct nlmsghdr *reply;
	uint32_t epoch_offset;
	struct refusal refusal;
};

/* A fence request, and the start of an error that answers it. */
static void exchange_init(struct exchange *exchange, int error, bool capped)
{
	struct nlmsgerr *body;
	struct genlmsghdr *genlh;

	memset(exchange, 0, sizeof(*exchange));
	exchange->request = mnl_nlmsg_put_header(exchange->request_bytes);
	genlh = mnl_nlmsg_put_extra_header(exchange->request, sizeof(*genlh));
	genlh->cmd = BFENCE_CMD_GATE_FENCE;
	mnl_attr_put_strz(exchange->request, BFENCE_A_VOLUME, "v1");
	exchange->epoch_offset = exchange->request->nlmsg_len;
	mnl_attr_put_u64(exchange->request, BFENCE_A_EPOCH, 3);

	exchange->reply = mnl_nlmsg_put_header(exchange->reply_bytes);
	exchange->reply->nlmsg_type = NLMSG_ERROR;
	exchange->reply->nlmsg_flags = NLM_F_ACK_TLVS |
				       (capped ? NLM_F_CAPPED : 0);
	body = mnl_nlmsg_put_extra_header(exchange->reply, sizeof(*body));
	body->error = error;
	body->msg = *exchange->request;
	if (!capped)
		memcpy(mnl_nlmsg_put_extra_header(exchange->reply,
						  exchange->request->nlmsg_len -
							  sizeof(struct nlmsghdr)),
		       exchange->request + 1,
		       exchange->request->nlmsg_len - sizeof(struct nlmsghdr));
}

static int judge(struct exchange *exchange)
{
	return extack_error(exchange->reply, exchange->request,
			    &exchange->refusal);
}

static void sentence_and_attribute_reach_the_operator(void **state)
{
	struct exchange x;
	int capped;

	(void)state;
	for (capped = 0; capped < 2; capped++) {
		exchange_init(&x, -ESTALE, capped);
		mnl_attr_put_strz(x.reply, NLMSGERR_ATTR_MSG,
				  "bfence: epoch is older than 4.1");
		mnl_attr_put_u32(x.reply, NLMSGERR_ATTR_OFFS, x.epoch_offset);
		assert_int_equal(judge(&x), -ESTALE);
		assert_string_equal(x.refusal.text,
				    "epoch is older than 4.1 (epoch)");
	}
}

static void a_missing_attribute_is_named(void **state)
{
	struct exchange x;

	(void)state;
	exchange_init(&x, -EINVAL, true);
	mnl_attr_put_strz(x.reply, NLMSGERR_ATTR_MSG, "an attribute lacks");
	mnl_attr_put_u32(x.reply, NLMSGERR_ATTR_MISS_TYPE,
			 BFENCE_A_ENDPOINT_VERSION);
	assert_int_equal(judge(&x), -EINVAL);
	assert_string_equal(x.refusal.text, "an attribute lacks "
					    "(endpoint_version is missing)");
}

static void a_bare_errno_gets_a_sentence(void **state)
{
	struct exchange x;

	(void)state;
	exchange_init(&x, -EPERM, true);
	assert_int_equal(judge(&x), -EPERM);
	assert_non_null(strstr(x.refusal.text, "CAP_NET_ADMIN"));
	exchange_init(&x, -ENOENT, true);
	assert_int_equal(judge(&x), -ENOENT);
	assert_string_equal(x.refusal.text, "no such gate");
}

static void the_kernels_own_eperm_sentence_wins(void **state)
{
	struct exchange x;

	(void)state;
	exchange_init(&x, -EPERM, true);
	mnl_attr_put_strz(x.reply, NLMSGERR_ATTR_MSG, "the gate is managed");
	assert_int_equal(judge(&x), -EPERM);
	assert_string_equal(x.refusal.text, "the gate is managed");
}

static void an_acknowledgement_is_no_refusal(void **state)
{
	struct exchange x;

	(void)state;
	exchange_init(&x, 0, true);
	assert_int_equal(judge(&x), 0);
	assert_string_equal(x.refusal.text, "");
}

static void a_broken_answer_is_refused_and_not_followed(void **state)
{
	struct nlmsgerr *body;
	struct exchange x;

	(void)state;
	exchange_init(&x, -ESTALE, true);
	x.reply->nlmsg_len = sizeof(struct nlmsghdr) + 2;
	assert_int_equal(judge(&x), -EBADMSG);

	/* The inner length points far past the end. */
	exchange_init(&x, -ESTALE, false);
	body = mnl_nlmsg_get_payload(x.reply);
	body->msg.nlmsg_len = 60000;
	assert_int_equal(judge(&x), -ESTALE);
	assert_string_equal(x.refusal.text, strerror(ESTALE));

	/* So far that 32 bits wrap it back to a small distance. */
	exchange_init(&x, -ESTALE, false);
	body = mnl_nlmsg_get_payload(x.reply);
	body->msg.nlmsg_len = 0xfffffff0;
	assert_int_equal(judge(&x), -ESTALE);
	assert_string_equal(x.refusal.text, strerror(ESTALE));

	exchange_init(&x, -ESTALE, false);
	body = mnl_nlmsg_get_payload(x.reply);
	body->msg.nlmsg_len = 3;
	assert_int_equal(judge(&x), -ESTALE);

	/* An offset between two attributes names none. */
	exchange_init(&x, -ESTALE, true);
	mnl_attr_put_strz(x.reply, NLMSGERR_ATTR_MSG, "stale");
	mnl_attr_put_u32(x.reply, NLMSGERR_ATTR_OFFS, x.epoch_offset + 1);
	assert_int_equal(judge(&x), -ESTALE);
	assert_string_equal(x.refusal.text, "stale");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sentence_and_attribute_reach_the_operator),
		cmocka_unit_test(a_missing_attribute_is_named),
		cmocka_unit_test(a_bare_errno_gets_a_sentence),
		cmocka_unit_test(the_kernels_own_eperm_sentence_wins),
		cmocka_unit_test(an_acknowledgement_is_no_refusal),
		cmocka_unit_test(a_broken_answer_is_refused_and_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
