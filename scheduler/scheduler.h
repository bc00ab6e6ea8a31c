/* The scheduler's state, shared by the files of this folder and by nothing else. scheduler.c is the page to read first.
 *
 * One thread, one loop (and one short-lived helper while topics are made, topics.c). Two connections: `quick` carries the relay and
 * what becomes due, which people wait for; `slow` carries the rest. Every task is one guarded statement that may run on any number of
 * hosts at once, so nothing here elects anybody or remembers what it couldn't read again. */
#pragma once

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/evidence.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/text.h"
#include "lib/channel/channel.h"
#include "lib/config/config.h"
#include "lib/kafka/producer.h"
#include "lib/ledger/ledger.h"
#include "scheduler/task.h"

#include <stdbool.h>

struct death;
struct leases;
struct reaper;
struct relay;
struct topics;

/* Tasks that are nothing but a statement and its rhythm. The relay and the reaper have their own. */
enum plain_task { TASK_DUE, TASK_SWEEP, TASK_PEEK, TASK_FOLD, TASK_UPKEEP, TASK_TYPES, TASK_LOST, PLAIN_TASKS };

struct scheduler {
    struct hx_loop *loop;
    const struct hx_config *config;
    struct hx_channel *channel; /* to the supervisor; NULL when run alone */
    struct hx_evidence *evidence;
    struct hx_uuid incarnation;
    bool has_incarnation; /* a supervisor gave it: earlier ones of this host and instance are gone */
    const char *instance;
    int slot;
    char *label; /* "host/instance/slot" */
    int exit_code;

    struct hx_pg *quick, *slow;
    bool lost;             /* PostgreSQL: said so, and not yet that it is back */
    bool checked, started; /* the schema is right; and nobody is left to be reaped: the tasks run */
    bool ending, leaving;  /* TERM came; the loop is over */
    bool without_kafka;    /* the supervisor was told so */

    struct hx_timer *pulse, *heartbeat, *end_timer;
    struct task *begin[2]; /* start.c's steps */
    struct task *tasks[PLAIN_TASKS];
    struct relay *relay;
    struct reaper *reaper;
    struct leases *leases;
    struct topics *topics;
    struct hx_uuid peeked; /* sweep.c: how far the look ahead has come; zero: from the sweep's position */
    uint64_t relayed, woken, swept, reaped; /* since the start, for the heartbeat */
};

/* Runs the scheduler until it is told to stop. The exit code. */
int scheduler_run(struct scheduler *s);
/* True after scheduler_run when a helper thread is still at work: the process must end without freeing what it reads. */
bool scheduler_has_helper(const struct scheduler *s);
void scheduler_leave(struct scheduler *s, int exit_code);
/* Tells the supervisor that nothing goes on without the server of that connection. */
void scheduler_waits(struct scheduler *s, struct hx_pg *pg, const struct hx_pg_error *why);
/* Nobody is left to be reaped: the tasks begin, and the supervisor hears that we are ready. */
void scheduler_started(struct scheduler *s);
/* The supervisor's end of the channel: deaths, or its own. */
void scheduler_heard(struct hx_channel *channel, const json_t *message, int fd, void *user);

/* start.c: is the schema ours; who was left behind by an earlier run of this fleet. */
void start_begin(struct scheduler *s);
/* due.c, sweep.c, fold.c, upkeep.c, lost.c, topics.c */
extern const struct task_kind due_kind, sweep_kind, peek_kind, fold_kind, upkeep_kind, lost_kind, types_kind;

/* relay.c: from the outbox to Kafka. 0, or -EINVAL with *reterr for a property that librdkafka refuses. */
int relay_new(struct scheduler *s, struct relay **ret, struct hx_kafka_error *reterr);
struct relay *relay_free(struct relay *r);
void relay_open(struct relay *r); /* the topics are there, or can't be made now: it may begin */
void relay_soon(struct relay *r);
bool relay_idle(const struct relay *r);               /* nothing on its way, nothing to be written down */
bool relay_silent(const struct relay *r);             /* Kafka doesn't answer */
bool relay_cut_off(struct relay *r);                  /* it has lost its connections to Kafka since the last call */
void relay_topic(struct relay *r, const char *topic); /* there is such a topic: look it up ahead of its first record */

/* reaper.c: takes the death over. */
struct reaper *reaper_new(struct scheduler *s);
struct reaper *reaper_free(struct reaper *r);
void reaper_add(struct reaper *r, struct death *death);
void reaper_soon(struct reaper *r);
bool reaper_idle(const struct reaper *r);

/* topics.c */
int topics_new(struct scheduler *s, struct topics **ret);
struct topics *topics_free(struct topics *t);    /* NULL, or t while its helper still runs */
void topics_doubt(struct topics *t);             /* a delivery failed: are they still there? */
void topics_look(struct topics *t);              /* makes what is missing now, if nobody is at it */
bool topics_unreachable(const struct topics *t); /* the last look for them found no broker */

/* librdkafka's options from the configuration; what they point to is the configuration's. */
struct hx_kafka_options scheduler_kafka(const struct scheduler *s, const char *client_id);
