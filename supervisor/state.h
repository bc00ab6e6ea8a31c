/* What the supervisor is made of, for supervisor.c, report.c and reload.c. */
#pragma once

#include "common/uuid.h"
#include "supervisor/cgroups.h"
#include "supervisor/control.h"
#include "supervisor/deaths.h"
#include "supervisor/fleet.h"
#include "supervisor/guard.h"
#include "supervisor/orphans.h"
#include "supervisor/reload.h"
#include "supervisor/setup.h"
#include "supervisor/stop.h"
#include "supervisor/supervisor.h"

struct supervisor {
    struct setup_common common;
    struct setup *setup; /* in force */
    struct reload reload;
    struct hx_loop *loop;
    struct control *control;
    struct cgroups *cgroups;
    struct fleet fleet;
    struct deaths *deaths;
    struct orphans *orphans;
    struct guard *guard;
    struct stop stop;
    struct hx_timer *tick_timer, *watchdog_timer, *heartbeat_timer;
    int64_t ticked_ms, status_ms;
    char *status; /* as last told */
    bool ready;   /* READY=1 was said */
    bool is_service;
    int exit_code;
    char *instance;
    int instance_fd; /* holds that name */
    char incarnation[HX_UUID_SIZE];
};

/* Lets everything but the children go by s->setup. */
void supervisor_use_setup(struct supervisor *s);

/* report.c: what others are told of the fleet. */

/* A worker can claim, and a scheduler can do its part. */
bool report_can_work(const struct supervisor *s);
/* STATUS= where it has changed; READY=1 the first time that the fleet can work. */
void report_status(struct supervisor *s);
/* RELOADING=1, and READY=1 when it is over, however it went. Nothing before the first READY=1. */
void report_reloading(struct supervisor *s);
void report_reloaded(struct supervisor *s);
/* STOPPING=1. */
void report_stopping(struct supervisor *s);
void report_start(const struct supervisor *s);     /* the `starting` event */
void report_handlers(const struct supervisor *s);  /* what this fleet doesn't do of what their entries say */
void report_heartbeat(const struct supervisor *s); /* the `heartbeat` event */
/* Answers a request of the control socket; user is the supervisor. */
json_t *report_request(const json_t *request, void *user);
