// SPDX-License-Identifier: GPL-2.0
/*
 * Who writes: for each lineage that ever had a primary somebody goes on to
 * write with it, to every host of the volume, for ever. Must never know why a
 * gate admits or refuses.
 */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void io_add_writer(struct sim *s, uint32_t vol, struct lineage lineage)
{
	struct volume *v = &s->volumes[vol];

	for (int i = 0; i < v->nr_writers; i++)
		if (!lineage_cmp(v->writers[i], lineage))
			return;
	if (v->nr_writers == SIM_WRITERS) {
		memmove(v->writers, v->writers + 1,
			(SIM_WRITERS - 1) * sizeof(lineage));
		v->nr_writers--;
	}
	v->writers[v->nr_writers++] = lineage;
}

static void again(struct sim *s)
{
	sim_at(s, s->now + 1 + rng_below(&s->rng, 2 * s->writer_gap_us),
	       (struct event){ .kind = EVENT_WRITER });
}

void io_start(struct sim *s)
{
	again(s);
}

static void send(struct sim *s, int host, uint32_t vol, struct lineage lineage)
{
	struct rng *r = &s->rng;
	uint64_t late = rng_one_in(r, 30) ? 1000 * MS : 10 * MS;
	struct io *io = malloc(sizeof(*io));

	assert(io);
	*io = (struct io){ .host = host,
			   .boot = s->nodes[host].boot,
			   .vol = vol,
			   .lineage = lineage,
			   .seq = s->io_seq };
	sim_at(s, s->now + rng_below(r, late),
	       (struct event){ .kind = EVENT_IO_ARRIVES,
			       .node = host,
			       .life = io->boot,
			       .a = vol,
			       .p = io });
}

static void on_writer(struct sim *s)
{
	uint32_t vol = (uint32_t)rng_below(&s->rng, s->nr_volumes);
	const struct volume *v = &s->volumes[vol];
	struct lineage lineage;

	again(s);
	if (!v->nr_writers)
		return;
	lineage = v->writers[rng_below(&s->rng, (uint64_t)v->nr_writers)];
	if (rng_one_in(&s->rng, 2))
		lineage = v->writers[v->nr_writers - 1];
	s->io_seq++;
	if (!sim_is_large(s)) {
		for (int h = 0; h < s->nr_hosts; h++)
			send(s, h, vol, lineage);
		return;
	}
	for (int i = 0; i < REPLICA_SLOTS; i++)
		send(s, sim_host_index(s, &v->topology.slots[i].host), vol,
		     lineage);
}

static void on_arrival(struct sim *s, struct io *io)
{
	const struct volume *v = &s->volumes[io->vol];
	struct rng *r = &s->rng;
	uint64_t at = s->now + 100 + rng_below(r, 10 * MS);

	s->result->nr_ios++;
	if (io->boot == s->nodes[io->host].boot)
		io->grant = kernel_admit(s, io->host, io->vol, io->lineage);
	if (!io->grant) {
		s->result->nr_refused++;
		free(io);
		return;
	}
	check_admitted(s, io);
	if (rng_one_in(r, 60))
		at += rng_below(r, 3000 * MS);
	if (v->hung_until > s->now && at < v->hung_until)
		at = v->hung_until + rng_below(r, 50 * MS);
	sim_at(s, at, (struct event){ .kind = EVENT_IO_LANDS, .p = io });
}

/* The device has it, whatever the machine that sent it does now. */
static void on_landing(struct sim *s, struct io *io)
{
	if (io->boot == s->nodes[io->host].boot) {
		s->result->nr_landed++;
		check_landed(s, io);
		sim_at(s, s->now + rng_below(&s->rng, MS),
		       (struct event){ .kind = EVENT_IO_DONE,
				       .node = io->host,
				       .life = io->boot,
				       .a = io->vol,
				       .b = io->grant });
	}
	free(io);
}

void io_event(struct sim *s, const struct event *event)
{
	if (event->kind == EVENT_WRITER)
		on_writer(s);
	else if (event->kind == EVENT_IO_ARRIVES)
		on_arrival(s, event->p);
	else
		on_landing(s, event->p);
}
