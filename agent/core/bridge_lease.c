// SPDX-License-Identifier: GPL-2.0
/*
 * The master's memory of the leases it gave. Must never know a volume.
 */
#include "bridge.h"

uint32_t bridge_margin_ms(uint32_t lease_ms)
{
	return lease_ms / 8 + 1;
}

void bridge_host_up(struct bridge *b, uint32_t host)
{
	b->leases[host].given = false;
}

void bridge_renew(struct bridge *b, uint32_t host, struct mono_ms now)
{
	struct host_lease *lease = &b->leases[host];
	uint64_t over = now.v + b->config.lease_ms +
			bridge_margin_ms(b->config.lease_ms);

	lease->given = true;
	lease->renewed = now;
	if (lease->over.v < over)
		lease->over.v = over;
}

/* With half of it to spare, so that an OPEN finds it running over there. */
bool bridge_lease_runs(const struct bridge *b, uint32_t host,
		       struct mono_ms now)
{
	const struct host_lease *lease = &b->leases[host];

	return lease->given &&
	       now.v - lease->renewed.v < b->config.lease_ms / 2;
}
