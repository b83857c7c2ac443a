// SPDX-License-Identifier: GPL-2.0
/*
 * What replica hosts say: links up and down, HELLO, reports, acks. Each goes
 * into the stage that it concerns and marks what has to be looked at. Must
 * never decide, and never know a socket.
 */
#include "master_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 4, 5))) static void
refuse(struct master *m, uint32_t host, struct master_update *update,
       const char *format, ...)
{
	struct master_send *send =
		master_new_send(update, host, MESSAGE_REFUSE);
	char *reason = send->message.refuse.reason;
	va_list args;

	va_start(args, format);
	vsnprintf(reason, MESSAGE_REASON_SIZE, format, args);
	va_end(args);
	send->close = true;
	m->hosts[host].greeted = false;
	master_note(update, "refused host=%s reason=\"%s\"",
		    m->registry.hosts[host].id.s, reason);
}

static void on_hello(struct master *m, uint32_t host, const struct hello *hello,
		     struct master_update *update)
{
	struct welcome *welcome;

	if (hello->version_min > MESSAGE_VERSION_MAX ||
	    hello->version_max < MESSAGE_VERSION_MIN) {
		refuse(m, host, update,
		       "protocol versions %u..%u of the replica and %d..%d of the master have none in common",
		       hello->version_min, hello->version_max,
		       MESSAGE_VERSION_MIN, MESSAGE_VERSION_MAX);
		return;
	}
	if (!store_id_is_none(&hello->master_store) &&
	    !store_id_equal(&hello->master_store, &m->config.store)) {
		refuse(m, host, update,
		       "the replica obeys another authority log than this master's");
		return;
	}
	if (hello->incarnation > m->config.incarnation) {
		refuse(m, host, update,
		       "the replica has seen incarnation %" PRIu64
		       ", this master is only %" PRIu64
		       ": its authority log is an older copy; stop it and run \"bfenced store raise DIR %" PRIu64
		       "\"",
		       hello->incarnation, m->config.incarnation,
		       hello->incarnation);
		return;
	}
	observation_up(&m->observation, host, &hello->boot);
	bridge_host_up(&m->bridge, host);
	m->hosts[host].greeted = true;
	m->hosts[host].sync_due = true;
	m->hosts[host].sync_running = false;
	m->hosts[host].want_inventory = false;
	m->hosts[host].lease_seq = 0;
	welcome =
		&master_new_send(update, host, MESSAGE_WELCOME)->message.welcome;
	welcome->version = MESSAGE_VERSION_MAX;
	welcome->store = m->config.store;
	welcome->incarnation = m->config.incarnation;
	welcome->heartbeat_ms = m->config.heartbeat_ms;
	welcome->lease_ms = m->config.lease_ms;
	master_note(update, "host-up host=%s boot=%s",
		    m->registry.hosts[host].id.s, hello->boot.s);
	master_host_work(m, host);
	master_mark_host(m, host);
}

static void on_report(struct master *m, uint32_t host,
		      const struct report *report, struct mono_ms now,
		      struct master_update *update)
{
	uint32_t changed[MESSAGE_SLOTS_MAX];
	struct host_state *h = &m->hosts[host];
	int nr =
		observation_report(&m->observation, host, report, now, changed);

	if (nr < 0) {
		master_note(update,
			    "dropped host=%s report_seq=%" PRIu64
			    " reason=\"%s\"",
			    m->registry.hosts[host].id.s, report->seq,
			    nr == -ESTALE ? "out of sequence" :
					    "before the inventory");
		return;
	}
	for (int i = 0; i < nr; i++)
		master_mark(m, changed[i]);
	if (!h->fresh || (report->full && report->last))
		master_mark_host(m, host);
	if (!h->fresh)
		master_note(update, "host-fresh host=%s",
			    m->registry.hosts[host].id.s);
	h->fresh = true;
	if (m->observation.hosts[host].digest_differs && !h->want_inventory) {
		h->want_inventory = true;
		h->sync_due = true;
	}
	/* Before its inventory is complete, nobody knows what a lease would
	 * keep alive over there. */
	if (m->observation.hosts[host].complete)
		h->lease_seq = report->seq;
	master_host_work(m, host);
}

static void on_ack(struct master *m, uint32_t host, const struct ack *ack,
		   struct master_update *update)
{
	const struct proof *proof = &ack->proof;
	int vol = registry_find_volume(&m->registry, &proof->volume);
	int slot;

	if (vol < 0)
		return;
	slot = topology_slot_of_host(&m->registry.volumes[vol].topology,
				     &m->registry.hosts[host].id);
	if (slot < 0)
		return;
	master_note(update,
		    "ack command=%s volume=%s replica=%s asked=%" PRIu64
		    ".%" PRIu64 " state=%s drained=%d floor_durable=%d%s%s%s",
		    command_name(ack->kind), proof->volume.s, proof->replica.s,
		    ack->asked.epoch, ack->asked.endpoint_version,
		    gate_state_name(proof->state), proof->drained,
		    proof->floor_durable, ack->error ? " refused=\"" : "",
		    ack->error ? ack->reason : "", ack->error ? "\"" : "");
	if (ack->error)
		bridge_refused(&m->bridge, (uint32_t)vol, slot, ack->error);
	else
		observation_proof(&m->observation, host, proof);
	master_mark(m, (uint32_t)vol);
}

void master_on_message(struct master *m, const struct master_event *event,
		       struct master_update *update)
{
	const struct message *message = event->message;

	if (message->kind == MESSAGE_HELLO) {
		on_hello(m, event->host, &message->hello, update);
		return;
	}
	if (!m->hosts[event->host].greeted) {
		refuse(m, event->host, update, "HELLO comes first");
		return;
	}
	if (message->kind == MESSAGE_REPORT)
		on_report(m, event->host, &message->report, event->now, update);
	else if (message->kind == MESSAGE_ACK)
		on_ack(m, event->host, &message->ack, update);
	else
		refuse(m, event->host, update,
		       "message kind %d is the master's to send",
		       message->kind);
}

void master_on_down(struct master *m, uint32_t host,
		    struct master_update *update)
{
	if (m->hosts[host].greeted)
		master_note(update, "host-down host=%s",
			    m->registry.hosts[host].id.s);
	m->hosts[host].greeted = false;
	observation_down(&m->observation, host);
	bridge_host_up(&m->bridge, host);
}
