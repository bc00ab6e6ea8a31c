/* Jobs and claim rows, as PostgreSQL has them: what the fake ledger's statements read and change. */
#pragma once

#include "common/text.h"
#include "common/uuid.h"
#include "lib/ledger/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

enum { JOBS_MAX = 512, CLAIMS_MAX = 4096 };

struct job {
    const char *type, *payload, *reason; /* reason: in waiting */
    enum hx_status status;
    int32_t attempt, max_attempts, fence, crash_count, priority;
    int64_t timeout_ms;
    struct hx_uuid token;
    int ends;           /* how often it left `running` */
    char code[32];      /* of its last error */
    struct hx_buf told; /* details of its progress events */
    bool poison;        /* PostgreSQL refuses what its handler says */
};

static struct job jobs[JOBS_MAX]; /* by number; the id says the number */
static struct hx_uuid claim_rows[CLAIMS_MAX];
static bool claim_held[CLAIMS_MAX];
static size_t claim_count, permits;

static inline struct hx_uuid id_of(unsigned n) {
    return (struct hx_uuid){ .b = { 1, 0x89, [6] = 0x70, [8] = 0x80, [14] = (uint8_t)(n >> 8), [15] = (uint8_t)n } };
}

static inline unsigned number_of(const struct hx_uuid *id) {
    return (unsigned)id->b[14] << 8 | id->b[15];
}

static inline struct job *job_of(const struct hx_uuid *id) {
    return &jobs[number_of(id)];
}

static inline void add_job(unsigned n, const char *type) {
    jobs[n] = (struct job){ .type = type, .payload = "{}", .max_attempts = INT32_MIN, .timeout_ms = INT64_MIN };
}

/* Claims in the order in which they were first heard of; tx_words.h calls them A, B, C. */
static inline size_t claim_index(const struct hx_uuid *token) {
    for (size_t i = 0; i < claim_count; i++)
        if (hx_uuid_eq(&claim_rows[i], token))
            return i;
    assert_true(claim_count < CLAIMS_MAX);
    claim_rows[claim_count] = *token;
    return claim_count++;
}

static inline size_t claims_held(void) {
    size_t n = 0;
    for (size_t i = 0; i < claim_count; i++)
        n += claim_held[i];
    return n;
}
