// SPDX-License-Identifier: GPL-2.0
/*
 * Connections as TCP and TLS give them: each direction in order or not at
 * all, both ends with a view of their own, which may be wrong for long. Every
 * message is bytes on its way. Must never know what a message says, but that
 * a HELLO comes first.
 */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	TO_HOST,
	TO_MASTER
};
enum {
	END_HOST,
	END_MASTER
};

/* --- letters --------------------------------------------------------------------- */

static uint64_t delay_us(struct sim *s, int host)
{
	struct rng *r = &s->nodes[host].rng;
	uint64_t us = 500 + rng_below(r, rng_one_in(r, 20) ? 100 * MS : 8 * MS);

	return us + s->hosts[host].slow_ms * (rng_below(r, 1000) + 1);
}

static void fly(struct sim *s, struct letter *letter)
{
	struct conn *c = letter->conn;
	int direction = letter->to_master ? TO_MASTER : TO_HOST;
	int node = letter->to_master ? c->master : c->host;
	uint64_t at = s->now + delay_us(s, c->host);

	if (at < c->due[direction])
		at = c->due[direction];
	c->due[direction] = at;
	sim_at(s, at,
	       (struct event){ .kind = EVENT_LETTER,
			       .node = node,
			       .life = s->nodes[node].life,
			       .p = letter });
}

static void post(struct sim *s, struct conn *c, bool to_master,
		 const struct message *message)
{
	int len = wire_encode(message, s->bytes, sizeof(s->bytes));
	struct letter *letter;

	if (len <= 0)
		sim_fail(s, "wire: message kind %d is not encoded: %d",
			 (int)message->kind, len);
	letter = malloc(sizeof(*letter) + (size_t)len);
	assert(letter);
	letter->next = NULL;
	letter->conn = c;
	letter->to_master = to_master;
	letter->len = (size_t)len;
	memcpy(letter->bytes, s->bytes, letter->len);
	sim_hash(s, letter->bytes, letter->len);
	s->result->nr_letters++;
	fly(s, letter);
}

/* --- the ends -------------------------------------------------------------------------- */

static void end_learns(struct sim *s, struct conn *c, int end, uint64_t at)
{
	int node = end == END_HOST ? c->host : c->master;

	sim_at(s, at,
	       (struct event){ .kind = EVENT_DOWN,
			       .node = node,
			       .life = end == END_HOST ? c->life_host :
							 c->life_master,
			       .a = (uint32_t)end,
			       .b = 0,
			       .p = c });
}

/* The other end is told, or finds out by silence. */
static void close_other(struct sim *s, struct conn *c, int end)
{
	struct host *h = &s->hosts[c->host];
	struct rng *r = &s->nodes[c->host].rng;
	int direction = end == END_HOST ? TO_HOST : TO_MASTER;
	uint64_t at = s->now + delay_us(s, c->host);

	if (h->cut[TO_HOST] || h->cut[TO_MASTER] || c->broken)
		at = s->now + rng_below(r, 10000 * MS);
	else if (at < c->due[direction])
		at = c->due[direction] + 1;
	end_learns(s, c, end, at);
}

static void forget_at_host(struct sim *s, struct conn *c)
{
	if (!c->at_host)
		return;
	c->at_host = false;
	check_forget_fences(s, c->host);
	if (s->hosts[c->host].conn == c)
		s->hosts[c->host].conn = NULL;
}

static void forget_at_master(struct sim *s, struct conn *c)
{
	struct manager *m = sim_manager(s, c->master);

	c->at_master = false;
	if (m->peers[c->host] == c)
		m->peers[c->host] = NULL;
}

void net_drop_at_host(struct sim *s, int host, bool tell)
{
	struct conn *c = s->hosts[host].conn;

	if (!c)
		return;
	forget_at_host(s, c);
	close_other(s, c, END_MASTER);
	net_dial(s, host, (100 + rng_below(&s->nodes[host].rng, 900)) * MS);
	if (tell)
		replica_feed(s, host,
			     (struct replica_event){ .type = REPLICA_DOWN });
}

/* Sends what is queued, then closes: the down follows. */
void net_drop_at_master(struct sim *s, int master, int host)
{
	struct conn *c = sim_manager(s, master)->peers[host];

	if (!c)
		return;
	close_other(s, c, END_HOST);
	end_learns(s, c, END_MASTER, s->now);
}

static void on_down(struct sim *s, const struct event *event)
{
	struct conn *c = event->p;
	struct manager *m;

	if (event->b && !c->broken && !s->hosts[c->host].cut[TO_HOST] &&
	    !s->hosts[c->host].cut[TO_MASTER])
		return;		/* it was mended in time */
	if (event->a == END_HOST) {
		if (c->at_host)
			net_drop_at_host(s, c->host, true);
		return;
	}
	if (!c->at_master)
		return;
	m = sim_manager(s, c->master);
	close_other(s, c, END_HOST);
	if (m->peers[c->host] != c) {
		forget_at_master(s, c);
		return;
	}
	forget_at_master(s, c);
	master_feed(s, c->master,
		    (struct master_event){ .type = MASTER_DOWN,
					   .host = (uint32_t)c->host });
}

void net_agent_died(struct sim *s, int node)
{
	for (struct conn *c = s->conns; c; c = c->next) {
		if (c->host == node && c->at_host) {
			forget_at_host(s, c);
			close_other(s, c, END_MASTER);
		} else if (c->master == node && c->at_master) {
			forget_at_master(s, c);
			close_other(s, c, END_HOST);
		}
	}
}

/* --- sending ------------------------------------------------------------------------------ */

void net_send_to_host(struct sim *s, int master, int host,
		      const struct message *message, bool close)
{
	struct conn *c = sim_manager(s, master)->peers[host];

	if (!c || !c->at_master)
		return;
	post(s, c, false, message);
	if (close)
		net_drop_at_master(s, master, host);
}

void net_send_to_master(struct sim *s, int host, const struct message *message)
{
	if (s->hosts[host].conn)
		post(s, s->hosts[host].conn, true, message);
}

/* --- receiving ------------------------------------------------------------------------------ */

/* The older connection of the host gives way; it may be half of one. */
static bool greet(struct sim *s, struct conn *c)
{
	struct manager *m = sim_manager(s, c->master);
	struct conn *old = m->peers[c->host];

	if (s->message->kind != MESSAGE_HELLO ||
	    sim_host_index(s, &s->message->hello.host) != c->host)
		return false;
	if (old) {
		forget_at_master(s, old);
		close_other(s, old, END_HOST);
		master_feed(s, c->master,
			    (struct master_event){ .type = MASTER_DOWN,
						   .host = (uint32_t)c->host });
	}
	if (!s->nodes[c->master].up)
		return false;
	c->greeted = true;
	m->peers[c->host] = c;
	master_feed(s, c->master,
		    (struct master_event){ .type = MASTER_UP,
					   .host = (uint32_t)c->host });
	return s->nodes[c->master].up;
}

static void decode(struct sim *s, const struct letter *letter)
{
	int error = wire_decode(letter->bytes, letter->len, s->message);

	if (error)
		sim_fail(s, "wire: what was encoded is refused: %d", error);
}

static void at_master(struct sim *s, struct letter *letter)
{
	struct conn *c = letter->conn;

	if (!c->at_master)
		return;
	decode(s, letter);
	if (!c->greeted && !greet(s, c)) {
		forget_at_master(s, c);
		return;
	}
	if (sim_manager(s, c->master)->peers[c->host] != c)
		return;
	decode(s, letter);
	check_master_heard(s, c->master, c->host, s->message);
	master_feed(s, c->master,
		    (struct master_event){ .type = MASTER_MESSAGE,
					   .host = (uint32_t)c->host,
					   .message = s->message });
}

static void at_host(struct sim *s, struct letter *letter)
{
	struct conn *c = letter->conn;

	if (!c->at_host)
		return;
	decode(s, letter);
	check_replica_hears(s, c->host, s->message);
	replica_feed(s, c->host,
		     (struct replica_event){ .type = REPLICA_MESSAGE,
					     .message = s->message });
}

static void on_letter(struct sim *s, const struct event *event)
{
	struct letter *letter = event->p;
	struct conn *c = letter->conn;
	int direction = letter->to_master ? TO_MASTER : TO_HOST;
	struct letter **at = &c->stuck[direction];

	if (c->broken) {
		free(letter);
		return;
	}
	if (s->hosts[c->host].cut[direction] || *at) {
		while (*at)
			at = &(*at)->next;
		*at = letter;
		return;
	}
	if (letter->to_master)
		at_master(s, letter);
	else
		at_host(s, letter);
	free(letter);
}

bool net_is_whole(struct sim *s, int host)
{
	const struct conn *c = s->hosts[host].conn;

	return c && !c->broken && c->greeted &&
	       sim_manager(s, c->master)->peers[host] == c;
}

/* --- dialling ----------------------------------------------------------------------------------- */

void net_dial(struct sim *s, int host, uint64_t after_us)
{
	sim_at(s, s->now + after_us,
	       (struct event){ .kind = EVENT_DIAL,
			       .node = host,
			       .life = s->nodes[host].life });
}

static void on_dial(struct sim *s, int host)
{
	struct host *h = &s->hosts[host];
	struct node *master = &s->nodes[h->target];
	struct conn *c;

	if (h->conn)
		return;
	if (!master->up || master->stalled || master->frozen ||
	    h->cut[TO_HOST] || h->cut[TO_MASTER]) {
		net_dial(s, host,
			 (100 + rng_below(&s->nodes[host].rng, 900)) * MS);
		return;
	}
	c = calloc(1, sizeof(*c));
	assert(c);
	*c = (struct conn){ .id = ++s->conn_id,
			    .host = host,
			    .master = h->target,
			    .life_master = master->life,
			    .life_host = s->nodes[host].life,
			    .at_host = true,
			    .at_master = true,
			    .next = s->conns };
	s->conns = c;
	h->conn = c;
	sim_at(s, s->now + 2 * delay_us(s, host),
	       (struct event){ .kind = EVENT_UP,
			       .node = host,
			       .life = s->nodes[host].life,
			       .p = c });
}

static void on_up(struct sim *s, const struct event *event)
{
	if (s->hosts[event->node].conn == event->p)
		replica_feed(s, event->node,
			     (struct replica_event){ .type = REPLICA_UP });
}

void net_event(struct sim *s, const struct event *event)
{
	switch (event->kind) {
	case EVENT_LETTER:
		on_letter(s, event);
		break;
	case EVENT_DIAL:
		on_dial(s, event->node);
		break;
	case EVENT_UP:
		on_up(s, event);
		break;
	case EVENT_DOWN:
		on_down(s, event);
		break;
	default:
		break;
	}
}

/* --- faults ---------------------------------------------------------------------------------------- */

static void give_up_later(struct sim *s, struct conn *c, bool unless_mended)
{
	struct rng *r = &s->nodes[c->host].rng;

	for (int end = END_HOST; end <= END_MASTER; end++) {
		uint64_t most = rng_one_in(r, 2) ? 10000 * MS : 300 * MS;

		sim_at(s, s->now + rng_below(r, most),
		       (struct event){ .kind = EVENT_DOWN,
				       .node = end == END_HOST ? c->host :
								 c->master,
				       .life = end == END_HOST ? c->life_host :
								 c->life_master,
				       .a = (uint32_t)end,
				       .b = unless_mended,
				       .p = c });
	}
}

static void release(struct sim *s, struct conn *c, int direction)
{
	struct letter *letter = c->stuck[direction];

	c->stuck[direction] = NULL;
	while (letter) {
		struct letter *next = letter->next;

		letter->next = NULL;
		fly(s, letter);
		letter = next;
	}
}

void net_cut(struct sim *s, int host, int direction, bool cut)
{
	struct host *h = &s->hosts[host];

	if (h->cut[direction] == cut)
		return;
	h->cut[direction] = cut;
	for (struct conn *c = s->conns; c; c = c->next) {
		if (c->host != host || (!c->at_host && !c->at_master))
			continue;
		if (cut)
			give_up_later(s, c, true);
		else
			release(s, c, direction);
	}
}

void net_break(struct sim *s, int host)
{
	for (struct conn *c = s->conns; c; c = c->next) {
		if (c->host != host || c->broken ||
		    (!c->at_host && !c->at_master))
			continue;
		c->broken = true;
		give_up_later(s, c, false);
	}
}
