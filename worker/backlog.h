/* Jobs this worker has heard of and not claimed: ids from Kafka's records and from `waiting`, by handler and band. Nothing here is
 * owned by anybody yet; losing it costs a redelivery. */
#pragma once

#include "lib/kafka/progress.h"
#include "worker/handler.h"

struct backlog;

struct candidate {
    struct hx_uuid id;
    const struct handler *handler;
    struct hx_in_flight *record; /* the record it came in, or NULL */
    bool high;
    int64_t since_boot_ms; /* when it was first heard of; 0: now */
};

/* What one claim asks for. v is the caller's, with room for as many as were asked for. */
struct batch {
    struct candidate *v;
    size_t n;
};

struct backlog *backlog_new(const struct handlers *handlers);
struct backlog *backlog_free(struct backlog *b);
void backlog_add(struct backlog *b, const struct candidate *c);
/* Puts candidates in front, in their order: those of a failed claim, or older ones. */
void backlog_return(struct backlog *b, const struct candidate *c, size_t n);
/* Appends up to builtin_room candidates of builtins and slot_room of the others to the batch: the high band first, but a tenth of the
 * room is the low band's; handlers take turns. */
void backlog_pick(struct backlog *b, size_t builtin_room, size_t slot_room, struct batch *batch);
/* Takes out the candidates of builtins, or of the others, heard of at that CLOCK_BOOTTIME or before. How many; *ret is the caller's to
 * free. */
size_t backlog_late(struct backlog *b, bool builtin, int64_t boot_ms, struct candidate **ret);
size_t backlog_builtin(const struct backlog *b); /* candidates of builtins */
size_t backlog_slotted(const struct backlog *b); /* candidates of the others */
/* Candidates of builtins, or of the others, that came from `waiting`. Looks at each. */
size_t backlog_reserved(const struct backlog *b, bool builtin);
void backlog_clear(struct backlog *b);
