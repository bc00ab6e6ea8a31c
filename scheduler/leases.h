/* Whose lease counter stands still? The times are this process's own CLOCK_BOOTTIME: no clock of another host is believed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct leases;

struct leases *leases_new(void);
struct leases *leases_free(struct leases *l); /* NULL is fine; returns NULL */
/* PostgreSQL was away: nobody could renew anything, so nobody's silence until now means anything. */
void leases_forget(struct leases *l);
/* A look at all workers: begin, seen for each that isn't dead, end. */
void leases_begin(struct leases *l, int64_t now_ms);
/* True when the worker's counter has stood at this value for ttl_ms, its own lease. When the last look was longer ago than half of that, we
 * were asleep ourselves, and what was known of it is forgotten. */
bool leases_seen(struct leases *l, int32_t worker, int64_t lease, int64_t ttl_ms);
void leases_end(struct leases *l); /* workers that weren't seen are gone */
