/* What every run of the program has: a loop, one connection to PostgreSQL, one to Kafka, the sender, and standard output. */
#pragma once

#include "producer/announce.h"
#include "producer/arguments.h"
#include "producer/output.h"
#include "producer/sender.h"

struct session {
    const struct arguments *arguments;
    struct hx_loop *loop;
    struct hx_pg *pg;
    struct announcer *announcer;
    struct sender *sender;
    struct output *output;
    int loop_error;
    int64_t timeout_ms; /* for PostgreSQL, from the configuration */
};

/* What the sender tells the run; see sender_options. */
struct session_callbacks {
    void (*settled)(const struct batch *b, void *user);
    void (*refused)(uint64_t line, const char *why, void *user);
    void *user;
};

/* Opens it; connecting starts at once and goes on in the loop. 0, or an exit code after a complaint. */
int session_open(const struct arguments *arguments, const struct session_callbacks *callbacks, struct session *ret);
/* Gives Kafka and the outbox their last chance, and frees all. Returns the exit code it was given. */
int session_close(struct session *s, int exit_code);
/* Appends the answer for a job to the output: its id, or with --json an object. */
void session_print(struct session *s, const struct answer *answer);
/* Turns the loop once: waits for the next event. */
void session_turn(struct session *s);
/* False when something has gone wrong for good. */
bool session_is_well(const struct session *s);
/* Says what has gone wrong for good and returns its exit code; 0 when nothing has. */
int session_complain(const struct session *s);
