/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One world on a virtual clock: production masters and replicas, model
 * kernels, disks, a network and writers, all driven from one seed. This file
 * is what its parts share; each part says below what it does. Must never read
 * a clock, nor take a random number from anywhere but the seed.
 */
#ifndef BFENCE_SIM_H
#define BFENCE_SIM_H

#include "core/master.h"
#include "core/reload.h"
#include "core/replica.h"
#include "edge/wire.h"

#define SIM_HOSTS_MAX	100
#define SIM_MASTERS	2	/* the master, and one that should not be */
#define SIM_FAULTS_MAX	64
#define SIM_TEXT	400
#define SIM_WRITERS	5	/* lineages that somebody writes with */

#define MS	((uint64_t)1000)		/* the world counts microseconds */

/* --- chance and time (world.c) -------------------------------------------- */

struct rng {
	uint64_t s;
};

/* --- what happens ----------------------------------------------------------- */

enum event_kind {
	EVENT_NONE,
	/* an agent's: they wait while it is stalled, and die with it */
	EVENT_TIMER,
	EVENT_LETTER,
	EVENT_DISK,
	EVENT_NOTIFY,
	EVENT_LIST,
	EVENT_DIAL,
	EVENT_UP,
	EVENT_DOWN,
	/* a kernel's: they wait while the machine is frozen */
	EVENT_LEASE,
	EVENT_GRACE,
	EVENT_OVERDUE,
	EVENT_IO_ARRIVES,
	EVENT_IO_DONE,
	/* the world's */
	EVENT_MARKER,
	EVENT_IO_LANDS,
	EVENT_WRITER,
	EVENT_FAULT,
	EVENT_FAULT_ENDS,
	EVENT_LOOK,
};

struct event {
	uint64_t at;
	uint64_t order;
	enum event_kind kind;
	int node;
	uint32_t life;		/* of the agent, or of the machine */
	uint32_t a;
	uint64_t b;
	void *p;
};

/* --- a disk: one log of frames (disk.c) ---------------------------------------- */

struct disk {
	uint8_t *image;
	uint64_t nr_frames;
	struct store_id store;
	uint64_t first_seq;
	uint64_t next_seq;
	bool closed;		/* a sync has failed */
	bool behind;
	int fail_next;		/* errno of the next sync, once */
	uint32_t slow_ms;
	/* the group in flight */
	bool busy;
	size_t nr_group;
	struct record *group;
	uint8_t *frames;
	uint64_t idle_since;	/* us */
};

/* --- a machine with one agent ---------------------------------------------------- */

struct node {
	bool up;		/* the agent lives */
	bool stalled;		/* it gets no time; its machine does */
	bool frozen;		/* the machine stands still with its clock */
	uint32_t life;		/* of the agent */
	uint32_t boot;		/* of the machine */
	uint64_t rate_ppm;	/* of its clock */
	uint64_t base_us;	/* world's time ... */
	uint64_t local_us;	/* ... at which its clock showed this */
	uint64_t thaw_local_ms;	/* its clock when it was frozen last */
	uint64_t timer_id;
	uint64_t timer_ms;	/* local; 0: none */
	int fuse;		/* actions until it dies, 0: it does not */
	bool fuse_is_reboot;
	struct event *held;
	size_t nr_held;
	size_t held_max;
	struct disk disk;
	struct rng rng;
};

struct conn {
	uint32_t id;
	int host;
	int master;		/* node */
	uint32_t life_master;
	uint32_t life_host;
	bool at_host;		/* up, as the host sees it */
	bool at_master;
	bool greeted;		/* the master has seen its HELLO */
	bool broken;		/* nothing passes any more */
	uint64_t due[2];	/* of the last letter, by direction */
	struct letter *stuck[2];
	struct conn *next;
};

struct letter {
	struct letter *next;
	struct conn *conn;
	bool to_master;
	size_t len;
	uint8_t bytes[];
};

struct host {
	struct replica *replica;
	struct conn *conn;
	int target;		/* node of the master it dials */
	bool cut[2];		/* to the host, to the master */
	uint32_t slow_ms;	/* of its link */
	int port;		/* of its addresses */
	int claims;		/* volume that it lies about, or -1 */
	uint64_t incarnation;	/* its log holds for certain */
	unsigned int nr_fences;	/* that are watched */
};

struct manager {
	struct master *master;
	struct master_config config;
	struct conn *peers[SIM_HOSTS_MAX];
	uint64_t started_ms;	/* local */
	uint64_t heard_ms[SIM_HOSTS_MAX];	/* local, last report, 0: none */
};

/* --- what is kept for judging ------------------------------------------------------ */

struct minted {
	struct lineage lineage;
	struct replica_id primary;
	int host;		/* of the primary, then */
};

struct fence_watch {
	bool runs;
	struct lineage lineage;
	uint64_t until_ms;	/* of the host's clock */
};

/* One slot: what has ever been promised of it. */
struct promise {
	struct lineage durable;	/* floor its log holds for certain */
	struct lineage told;	/* floor that a master has heard of */
	struct lineage proven;	/* the kernel said: nothing older is here */
	struct lineage acked;	/* a master heard: fenced, drained, durable */
	struct lineage authority;	/* of the gate as long as attached */
	struct lineage opened;	/* highest at which it was ever open */
	struct fence_watch fence;
};

struct volume {
	struct volume_id id;
	bool exists;		/* by the newest durable record */
	struct topology topology;
	struct line line;
	struct lineage highest;	/* ever durable */
	struct minted *minted;
	size_t nr_minted;
	size_t minted_max;
	uint64_t fencing_ms;	/* master's clock, since when; 0: it is not */
	struct lineage fencing;
	uint64_t hung_until;	/* us: its I/O does not end */
	int nr_recoveries; /* asked for since it was well */
	bool comes_back;	/* the operator has deleted it to make it anew */
	struct lineage writers[SIM_WRITERS];	/* the newest last */
	int nr_writers;
};

struct io {
	int host;
	uint32_t boot;
	uint32_t vol;
	struct lineage lineage;
	uint64_t seq;
	uint64_t grant;
};

struct ask_watch {
	uint64_t token;
	uint64_t since;		/* us */
	uint32_t life;		/* of the master */
};

/* --- faults (faults.c) ---------------------------------------------------------------- */

enum fault_kind {
	FAULT_NONE,
	FAULT_CUT,
	FAULT_CUT_ONE_WAY,
	FAULT_BREAK,
	FAULT_SLOW_LINK,
	FAULT_KILL_AGENT,
	FAULT_REBOOT,
	FAULT_KILL_MASTER,
	FAULT_REBOOT_MASTER,
	FAULT_STALL,
	FAULT_FREEZE,
	FAULT_FUSE,
	FAULT_FAIL_SYNC,
	FAULT_SLOW_DISK,
	FAULT_HANG,
	FAULT_IO_ERROR,
	FAULT_DETACH,
	FAULT_CLAIM,
	FAULT_CREATE,
	FAULT_DELETE,
	FAULT_RECOVER,
	FAULT_REASSIGN,
	FAULT_DRAIN,
	FAULT_SECOND_MASTER,
	FAULT_DAMAGE,
	FAULT_RESTORE,
	NR_FAULTS,
};

struct fault {
	uint64_t at;		/* us */
	uint64_t ends;		/* us */
	enum fault_kind kind;
	int node;
	uint32_t vol;
	uint64_t arg;
};

struct sim_config {
	uint64_t seed;
	int nr_hosts;		/* 0: the seed chooses */
	int nr_volumes;
	int nr_faults;
	bool trace;
	bool has_mask;
	uint64_t mask;		/* faults that stay */
};

/* Written where the parent sees it. */
struct sim_result {
	bool failed;
	char text[SIM_TEXT];
	uint64_t hash;
	uint64_t end_us;
	uint64_t nr_events;
	uint64_t nr_ios;
	uint64_t nr_landed;
	uint64_t nr_refused;
	uint64_t nr_minted;
	uint64_t nr_letters;
	uint64_t nr_evidence;
	int nr_faults;
};

struct sim {
	struct sim_config config;
	struct sim_result *result;
	uint64_t now;		/* us */
	uint64_t order;
	struct event *queue;
	size_t nr_queue;
	size_t queue_max;
	struct rng rng;		/* of the world's own */
	int nr_hosts;
	uint32_t nr_volumes;
	struct node *nodes;	/* hosts, then masters */
	struct host *hosts;
	struct manager managers[SIM_MASTERS];
	struct kernel **kernels;
	struct volume *volumes;
	struct promise *promises;	/* by host, volume */
	struct conn *conns;
	uint32_t conn_id;
	uint64_t io_seq;
	uint64_t writer_gap_us;
	struct fault faults[SIM_FAULTS_MAX];
	int nr_faults;
	uint64_t last_fault; /* us, when it begins */
	struct disk backup;	/* an older copy of the master's log */
	bool restored;		/* the master's log went back once */
	bool balances; /* primaries are moved for balance */
	uint64_t lease_ms_max;
	uint64_t token;
	struct ask_watch *asks;
	size_t nr_asks;
	size_t asks_max;
	uint32_t look_at;
	bool calm;		/* no fault is on, none will come */
	uint64_t calm_since;
	struct master_update *master_update;
	struct replica_update *replica_update;
	struct message *message;
	uint8_t bytes[WIRE_BYTES_MAX];
};

/* --- world.c ---------------------------------------------------------------------------- */

uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t below);
bool rng_one_in(struct rng *r, uint64_t n);
struct rng rng_seeded(uint64_t seed, uint64_t stream);

void sim_trace(struct sim *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *s, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
void sim_hash(struct sim *s, const void *bytes, size_t len);

void sim_at(struct sim *s, uint64_t at, struct event event);
bool sim_next(struct sim *s, uint64_t until, struct event *ret);

int sim_master_node(const struct sim *s);
struct manager *sim_manager(struct sim *s, int node);
const char *sim_node_name(const struct sim *s, int node);
struct promise *sim_promise(struct sim *s, int host, uint32_t vol);
int sim_volume_index(const struct sim *s, const struct volume_id *id);
int sim_host_index(const struct sim *s, const struct host_id *id);
struct host_id sim_host_id(int host);

/* More hosts than a volume may be on in turn: each has its three. */
bool sim_is_large(const struct sim *s);
struct host_id sim_home(const struct sim *s, uint32_t vol, int i);

struct mono_ms node_now(const struct sim *s, int node);
/* When its clock will show that, if nothing freezes it. */
uint64_t node_when(const struct sim *s, int node, uint64_t local_ms);
void node_boot_clock(struct sim *s, int node);
void node_freeze(struct sim *s, int node, bool frozen);
void node_stall(struct sim *s, int node, bool stalled);
/* Holds back an event of a node that does not run. */
bool node_holds(struct sim *s, const struct event *event);
/* One action of its agent is done: true when that was its last. */
bool node_burns(struct sim *s, int node);
void node_arm(struct sim *s, int node, struct mono_ms at);

/* --- disk.c ------------------------------------------------------------------------------- */

void disk_make(struct sim *s, struct disk *d, uint8_t store, uint64_t nr);
/* What the store says at once: 0, or a negative errno. EVENT_DISK follows. */
int disk_commit(struct sim *s, int node, const struct record *records,
		size_t nr);
/* The answer to the group in flight. */
int disk_done(struct sim *s, int node);
void disk_marker(struct sim *s, int node);
/* The agent is gone, or the machine with its cache. */
void disk_crash(struct sim *s, int node, bool power);
/* Judges the log as a start does; fails the run when it is refused. */
void disk_load(struct sim *s, int node, struct reload *ret);
void disk_append(struct sim *s, int node, const struct record *record);
void disk_copy(struct disk *to, const struct disk *from);
/* Flips a bit in the newest record of the volume; false: it has none. */
bool disk_damage(struct sim *s, int node, const struct volume_id *volume);

/* --- kernel.c ------------------------------------------------------------------------------ */

struct kernel *kernel_new(uint32_t nr_volumes);
void kernel_free(struct kernel *k);
int kernel_do(struct sim *s, int host, const struct kernel_op *op,
	      struct gate_info *ret, const char **ret_reason);
/* False: not attached. */
bool kernel_show(struct sim *s, int host, uint32_t vol, struct gate_info *ret);
/* The same for a judge: nothing is told to anybody. */
bool kernel_peek(struct sim *s, int host, uint32_t vol, struct gate_info *ret);
/* Open, and by its own clock not past its lease. */
bool kernel_serves(struct sim *s, int host, uint32_t vol);
bool kernel_lease_is_clean(const struct sim *s, int host);
/* Of what may still reach the device: none, or its grant's lineage. */
struct lineage kernel_grant(const struct sim *s, int host, uint32_t vol);
/* The grant that lets the I/O in, or 0. */
uint64_t kernel_admit(struct sim *s, int host, uint32_t vol,
		      struct lineage stamp);
void kernel_io_done(struct sim *s, int host, uint32_t vol, uint64_t grant);
void kernel_io_error(struct sim *s, int host, uint32_t vol);
bool kernel_detach(struct sim *s, int host, uint32_t vol);
void kernel_event(struct sim *s, const struct event *event);

/* --- net.c ----------------------------------------------------------------------------------- */

void net_send_to_host(struct sim *s, int master, int host,
		      const struct message *message, bool close);
void net_send_to_master(struct sim *s, int host, const struct message *message);
void net_dial(struct sim *s, int host, uint64_t after_us);
void net_event(struct sim *s, const struct event *event);
void net_cut(struct sim *s, int host, int direction, bool cut);
void net_break(struct sim *s, int host);
/* The host's end goes down by its own doing. */
void net_drop_at_host(struct sim *s, int host, bool tell);
void net_drop_at_master(struct sim *s, int master, int host);
void net_agent_died(struct sim *s, int node);
/* Both ends of the host's connection see the same. */
bool net_is_whole(struct sim *s, int host);

/* --- agent.c, agent_master.c, agent_replica.c --------------------------------------------------------------- */

void master_start(struct sim *s, int node);
void master_feed(struct sim *s, int node, struct master_event event);
void replica_start(struct sim *s, int host);
void replica_feed(struct sim *s, int host, struct replica_event event);
void replica_list(struct sim *s, int host);
void agent_event(struct sim *s, const struct event *event);
void agent_kill(struct sim *s, int node, bool power);
void agent_start(struct sim *s, int node);

/* --- io.c -------------------------------------------------------------------------------------- */

void io_start(struct sim *s);
void io_event(struct sim *s, const struct event *event);
/* A primary has opened: somebody writes with its lineage, for ever. */
void io_add_writer(struct sim *s, uint32_t vol, struct lineage lineage);

/* --- check.c ------------------------------------------------------------------------------------ */

/* The volume's gates beside each other. */
void check_volume(struct sim *s, uint32_t vol);
void check_all(struct sim *s);
void check_attached(struct sim *s, int host, uint32_t vol,
		    struct lineage authority);
void check_authority(struct sim *s, int host, uint32_t vol,
		     const struct gate_info *gate);
void check_op(struct sim *s, int host, const struct kernel_op *op);
void check_told_drained(struct sim *s, int host, uint32_t vol,
			struct lineage lineage);
void check_opened(struct sim *s, int host, uint32_t vol,
		  const struct gate_info *gate);
void check_admitted(struct sim *s, const struct io *io);
void check_landed(struct sim *s, const struct io *io);
void check_floors_durable(struct sim *s, int host, const struct record *records,
			  size_t nr);
void check_floors_loaded(struct sim *s, int host, struct reload *reload);
void check_lines_durable(struct sim *s, int node, const struct record *records,
			 size_t nr);
void check_lines_loaded(struct sim *s, int node, struct reload *reload);
void check_master_heard(struct sim *s, int node, int host,
			const struct message *message);
void check_master_says(struct sim *s, int node, const struct message *message);
void check_replica_hears(struct sim *s, int host,
			 const struct message *message);
void check_replica_says(struct sim *s, int host, const struct message *message);
void check_fences(struct sim *s, int host);
/* Whoever asked is gone, or time was lost: no answer is owed. */
void check_forget_fences(struct sim *s, int host);
void check_answer(struct sim *s, const struct master_answer *answer);
/* The gate is of the host that the primary of its lineage was minted for. A
 * kernel may know a slot by the name that it had in an earlier life. */
bool check_is_primary(const struct sim *s, int host, uint32_t vol,
		      struct lineage lineage);
/* After each step of the master. */
void check_master(struct sim *s, int node);
/* Every volume that exists is open on these hosts, at one line. */
bool check_is_well(struct sim *s, const bool *host_is_down, char *why,
		   size_t size);

/* --- faults.c ------------------------------------------------------------------------------------- */

void faults_make(struct sim *s);
void faults_event(struct sim *s, const struct event *event);
void faults_heal(struct sim *s, int except);
const char *fault_name(enum fault_kind kind);

/* --- operator.c ------------------------------------------------------------ */

void operator_asks(struct sim *s, enum master_event_type type,
		   const struct master_ask *ask);
/* At random, as the fault says. */
void operator_obeys(struct sim *s, const struct fault *f);
void operator_undrains(struct sim *s, int host);
/* What he does about the evidence that asks for one. */
void operator_mends(struct sim *s);

/* --- run.c ------------------------------------------------------------------------------------------ */

/* One world from begin to end. Does not return when an invariant breaks. */
void sim_run(const struct sim_config *config, struct sim_result *result);

#endif
