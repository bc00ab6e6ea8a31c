/* Announcing: what was committed is told to the workers through Kafka. Only for speed: an announcement that gets lost leaves its
 * outbox row behind, from which the scheduler's relay announces again after two seconds. So nothing here ever fails a
 * submission, and nothing waits for a Kafka that is slow or away. */
#pragma once

#include "common/loop.h"
#include "common/uuid.h"
#include "lib/config/config.h"
#include "lib/kafka/kafka.h"
#include "producer/type_cache.h"

#include <stdbool.h>
#include <stddef.h>

struct announcer;

struct announcement {
    const char *type;
    bool high; /* priority > 0 */
    struct hx_uuid id;
};

/* 0, or as hx_producer_new. */
int announcer_new(struct hx_loop *loop, const struct hx_config *config, struct announcer **ret,
                  struct hx_kafka_error *reterr);
/* Gives up what isn't delivered, within a fraction of a second. NULL is fine; returns NULL. */
struct announcer *announcer_free(struct announcer *a);

/* The types, for the sender to read into when they are stale. */
struct type_cache *announcer_types(struct announcer *a);
/* Looks up the topic that jobs of an unknown type would travel in, so that the first record needn't wait for it. */
void announcer_expect(struct announcer *a, bool high);
/* Publishes what the outbox row `outbox` stands for. Sorts items. */
void announcer_publish(struct announcer *a, int64_t outbox, struct announcement *items, size_t n);

/* Outbox rows whose announcements have all arrived. The caller owns the array and deletes the rows, or gives it back. */
size_t announcer_take_delivered(struct announcer *a, int64_t **ret);
void announcer_give_back(struct announcer *a, const int64_t *ids, size_t n);
bool announcer_has_delivered(const struct announcer *a);

/* True while delivery reports are outstanding. */
bool announcer_is_busy(const struct announcer *a);
/* Turns the loop until none is, at most timeout_ms. */
void announcer_wait(struct announcer *a, int64_t timeout_ms);
/* Outbox rows left to the relay so far, those that are still outstanding included. */
size_t announcer_left(const struct announcer *a);
/* As hx_producer_refusal. */
const struct hx_kafka_error *announcer_refusal(const struct announcer *a);
