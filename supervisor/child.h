/* One slot of the fleet: the process in it, if any, and when the next one comes. */
#pragma once

#include "common/evidence.h"
#include "common/text.h"
#include "lib/channel/channel.h"
#include "supervisor/cgroups.h"
#include "supervisor/death.h"
#include "supervisor/launch.h"
#include "supervisor/machine.h"
#include "supervisor/output.h"
#include "supervisor/roles.h"

struct child;

/* What children share, and who hears of them. A callback may raise any event on any child. */
struct child_host {
    struct hx_loop *loop;
    const struct launch *launch;
    const struct cgroups *cgroups;                      /* or NULL */
    uint64_t setup;                                     /* a number for the configuration that launch hands over */
    int64_t backoff_max_ms;                             /* the longest pause before a restart */
    int64_t drain_ms;                                   /* from TERM to KILL of a role that drains */
    int64_t drain_timeout_ms;                           /* of that, what runs has to finish by itself */
    int64_t hurry_ms;                                   /* to KILL of one that was told to hurry */
    int64_t still_ms;                                   /* a pulse that stands still for this long is a death */
    void (*on_start)(struct child *child, void *user);  /* it has a process */
    void (*on_change)(struct child *child, void *user); /* ready, waiting, or neither any more */
    void (*on_answer)(struct child *child, int64_t death, void *user);
    void (*on_channel_end)(const struct hx_channel *channel, void *user);
    void (*on_death)(struct child *child, struct death *death, void *user); /* takes death over */
    void *user;
};

/* Whether a child is its slot's. While one configuration follows another, a slot has two or more. */
enum child_place {
    CHILD_IN_PLACE,
    CHILD_COMING,  /* it is to take the place, or so we hope */
    CHILD_LEAVING, /* another one has, or there is no such slot any more */
};

/* Read by everyone, written by child.c, but for host and place: fleet.c's. */
struct child {
    const struct child_host *host;
    enum child_place place;
    const struct role *role;
    int slot;
    enum child_state state;
    pid_t pid;           /* 0: none */
    uint64_t generation; /* of this process among all of this supervisor's */
    uint64_t setup;      /* what it was started with */
    bool retired;        /* it was told so */
    bool stuck;          /* we killed it for standing still or being late */
    bool cut_short;      /* we killed it because its fleet's time was over: no fault of what it ran */
    struct hx_evidence *evidence;
    int evidence_fd;
    struct hx_channel *channel;
    struct output *output;
    char *waiting; /* what it waits for and can't work without, or NULL; why that is, or NULL; since when */
    char *detail;
    int64_t waiting_ms;
    char *without; /* what is away though it can work, or NULL; since when */
    int64_t without_ms;
    char *fatal; /* why it is about to give up, or NULL */
    int64_t started_ms;
    uint64_t pulse; /* as last seen, and when it moved */
    int64_t pulse_ms;
    unsigned restarts;
    int64_t pause_ms;    /* the last pause that was set */
    int64_t deadline_ms; /* when deadline_timer fires, if it is armed */
    struct restart_history history;
    struct hx_timer *restart_timer, *deadline_timer;
};

void child_init(struct child *child, const struct child_host *host, const struct role *role, int slot);
void child_reset(struct child *child); /* frees; its process, if any, is left to others */
/* One step of the machine and what it asks for. */
void child_event(struct child *child, enum child_event event);
/* Raises CHILD_STUCK if the pulse stands still. `now` is hx_mono_ms's. */
void child_check_pulse(struct child *child, int64_t now);
/* As if the pulse had just moved: after we stood still ourselves. */
void child_forgive(struct child *child, int64_t now);
/* Says a word to it over its channel, if it has one. Takes message over. */
void child_say(struct child *child, json_t *message);
/* It can do its work at this moment. */
bool child_works(const struct child *child);
/* "PostgreSQL at …: Connection refused"; nothing when it doesn't wait. */
void child_waits_for(const struct child *child, struct hx_buf *out);
/* Jobs running in it. */
unsigned child_running(const struct child *child);
