// SPDX-License-Identifier: GPL-2.0
/*
 * The judge of gates, floors and bytes: I1 to I5, I9, I10, I11. It keeps its
 * own account of what was promised, and must never ask an agent for it.
 */
#include "sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGS(l) \
	(unsigned long long)(l).epoch, (unsigned long long)(l).endpoint_version
#define L	"%llu.%llu"

/* Answers wait for notifications and for the log. */
#define FENCE_SLACK_MS	3000

static void raise(struct lineage *to, struct lineage lineage)
{
	if (lineage_cmp(lineage, *to) > 0)
		*to = lineage;
}

/* --- I5: what was minted ------------------------------------------------------------ */

static bool is_minted(const struct volume *v, struct lineage lineage,
		      const struct replica_id *primary)
{
	for (size_t i = v->nr_minted; i--;)
		if (!lineage_cmp(v->minted[i].lineage, lineage) &&
		    (!primary ||
		     replica_id_equal(&v->minted[i].primary, primary)))
			return true;
	return false;
}

static void add_minted(struct sim *s, struct volume *v, const struct line *line)
{
	int slot = topology_slot_of_replica(&v->topology, &line->primary);
	int host = slot < 0 ? -1 :
			      sim_host_index(s, &v->topology.slots[slot].host);

	if (is_minted(v, line->lineage, &line->primary))
		return;
	if (!s->restored && is_minted(v, line->lineage, NULL))
		sim_fail(s, "I5: %s was minted " L " twice, for two primaries",
			 v->id.s, ARGS(line->lineage));
	for (size_t i = 0; i < v->nr_minted && !s->restored; i++)
		if (v->minted[i].lineage.epoch == line->lineage.epoch &&
		    !replica_id_equal(&v->minted[i].primary, &line->primary))
			sim_fail(s, "I5: epoch %llu of %s has two primaries",
				 (unsigned long long)line->lineage.epoch,
				 v->id.s);
	if (v->nr_minted == v->minted_max) {
		v->minted_max = v->minted_max ? 2 * v->minted_max : 8;
		v->minted =
			realloc(v->minted, v->minted_max * sizeof(*v->minted));
		assert(v->minted);
	}
	v->minted[v->nr_minted++] =
		(struct minted){ line->lineage, line->primary, host };
	s->result->nr_minted++;
}

bool check_is_primary(const struct sim *s, int host, uint32_t vol,
		      struct lineage lineage)
{
	const struct volume *v = &s->volumes[vol];

	for (size_t i = v->nr_minted; i--;)
		if (!lineage_cmp(v->minted[i].lineage, lineage) &&
		    v->minted[i].host == host)
			return true;
	return false;
}

void check_authority(struct sim *s, int host, uint32_t vol,
		     const struct gate_info *gate)
{
	struct promise *p = sim_promise(s, host, vol);

	if (lineage_cmp(gate->authority, p->authority) < 0)
		sim_fail(s, "I1: the gate of %s on %s fell from " L " to " L,
			 gate->volume.s, sim_node_name(s, host),
			 ARGS(p->authority), ARGS(gate->authority));
	if (lineage_cmp(gate->authority, p->authority) == 0)
		return;
	p->authority = gate->authority;
	if (!is_minted(&s->volumes[vol], gate->authority,
		       gate->primary.s[0] ? &gate->primary : NULL))
		sim_fail(s,
			 "I5: the gate of %s on %s is at " L
			 " of %s, which is not durable anywhere",
			 gate->volume.s, sim_node_name(s, host),
			 ARGS(gate->authority), gate->primary.s);
}

/* --- I1, I2: gates and floors ----------------------------------------------------------- */

void check_attached(struct sim *s, int host, uint32_t vol,
		    struct lineage authority)
{
	struct promise *p = sim_promise(s, host, vol);

	p->authority = (struct lineage){ 0 };
	if (lineage_cmp(authority, p->durable) < 0)
		sim_fail(s,
			 "I1: %s attaches %s at " L ", its durable floor is " L,
			 sim_node_name(s, host), s->volumes[vol].id.s,
			 ARGS(authority), ARGS(p->durable));
}

void check_opened(struct sim *s, int host, uint32_t vol,
		  const struct gate_info *gate)
{
	struct promise *p = sim_promise(s, host, vol);

	if (lineage_is_none(gate->authority))
		sim_fail(s, "I2: %s opens %s at no lineage",
			 sim_node_name(s, host), gate->volume.s);
	if (lineage_cmp(gate->authority, p->durable))
		sim_fail(s, "I1: %s opens %s at " L ", its durable floor is " L,
			 sim_node_name(s, host), gate->volume.s,
			 ARGS(gate->authority), ARGS(p->durable));
	if (lineage_cmp(gate->authority, p->opened) < 0)
		sim_fail(s, "I10: %s opens %s at " L " after " L,
			 sim_node_name(s, host), gate->volume.s,
			 ARGS(gate->authority), ARGS(p->opened));
	p->opened = gate->authority;
	if (check_is_primary(s, host, vol, gate->authority))
		io_add_writer(s, vol, gate->authority);
}

void check_floors_durable(struct sim *s, int host, const struct record *records,
			  size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct incarnation incarnation;

		if (records[i].kind == RECORD_FLOOR) {
			int v = sim_volume_index(s, &records[i].volume);

			raise(&sim_promise(s, host, (uint32_t)v)->durable,
			      record_floor(&records[i]).lineage);
			continue;
		}
		incarnation = record_incarnation(&records[i]);
		if (incarnation.value < s->hosts[host].incarnation)
			sim_fail(s, "I11: %s goes back to incarnation %llu",
				 sim_node_name(s, host),
				 (unsigned long long)incarnation.value);
		if (!store_id_equal(&incarnation.master,
				    &s->nodes[sim_master_node(s)].disk.store))
			sim_fail(s, "I11: %s obeys a foreign master",
				 sim_node_name(s, host));
		s->hosts[host].incarnation = incarnation.value;
	}
}

static struct lineage loaded_floor(struct sim *s, struct reload *reload,
				   uint32_t vol)
{
	for (size_t i = 1; i < record_table_nr(reload->table); i++) {
		const struct record *r =
			&record_table_at(reload->table, i)->record;

		if (r->kind == RECORD_FLOOR &&
		    volume_id_equal(&r->volume, &s->volumes[vol].id))
			return record_floor(r).lineage;
	}
	return (struct lineage){ 0 };
}

void check_floors_loaded(struct sim *s, int host, struct reload *reload)
{
	for (uint32_t v = 0; v < s->nr_volumes; v++) {
		struct promise *p = sim_promise(s, host, v);
		struct lineage floor = { 0 };

		if (!sim_is_large(s) || !lineage_is_none(p->durable))
			floor = loaded_floor(s, reload, v);
		if (lineage_cmp(floor, p->durable) < 0)
			sim_fail(s,
				 "I1: the floor of %s on %s fell from " L
				 " to " L " by a restart",
				 s->volumes[v].id.s, sim_node_name(s, host),
				 ARGS(p->durable), ARGS(floor));
		p->durable = floor;
	}
}

void check_op(struct sim *s, int host, const struct kernel_op *op)
{
	if (op->incarnation < s->hosts[host].incarnation)
		sim_fail(s, "I11: %s obeys incarnation %llu after %llu",
			 sim_node_name(s, host),
			 (unsigned long long)op->incarnation,
			 (unsigned long long)s->hosts[host].incarnation);
}

/* --- I3: bytes ---------------------------------------------------------------------------- */

void check_told_drained(struct sim *s, int host, uint32_t vol,
			struct lineage lineage)
{
	raise(&sim_promise(s, host, vol)->proven, lineage);
}

static void check_not_older(struct sim *s, const struct io *io,
			    struct lineage than, const char *what)
{
	if (lineage_cmp(io->lineage, than) < 0)
		sim_fail(s, "I3: a byte of " L " reaches %s on %s, %s " L,
			 ARGS(io->lineage), s->volumes[io->vol].id.s,
			 sim_node_name(s, io->host), what, ARGS(than));
}

void check_admitted(struct sim *s, const struct io *io)
{
	sim_hash(s, &io->seq, sizeof(io->seq));
	check_not_older(s, io, sim_promise(s, io->host, io->vol)->acked,
			"admitted after the acknowledged fence at");
}

void check_landed(struct sim *s, const struct io *io)
{
	const struct promise *p = sim_promise(s, io->host, io->vol);

	check_not_older(s, io, p->acked, "after the acknowledged fence at");
	check_not_older(s, io, p->proven, "after the kernel's proof at");
	check_not_older(s, io, p->opened, "after it was open at");
}

/* --- I4: beside each other ------------------------------------------------------------------ */

/* Slots on which something older than a primary's lineage may yet land. */
static int nr_older(const struct sim *s, uint32_t vol, struct lineage lineage)
{
	const struct topology *t = &s->volumes[vol].topology;
	int nr = 0;

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		int host = sim_host_index(s, &t->slots[i].host);
		struct lineage grant;

		if (host < 0)
			continue;
		grant = kernel_grant(s, host, vol);
		nr += !lineage_is_none(grant) &&
		      lineage_cmp(grant, lineage) < 0;
	}
	return nr;
}

void check_volume(struct sim *s, uint32_t vol)
{
	const char *name = s->volumes[vol].id.s;
	int first = -1;

	for (int h = 0; h < s->nr_hosts; h++) {
		struct gate_info g;

		if (!kernel_serves(s, h, vol) || !kernel_peek(s, h, vol, &g) ||
		    !check_is_primary(s, h, vol, g.authority))
			continue;
		if (nr_older(s, vol, g.authority) >= FENCE_QUORUM)
			sim_fail(s,
				 "I4: beside the primary of %s at " L
				 " on %s an older lineage finds a majority",
				 name, ARGS(g.authority), sim_node_name(s, h));
		if (!g.leased || !kernel_lease_is_clean(s, h))
			continue;
		if (first >= 0)
			sim_fail(s, "I4: %s has two primaries, on %s and on %s",
				 name, sim_node_name(s, first),
				 sim_node_name(s, h));
		first = h;
	}
}

void check_all(struct sim *s)
{
	for (uint32_t v = 0; v < s->nr_volumes; v++)
		check_volume(s, v);
}

/* --- I9: fences are answered -------------------------------------------------------------------- */

static void watch_end(struct sim *s, int host, struct fence_watch *w)
{
	if (!w->runs)
		return;
	w->runs = false;
	s->hosts[host].nr_fences--;
}

void check_forget_fences(struct sim *s, int host)
{
	for (uint32_t v = 0; v < s->nr_volumes && s->hosts[host].nr_fences; v++)
		watch_end(s, host, &sim_promise(s, host, v)->fence);
}

void check_replica_hears(struct sim *s, int host, const struct message *message)
{
	const struct command *c = &message->command;
	struct fence_watch *w;
	int vol;

	if (message->kind != MESSAGE_COMMAND || c->kind != COMMAND_FENCE)
		return;
	vol = sim_volume_index(s, &c->volume);
	w = &sim_promise(s, host, (uint32_t)vol)->fence;
	if (w->runs && !lineage_cmp(w->lineage, c->lineage))
		return;
	s->hosts[host].nr_fences += !w->runs;
	*w = (struct fence_watch){ .runs = true,
				   .lineage = c->lineage,
				   .until_ms = node_now(s, host).v +
					       c->drain_ms + FENCE_SLACK_MS };
}

static void check_ack(struct sim *s, int host, const struct ack *ack)
{
	int vol = sim_volume_index(s, &ack->proof.volume);
	struct promise *p = sim_promise(s, host, (uint32_t)vol);
	const struct proof *proof = &ack->proof;
	bool done = proof->drained && proof->floor_durable;

	if (proof->floor_durable && lineage_cmp(proof->lineage, p->durable) > 0)
		sim_fail(s,
			 "I1: %s acknowledges the floor " L
			 " of %s, durable is " L,
			 sim_node_name(s, host), ARGS(proof->lineage),
			 proof->volume.s, ARGS(p->durable));
	if (!ack->error && done)
		raise(&p->acked, proof->lineage);
	if (ack->kind == COMMAND_FENCE &&
	    (ack->error || done || proof->state == GATE_QUARANTINED) &&
	    lineage_cmp(ack->asked, p->fence.lineage) >= 0)
		watch_end(s, host, &p->fence);
}

static void check_fact(struct sim *s, int host, const struct slot_fact *fact)
{
	int vol = sim_volume_index(s, &fact->volume);
	struct promise *p = sim_promise(s, host, (uint32_t)vol);

	if (lineage_cmp(fact->floor, p->durable) > 0)
		sim_fail(s,
			 "I1: %s reports the floor " L " of %s, durable is " L,
			 sim_node_name(s, host), ARGS(fact->floor),
			 fact->volume.s, ARGS(p->durable));
	raise(&p->told, fact->floor);
	if ((fact->state == GATE_CLOSED || fact->state == GATE_OPEN) &&
	    !lineage_cmp(fact->authority, fact->floor))
		raise(&p->acked, fact->floor);
}

void check_replica_says(struct sim *s, int host, const struct message *message)
{
	if (message->kind == MESSAGE_ACK)
		check_ack(s, host, &message->ack);
	if (message->kind != MESSAGE_REPORT)
		return;
	for (uint32_t i = 0; i < message->report.nr_slots; i++)
		check_fact(s, host, &message->report.slots[i]);
}

void check_fences(struct sim *s, int host)
{
	uint64_t now = node_now(s, host).v;

	for (uint32_t v = 0; v < s->nr_volumes && s->hosts[host].nr_fences;
	     v++) {
		struct fence_watch *w = &sim_promise(s, host, v)->fence;

		/* Overtaken, or of a volume that is not any more. */
		if (lineage_cmp(w->lineage, s->volumes[v].line.lineage))
			watch_end(s, host, w);
		if (w->runs && now > w->until_ms)
			sim_fail(s,
				 "I9: %s has not answered the fence of %s at " L,
				 sim_node_name(s, host), s->volumes[v].id.s,
				 ARGS(w->lineage));
	}
}

/* --- I1, I5: lines -------------------------------------------------------------------------------- */

static void take_line(struct sim *s, struct volume *v,
		      const struct record *record)
{
	bool existed = v->exists;

	v->exists = record->kind == RECORD_VOLUME;
	if (v->exists && !existed)
		v->comes_back = false;
	if (!v->exists) {
		if (!s->restored &&
		    record_floor_epoch(record) < v->highest.epoch)
			sim_fail(s,
				 "I1: %s ends with floor epoch %llu after " L,
				 v->id.s,
				 (unsigned long long)record_floor_epoch(record),
				 ARGS(v->highest));
		v->line = (struct line){ 0 };
		return;
	}
	v->topology = record_topology(record);
	v->line = record_line(record);
	if (lineage_is_none(v->line.lineage))
		return;
	add_minted(s, v, &v->line);
	raise(&v->highest, v->line.lineage);
}

void check_lines_durable(struct sim *s, int node, const struct record *records,
			 size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const struct record *r = &records[i];
		struct volume *v;
		struct lineage lineage;

		if (r->kind != RECORD_VOLUME && r->kind != RECORD_TOMBSTONE)
			continue;
		v = &s->volumes[sim_volume_index(s, &r->volume)];
		lineage = r->kind == RECORD_VOLUME ? record_line(r).lineage :
						     (struct lineage){ 0 };
		if (node != sim_master_node(s)) {
			sim_fail(s, "I11: the second master writes %s at " L,
				 v->id.s, ARGS(lineage));
		}
		if (!lineage_is_none(lineage) && !s->restored &&
		    lineage_cmp(lineage, v->highest) <= 0)
			sim_fail(s, "I1: %s is minted " L " after " L, v->id.s,
				 ARGS(lineage), ARGS(v->highest));
		take_line(s, v, r);
	}
}

static void check_line_loaded(struct sim *s, struct volume *v,
			      const struct record_entry *e)
{
	struct lineage was = v->line.lineage;

	if (e->damaged) {
		v->exists = true;
		v->line = (struct line){ 0 };
		return;
	}
	take_line(s, v, &e->record);
	if (v->exists && !s->restored &&
	    lineage_cmp(v->line.lineage, was) < 0 &&
	    !lineage_is_none(v->line.lineage))
		sim_fail(s, "I1: %s comes back at " L ", durable was " L,
			 v->id.s, ARGS(v->line.lineage), ARGS(was));
}

void check_lines_loaded(struct sim *s, int node, struct reload *reload)
{
	bool *seen = calloc(s->nr_volumes, sizeof(*seen));

	assert(seen);
	for (uint32_t v = 0; v < s->nr_volumes; v++)
		s->volumes[v].fencing_ms = 0;
	for (size_t i = 1;
	     i < record_table_nr(reload->table) && node == sim_master_node(s);
	     i++) {
		const struct record_entry *e =
			record_table_at(reload->table, i);
		int vol = sim_volume_index(s, &e->record.volume);

		if (e->record.kind == RECORD_UNSPEC && !e->damaged)
			continue;
		seen[vol] = true;
		check_line_loaded(s, &s->volumes[vol], e);
	}
	for (uint32_t v = 0; v < s->nr_volumes && node == sim_master_node(s);
	     v++) {
		if (seen[v] || !s->volumes[v].exists)
			continue;
		if (!s->restored)
			sim_fail(s, "I1: %s is lost by a restart",
				 s->volumes[v].id.s);
		s->volumes[v].exists = false;
		s->volumes[v].line = (struct line){ 0 };
	}
	free(seen);
}

void check_master_says(struct sim *s, int node, const struct message *message)
{
	const struct command *c = &message->command;
	int vol;

	(void)node;
	if (message->kind != MESSAGE_COMMAND || c->kind == COMMAND_CLOSE)
		return;
	vol = sim_volume_index(s, &c->volume);
	if (!is_minted(&s->volumes[vol], c->lineage, &c->primary))
		sim_fail(s,
			 "I5: %s is commanded at " L
			 " of %s, which is not durable",
			 c->volume.s, ARGS(c->lineage), c->primary.s);
}
