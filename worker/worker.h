/* The worker's state, shared by the files of this folder and by nothing else. worker.c is the page to read first.
 *
 * One thread, one loop. Two connections: `work` carries claims and completions, two transactions in flight at most: one that the
 * server works on and one that it finds when it is done. What gathers meanwhile makes the next batch; `side` carries everything that must not wait behind them: the lease,
 * cancellations, rows taken straight from `waiting`. */
#pragma once

#include "common/allowance.h"
#include "common/clock.h"
#include "common/evidence.h"
#include "common/failpoint.h"
#include "common/hidden.h"
#include "common/log.h"
#include "common/exit_codes.h"
#include "common/loop.h"
#include "common/text.h"
#include "lib/channel/channel.h"
#include "lib/config/config.h"
#include "lib/kafka/consumer.h"
#include "lib/kafka/progress.h"
#include "lib/ledger/ledger.h"
#include "worker/backlog.h"
#include "worker/handler.h"

struct aside;   /* aside.h: what is being put aside */
struct cgroups; /* cgroup.h: those of runs */
struct claim;   /* claim.h: one claim row of ours */
struct held;    /* alone.h: a run kept back until nothing runs beside it */
struct run;     /* run.h: one job of ours, from its claim to its committed outcome */

/* Rows of `waiting` for one kind of handlers, builtins or those that take a slot. */
struct taking {
    size_t asked; /* rows asked for by the transaction in flight */
    int statement;
    bool more;              /* the last one brought all it asked for */
    bool turned;            /* a run of the kind ended since the last share */
    int64_t shared_boot_ms; /* when a worker without room last asked for its share */
};

struct worker {
    struct hx_loop *loop;
    const struct hx_config *config;
    struct hx_channel *channel; /* to the supervisor; NULL when run alone */
    struct hx_evidence *evidence;
    struct hx_uuid incarnation;
    const char *instance;
    int slot;
    int32_t id;  /* row in `worker`, 0 before registration */
    char *label; /* "host/instance/slot", as events and logs name this worker */
    int exit_code;

    struct handlers *handlers;
    struct backlog *backlog;      /* candidates: announced or taken, not claimed yet */
    struct hx_consumer *consumer; /* NULL until registered, and when Kafka's configuration is refused */
    struct hx_progress *progress;
    bool paused;  /* fetching is paused: the backlog is full */
    bool clogged; /* all slots were taken for so long that candidates were parked; none has ended since */
    struct aside *asides;
    size_t aside_count;
    size_t parking; /* candidates on their way into `waiting` */

    struct hx_pg *work, *side;
    unsigned flights;    /* its transactions in flight (flight.h) */
    unsigned doubts;     /* COMMITs that nobody has confirmed: they are asked for before anything else is sent */
    bool claims_skipped; /* the next transaction carries outcomes only */
    struct hx_timer *work_pause; /* armed: after a failure, nothing is sent until it fires */
    unsigned work_failures;

    struct run *runs; /* all runs, a doubly linked list in order of claim */
    size_t run_count;
    uint64_t programs;                       /* started so far */
    uint64_t mark;                           /* of this worker, for the processes of its runs */
    struct cgroups *cgroups;                 /* NULL: runs have none */
    struct hx_hidden *credentials;           /* that systemd gave to this service, not to programs; NULL: none */
    struct strays *strays;                   /* stray.c: children that came to us from handlers */
    bool strays_due;                         /* a handler or one of them ended: there may be more */
    size_t builtin_running, slots_running;   /* claimed and not ended */
    size_t builtin_claiming, slots_claiming; /* asked for by a claim in flight */
    struct run *alone;                       /* it runs by itself */
    struct held *held;                       /* in order of claim */
    size_t held_count;
    struct run *ended_head, *ended_tail; /* ended, outcome not sent yet, in order */
    size_t ended_count;
    size_t messages;       /* progress events not committed yet */
    bool telling;          /* a flight carries some */
    int audit;             /* audit.c: how far it is */
    size_t adopting;       /* claims that it found, on their way */
    struct hx_uuid *spent; /* tokens of claims whose last job is completed and whose row is still there */
    size_t spent_count;
    char *plain_detail;   /* the event detail of a builtin's plain success */
    size_t outcome_limit; /* how many outcomes the next transaction may carry: halved to find a bad value */
    size_t tell_singly;   /* so many progress events go alone, because there may be a bad value among them */

    struct hx_timer *take_timer, *renew_timer, *signal_timer, *heartbeat, *drain_timer, *pulse, *tasks_timer;
    bool take_busy, renew_busy, signal_busy;
    struct taking take[2]; /* [builtin] */
    /* CLOCK_BOOTTIME when the last renewal that committed was sent (its answer may have waited for us, while others saw the counter
     * stand still), and when the one in flight was. */
    int64_t renewed_boot_ms, renewing_boot_ms;
    int64_t lease_told_ms, lease_ms; /* a shorter one than configured, and that it is kept to; 0: none */
    unsigned renewals;
    bool lapsed;      /* said that the lease has run out */
    int64_t heard_ms; /* hx_mono_ms when PostgreSQL last answered */
    bool registered, draining, cut_short, hurried, signing_off, leaving;
    uint64_t done; /* outcomes committed */
};

/* Jobs a claim of builtin handlers takes at most, and exec and HTTP jobs at once. */
size_t worker_batch(const struct worker *w);
size_t worker_slots(const struct worker *w);
/* Ends the loop with the code; what runs is killed and left to the evidence. */
void worker_leave(struct worker *w, int exit_code);
/* Runs the worker until it is told to stop. The exit code. */
int worker_run(struct worker *w);

/* poll.c: what Kafka announced goes into the backlog. */
void worker_poll(struct worker *w);
/* Starts the consumer. -EINVAL with *reterr: a property that librdkafka refuses. */
int worker_consume(struct worker *w, struct hx_kafka_error *reterr);
void worker_settle_candidates(struct worker *w, struct candidate *c, size_t n); /* their records may move on */
/* take.c: due rows straight from PostgreSQL. */
void worker_take_start(struct worker *w);
void worker_take_soon(struct worker *w);
void worker_take_turn(struct worker *w, bool builtin); /* a run of that kind ended */
/* park.c: gives back what found no slot for too long. To be called about once a second. */
void worker_park(struct worker *w);
/* lease.c */
void worker_register(struct worker *w);
/* Tells the supervisor that nothing starts here without PostgreSQL, and why it is so. */
void worker_waits(struct worker *w, const char *detail);
void worker_lease_start(struct worker *w);
/* Others will expect signs of life as often as this lease needs. Never makes it longer. */
void worker_lease_shorten(struct worker *w, int64_t lease_ms);
/* False: for a whole lease nobody may have heard of us. Others may have our jobs by now, so nothing new is started. */
bool worker_lease_held(const struct worker *w);
/* drain.c */
/* Claims nothing more, and ends when what runs has come to its end, however long that takes. */
void worker_retire(struct worker *w);
/* The same, within supervisor.drain_timeout. A time that was set stays; worker_drain_within sets another. */
void worker_drain(struct worker *w);
void worker_drain_within(struct worker *w, int64_t timeout_ms);
/* The same, without waiting for what runs, nor for jobs.kill_grace: it is killed now. */
void worker_hurry(struct worker *w);
void worker_drain_step(struct worker *w);
