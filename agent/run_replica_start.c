// SPDX-License-Identifier: GPL-2.0
/*
 * What the core of a replica is told before it may act: configured backing
 * devices, the floor log, the gates that the kernel has. Must never carry
 * anything out.
 */
#include "run_replica_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "edge/clock.h"
#include "log.h"

static int tell(struct run *r, struct replica_event *event, struct err *err)
{
	int error;

	event->now = clock_now();
	error = replica_step(r->replica, event, r->update);
	for (unsigned int i = 0; i < r->update->nr_notes; i++)
		log_info("%s", r->update->notes[i].text);
	return error ? err_set(err, error, "%s: a record that is no floor",
			       r->config->replica.store) :
		       0;
}

/* A slot whose floor is damaged is not served: what it has promised is not
 * known. Its backing device stays untouched until an operator looks. */
static bool is_damaged(const struct run *r, const struct volume_id *volume)
{
	const struct store_skip *skips;
	size_t nr = store_skips(r->store, &skips);

	for (size_t i = 0; i < nr; i++)
		if (skips[i].class == STORE_SKIP_CORRUPT &&
		    volume_id_equal(&skips[i].volume, volume))
			return true;
	return false;
}

static void log_skips(const struct run *r)
{
	const struct store_skip *skips;
	size_t nr = store_skips(r->store, &skips);

	for (size_t i = 0; i < nr; i++)
		log_warning("floor-log-skip class=%s volume=%s offset=%" PRIu64
			    " reason=\"%s\"",
			    skips[i].class == STORE_SKIP_CORRUPT ? "corrupt" :
								   "unwritten",
			    skips[i].volume.s, skips[i].offset,
			    skips[i].reason);
}

static int tell_records(struct run *r, struct err *err)
{
	struct replica_event event = { .type = REPLICA_RECORD };
	const struct record incarnation = store_incarnation(r->store);
	size_t at = 0;
	int error = 0;

	while (!error && (event.record = store_next_record(r->store, &at)))
		error = tell(r, &event, err);
	if (!error && incarnation.kind == RECORD_INCARNATION) {
		event.record = &incarnation;
		error = tell(r, &event, err);
	}
	return error;
}

static int tell_backings(struct run *r, struct err *err)
{
	const struct config_replica *config = &r->config->replica;
	struct replica_event event = { .type = REPLICA_BACKING };
	int error = 0;

	for (uint32_t i = 0; i < config->nr_volumes && !error; i++) {
		event.backing = config->volumes[i].volume;
		if (!is_damaged(r, &event.backing))
			error = tell(r, &event, err);
	}
	return error;
}

static int tell_gates(struct run *r, struct err *err)
{
	struct replica_event event = { .type = REPLICA_GATE };
	struct gate_info *gates;
	size_t nr;
	int error = genl_list(r->genl, &gates, &nr, err);

	if (error)
		return error;
	for (size_t i = 0; i < nr && !error; i++) {
		event.gate = gates[i];
		error = tell(r, &event, err);
	}
	free(gates);
	return error;
}

int run_replica_start_core(struct run *r, struct err *err)
{
	const struct config_replica *config = &r->config->replica;
	struct replica_config core = {
		.host = config->host,
		.data_addr = config->data_addr,
		.ctrl_addr = config->ctrl_addr,
		.heartbeat_ms = config->heartbeat_ms,
		.slots_max = config->slots_max,
	};
	int error = genl_boot_id(r->genl, &core.boot, err);

	if (error)
		return error;
	r->update = calloc(1, sizeof(*r->update));
	if (!r->update || replica_new(&core, &r->replica))
		return err_set(err, -ENOMEM, "no memory for %u slots",
			       config->slots_max);
	log_skips(r);
	error = tell_backings(r, err);
	if (!error)
		error = tell_records(r, err);
	return error ? error : tell_gates(r, err);
}
