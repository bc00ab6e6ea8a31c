/* What the supervisor is made of, for supervisor.c and report.c. */
#pragma once

#include "common/uuid.h"
#include "supervisor/control.h"
#include "supervisor/deaths.h"
#include "supervisor/fleet.h"
#include "supervisor/guard.h"
#include "supervisor/launch.h"
#include "supervisor/orphans.h"
#include "supervisor/stop.h"
#include "supervisor/supervisor.h"

struct supervisor {
    const struct hx_config *config;
    struct hx_loop *loop;
    struct control *control;
    struct launch *launch;
    struct child_host host;
    struct fleet fleet;
    struct deaths *deaths;
    struct orphans *orphans;
    struct guard *guard;
    struct stop stop;
    struct hx_timer *tick_timer, *watchdog_timer, *heartbeat_timer;
    int64_t ticked_ms, status_ms;
    char *status; /* as last told */
    bool ready;   /* READY=1 was said */
    int exit_code;
    char *instance;
    int instance_fd; /* holds that name */
    char incarnation[HX_UUID_SIZE];
};

/* report.c: what others are told of the fleet. */

/* A worker can claim, and a scheduler can do its part. */
bool report_can_work(const struct supervisor *s);
/* STATUS= where it has changed; READY=1 the first time that the fleet can work. */
void report_status(struct supervisor *s);
/* STOPPING=1. */
void report_stopping(struct supervisor *s);
void report_start(const struct supervisor *s);     /* the `starting` event */
void report_heartbeat(const struct supervisor *s); /* the `heartbeat` event */
/* Answers a request of the control socket; user is the supervisor. */
json_t *report_request(const json_t *request, void *user);
