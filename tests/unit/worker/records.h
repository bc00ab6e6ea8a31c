/* A consumer whose records the test writes. */
#pragma once

#include "tests/unit/worker/fixture.h"

#include "lib/kafka/record.h"

static struct hx_buf record_data[STORED_MAX];

static inline int open_consumer(void **state) {
    int r = begin(state);
    struct hx_kafka_error error;
    assert_int_equal(worker_consume(&worker, &error), 0);
    assert_non_null(worker.consumer);
    return r;
}

static inline int close_consumer(void **state) {
    for (size_t i = 0; i < STORED_MAX; i++)
        hx_buf_reset(&record_data[i]);
    return end(state);
}

static inline struct hx_record *add_record(void) {
    struct hx_record *r = &records[record_count];
    struct hx_buf *data = &record_data[record_count];
    *r = (struct hx_record){ .topic = "t", .partition = 1, .offset = (int64_t)record_count + 100 };
    r->data = data->data;
    r->size = data->len;
    record_count++;
    return r;
}

/* A record of the jobs first to last, at offset 100, 101 and so on. */
static inline void publish(unsigned first, unsigned final, const char *type) {
    struct hx_uuid ids[128];
    size_t n = 0;
    for (unsigned k = first; k <= final; k++) {
        add_job(k, type);
        ids[n++] = id_of(k);
    }
    assert_int_equal(hx_announcement_encode(&record_data[record_count], type, ids, n), 0);
    add_record();
}
