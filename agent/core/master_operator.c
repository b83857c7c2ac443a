// SPDX-License-Identifier: GPL-2.0
/*
 * What operators ask for: a volume, its end. Each ask is taken to the
 * publisher and answered when its fate is durable, or refused with one
 * sentence. Must never mint, and never know how an ask came here.
 */
#include "master_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINEAGE_SIZE	44

/* --- answers ------------------------------------------------------------------ */

void master_answer(struct master_update *update, uint64_t token, int error,
		   const char *format, ...)
{
	struct master_answer *a = &update->answers[update->nr_answers++];
	va_list args;

	a->token = token;
	a->error = error;
	va_start(args, format);
	vsnprintf(a->text, sizeof(a->text), format, args);
	va_end(args);
}

void master_answer_durable(struct master *m, uint32_t vol, int error,
			   struct master_update *update)
{
	struct volume_state *v = &m->volumes[vol];

	if (!v->token || update->nr_answers > MASTER_PERSIST_MAX)
		return;
	if (error)
		master_answer(
			update, v->token, error,
			"volume %s: the authority log refused the write (errno %d) and is closed",
			master_volume_name(m, vol), -error);
	else
		master_answer(update, v->token, 0, "volume %s: done",
			      master_volume_name(m, vol));
	v->token = 0;
	v->recover.waits = false;
}

static int error_of(enum ask_refusal refusal)
{
	switch (refusal) {
	case ASK_TAKEN:
		return 0;
	case ASK_NO_VOLUME:
		return -ENOENT;
	case ASK_STORE_CLOSED:
		return -EROFS;
	case ASK_BUSY:
	case ASK_NO_ROOM:
		return -EBUSY;
	case ASK_NO_CHANGE:
	case ASK_MALFORMED:
	case ASK_ALREADY_BOUND:
	case ASK_NOT_BOUND:
	case ASK_NOT_HOLDER:
	case ASK_LINE_MOVED:
	case ASK_QUARANTINED:
	case ASK_REGRESSED:
	case ASK_SOUND:
	case ASK_EXHAUSTED:
		break;
	}
	return -ESTALE;
}

static const char *lineage_text(struct lineage l, char text[LINEAGE_SIZE])
{
	if (lineage_is_none(l))
		return "no line";
	snprintf(text, LINEAGE_SIZE, "the line %" PRIu64 ".%" PRIu64, l.epoch,
		 l.endpoint_version);
	return text;
}

void master_answer_refusal(struct master *m, uint32_t vol,
			   enum ask_refusal refusal, struct lineage expected,
			   struct master_update *update)
{
	struct volume_state *v = &m->volumes[vol];
	const struct line *line = publisher_line(m->publisher, vol);
	char has[LINEAGE_SIZE], asked[LINEAGE_SIZE];

	if (refusal == ASK_LINE_MOVED)
		master_answer(update, v->token, -ESTALE,
			      "volume %s has %s, the ask expects %s",
			      master_volume_name(m, vol),
			      lineage_text(line->lineage, has),
			      lineage_text(expected, asked));
	else
		master_answer(update, v->token, error_of(refusal),
			      "volume %s: %s", master_volume_name(m, vol),
			      ask_refusal_name(refusal));
	v->token = 0;
}

int master_find_asked(const struct master *m, const struct master_ask *ask,
		      struct master_update *update)
{
	int vol = registry_find_volume(&m->registry, &ask->volume);

	if (vol < 0 || (!publisher_exists(m->publisher, (uint32_t)vol) &&
			!m->registry.volumes[vol].corrupt)) {
		master_answer(update, ask->token, -ENOENT,
			      "volume %s is unknown", ask->volume.s);
		return -1;
	}
	if (m->volumes[vol].token) {
		master_answer(update, ask->token, -EBUSY,
			      "volume %s: an earlier ask for it is not answered yet",
			      ask->volume.s);
		return -1;
	}
	return vol;
}

/* --- create --------------------------------------------------------------------- */

bool master_hosts_refused(const struct master *m, const struct master_ask *ask,
			  struct master_update *update)
{
	const struct host_id *hosts = ask->hosts;

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		int at = registry_find_host(&m->registry, &hosts[i]);

		if (at < 0 || !m->registry.hosts[at].configured) {
			master_answer(
				update, ask->token, -ENOENT,
				"host %s is unknown: it has no key on this master",
				hosts[i].s);
			return true;
		}
		for (int j = 0; j < i; j++) {
			if (!host_id_equal(&hosts[i], &hosts[j]))
				continue;
			master_answer(
				update, ask->token, -EINVAL,
				"host %s is named twice: three slots need three hosts",
				hosts[i].s);
			return true;
		}
	}
	return false;
}

static bool is_taken(const struct topology *t, const struct replica_id *id)
{
	return topology_slot_of_replica(t, id) >= 0;
}

struct topology master_topology_of(const struct master_ask *ask,
				   const struct topology *before)
{
	struct topology t = { .guard = ask->guard };
	struct replica_id next;

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		int held =
			before ? topology_slot_of_host(before, &ask->hosts[i]) :
				 -1;

		t.slots[i].host = ask->hosts[i];
		if (held >= 0)
			t.slots[i].replica = before->slots[held].replica;
	}
	for (int i = 0, nr = 1; i < REPLICA_SLOTS; i++) {
		if (t.slots[i].replica.s[0])
			continue;
		do {
			memset(&next, 0, sizeof(next));
			snprintf(next.s, sizeof(next.s), "r%d", nr++);
		} while (is_taken(&t, &next));
		t.slots[i].replica = next;
	}
	return t;
}

static void refuse_create(const struct master *m, const struct master_ask *ask,
			  int error, struct master_update *update)
{
	if (error == -EEXIST)
		master_answer(update, ask->token, error,
			      "volume %s exists already", ask->volume.s);
	else
		master_answer(
			update, ask->token, error,
			"volume %s: no room, volumes_max = %u is reached; %u of them are deleted, but a name that had an epoch is kept",
			ask->volume.s, m->registry.volumes_max,
			m->registry.nr_deleted);
}

void master_on_create(struct master *m, const struct master_event *event,
		      struct master_update *update)
{
	const struct master_ask *ask = &event->ask;
	int vol = registry_find_volume(&m->registry, &ask->volume);
	const struct topology topology =
		master_topology_of(ask,
				   vol < 0 ?
					   NULL :
					   &m->registry.volumes[vol].topology);

	if (master_hosts_refused(m, ask, update))
		return;
	if (publisher_is_closed(m->publisher)) {
		master_answer(update, ask->token, -EROFS, "volume %s: %s",
			      ask->volume.s,
			      ask_refusal_name(ASK_STORE_CLOSED));
		return;
	}
	if (!publisher_has_room(m->publisher)) {
		master_answer(update, ask->token, -EBUSY, "volume %s: %s",
			      ask->volume.s, ask_refusal_name(ASK_NO_ROOM));
		return;
	}
	vol = registry_add_volume(&m->registry, &ask->volume, &topology,
				  event->now);
	if (vol < 0) {
		refuse_create(m, ask, vol, update);
		return;
	}
	publisher_create(m->publisher, (uint32_t)vol);
	m->volumes[vol].token = ask->token;
}

/* --- delete --------------------------------------------------------------------- */

void master_on_delete(struct master *m, const struct master_event *event,
		      struct master_update *update)
{
	const struct master_ask *ask = &event->ask;
	int at = master_find_asked(m, ask, update);
	uint32_t vol = (uint32_t)at;
	struct lineage expected = ask->expected;
	enum ask_refusal refusal;

	if (at < 0)
		return;
	if (m->registry.volumes[vol].corrupt && !ask->any_line) {
		master_answer(
			update, ask->token, -ESTALE,
			"volume %s: its record is damaged, so nobody knows its line: recover it, or delete it whatever its line is",
			ask->volume.s);
		return;
	}
	if (ask->any_line)
		expected = publisher_line(m->publisher, vol)->lineage;
	m->volumes[vol].token = ask->token;
	refusal = publisher_delete(m->publisher, vol, expected,
				   m->observation.highest[vol]);
	if (refusal)
		master_answer_refusal(m, vol, refusal, expected, update);
	else
		master_note(update, "delete volume=%s uid=%u", ask->volume.s,
			    ask->uid);
}
