/* Which records of each partition are done. Records are claimed out of order (a full handler type waits while others go on),
 * but a stored offset promises everything before it, so only the unbroken run of done records from the front counts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hx_progress;  /* all partitions */
struct hx_in_flight; /* one record of which ids are still to be claimed */

struct hx_progress *hx_progress_new(void);
struct hx_progress *hx_progress_free(struct hx_progress *p);
/* A record was taken; `parts` of it (ids) are to be done. parts 0: done at once; call hx_progress_done with 0 right away to learn
 * whether the front moved. */
struct hx_in_flight *hx_progress_begin(struct hx_progress *p, const char *topic, int32_t partition, int64_t offset,
                                       size_t parts);
/* n of its parts are done. When that moves the front, *ret_topic, *ret_partition and *ret_next say what to store and true is
 * returned (ret_topic is valid until the partition is dropped). The record is gone once all its parts are done. */
bool hx_progress_done(struct hx_progress *p, struct hx_in_flight *record, size_t n, const char **ret_topic,
                      int32_t *ret_partition, int64_t *ret_next);
/* The partition was taken away: later hx_progress_done on its records is a no-op. */
void hx_progress_drop(struct hx_progress *p, const char *topic, int32_t partition);
/* Where the record stood; *ret_topic as above. */
void hx_progress_place(const struct hx_in_flight *record, const char **ret_topic, int *ret_partition,
                       int64_t *ret_offset);
size_t hx_progress_records(const struct hx_progress *p); /* in flight, all partitions */
