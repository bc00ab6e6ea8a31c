/* SIGHUP, and `reload` over the control socket: one configuration follows another while jobs run.
 *
 *   read     a bad file changes nothing. Keys that are fixed (addresses, paths, the instance's name) keep their values.
 *   try      of each role one child is started with it. Where that can't work, it leaves again, and nothing has changed.
 *   take     from here on the new configuration is in force: whatever dies is started with it.
 *   roll     slot by slot a new child takes over; the old one claims nothing more and finishes what it runs, however long.
 *
 * Where only the number of children or how they are watched has changed, nobody is tried or replaced. */
#pragma once

#include "supervisor/setup.h"

struct supervisor;

enum reload_phase { RELOAD_NOT, RELOAD_TRY, RELOAD_ROLL };

struct reload {
    enum reload_phase phase;
    bool again;          /* asked for meanwhile: the file may be a newer one */
    bool announced;      /* RELOADING=1 was said */
    bool replaces;       /* children, not only their number */
    int64_t number;      /* of the one that is under way, or was the last */
    struct setup *fresh; /* RELOAD_TRY: what is tried */
    struct hx_buf names; /* what has changed, for people */
    char *kept;          /* fixed keys that differ in the file, or NULL */
    char *unfit;         /* RELOAD_TRY: what a child said that can't work with it */
    size_t role;         /* RELOAD_ROLL: the slot it is at */
    int slot;
    struct hx_timer *step, *patience;
    int64_t outcome_of; /* the number of the last that has ended, 0: none */
    int outcome;        /* its exit code, and what it came to */
    char *message;
};

void reload_init(struct supervisor *s);
void reload_reset(struct supervisor *s);
/* Begins one, or sees to it that another follows. Returns its number. */
int64_t reload_ask(struct supervisor *s);
/* A child has changed. Does nothing at once. */
void reload_poke(struct supervisor *s);
/* A child has died; true when that is the reload's business alone. */
bool reload_heed_death(struct supervisor *s, const struct child *child, const struct death *death);
/* The fleet is about to stop. */
void reload_cancel(struct supervisor *s);
/* {"ok":true,"reload":N,"done":BOOL}; done: "code" (of an exit) and "message", of that reload or of a later one. */
json_t *reload_tell(const struct supervisor *s, int64_t number);
/* Why the last one was refused; NULL: it wasn't. */
const char *reload_refusal(const struct supervisor *s);
