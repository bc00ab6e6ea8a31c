/* Each partition keeps its records in a queue in the order they were taken. Done records are taken off the front only, so
 * that every record is touched a fixed number of times however late the front moves. A dropped partition leaves the table
 * and lives on until its last record is done, because callers still hold pointers to those. */
#include "lib/kafka/progress.h"

#include "common/text.h"

#include <string.h>

struct partition;

struct hx_in_flight {
    struct partition *partition;
    struct hx_in_flight *next;
    int64_t offset;
    size_t left; /* parts still to be done */
};

struct partition {
    char *topic;
    int32_t number;
    bool dropped;
    uint64_t hash;
    struct hx_in_flight *front, *back;
    size_t records;
    struct partition *next;          /* in its bucket */
    struct partition *older, *newer; /* dropped ones, in a list of their own */
};

struct hx_progress {
    struct partition **buckets;
    size_t bucket_count, partition_count;
    struct partition *dropped;
    size_t records;
};

enum { FIRST_BUCKETS = 64 };

struct hx_progress *hx_progress_new(void) {
    struct hx_progress *p = hx_alloc(sizeof(*p));
    p->bucket_count = FIRST_BUCKETS;
    p->buckets = hx_allocn(p->bucket_count, sizeof(struct partition *));
    return p;
}

static void partition_free(struct partition *part) {
    while (part->front) {
        struct hx_in_flight *record = part->front;
        part->front = record->next;
        free(record);
    }
    free(part->topic);
    free(part);
}

struct hx_progress *hx_progress_free(struct hx_progress *p) {
    if (!p)
        return NULL;
    for (size_t i = 0; i < p->bucket_count; i++)
        for (struct partition *part = p->buckets[i], *next; part; part = next) {
            next = part->next;
            partition_free(part);
        }
    for (struct partition *part = p->dropped, *older; part; part = older) {
        older = part->older;
        partition_free(part);
    }
    free(p->buckets);
    free(p);
    return NULL;
}

/* FNV-1a over the topic, then the number. */
static uint64_t hash_of(const char *topic, int32_t number) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *c = topic; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
    hash = (hash ^ (uint32_t)number) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

/* Where the pointer to this partition stands; *it is NULL when there is none. */
static struct partition **find(struct hx_progress *p, const char *topic, int32_t number, uint64_t hash) {
    struct partition **at = &p->buckets[hash % p->bucket_count];
    while (*at && !((*at)->hash == hash && (*at)->number == number && strcmp((*at)->topic, topic) == 0))
        at = &(*at)->next;
    return at;
}

static void grow(struct hx_progress *p) {
    size_t count = p->bucket_count * 2;
    struct partition **buckets = hx_allocn(count, sizeof(struct partition *));
    for (size_t i = 0; i < p->bucket_count; i++)
        for (struct partition *part = p->buckets[i], *next; part; part = next) {
            next = part->next;
            part->next = buckets[part->hash % count];
            buckets[part->hash % count] = part;
        }
    free(p->buckets);
    p->buckets = buckets;
    p->bucket_count = count;
}

static struct partition *find_or_add(struct hx_progress *p, const char *topic, int32_t number) {
    uint64_t hash = hash_of(topic, number);
    struct partition **at = find(p, topic, number, hash);
    if (*at)
        return *at;
    struct partition *part = hx_alloc(sizeof(*part));
    part->topic = hx_strdup(topic);
    part->number = number;
    part->hash = hash;
    *at = part;
    if (++p->partition_count > p->bucket_count)
        grow(p);
    return part;
}

struct hx_in_flight *hx_progress_begin(struct hx_progress *p, const char *topic, int32_t partition, int64_t offset,
                                       size_t parts) {
    struct partition *part = find_or_add(p, topic, partition);
    struct hx_in_flight *record = hx_alloc(sizeof(*record));
    record->partition = part;
    record->offset = offset;
    record->left = parts;
    if (part->back)
        part->back->next = record;
    else
        part->front = record;
    part->back = record;
    part->records++;
    p->records++;
    return record;
}

/* Takes the done records off the front. The offset behind the last of them, or -1 if the front doesn't move. */
static int64_t advance(struct hx_progress *p, struct partition *part) {
    int64_t next = -1;
    while (part->front && part->front->left == 0) {
        struct hx_in_flight *record = part->front;
        next = record->offset + 1;
        part->front = record->next;
        if (!part->front)
            part->back = NULL;
        part->records--;
        p->records--;
        free(record);
    }
    return next;
}

static void forget_dropped(struct hx_progress *p, struct partition *part) {
    if (part->newer)
        part->newer->older = part->older;
    else
        p->dropped = part->older;
    if (part->older)
        part->older->newer = part->newer;
    partition_free(part);
}

bool hx_progress_done(struct hx_progress *p, struct hx_in_flight *record, size_t n, const char **ret_topic,
                      int32_t *ret_partition, int64_t *ret_next) {
    struct partition *part = record->partition;
    record->left -= HX_MIN(n, record->left);
    if (record->left > 0)
        return false;
    if (part->dropped) {
        if (--part->records == 0)
            forget_dropped(p, part);
        return false;
    }
    int64_t next = advance(p, part);
    if (next < 0)
        return false;
    *ret_topic = part->topic;
    *ret_partition = part->number;
    *ret_next = next;
    return true;
}

void hx_progress_drop(struct hx_progress *p, const char *topic, int32_t partition) {
    struct partition **at = find(p, topic, partition, hash_of(topic, partition));
    struct partition *part = *at;
    if (!part)
        return;
    *at = part->next;
    p->partition_count--;
    p->records -= part->records;
    part->records = 0; /* from here on: those whose callers will still call */
    for (struct hx_in_flight *record = part->front; record; record = record->next)
        part->records += record->left > 0;
    if (part->records == 0) {
        partition_free(part);
        return;
    }
    part->dropped = true;
    part->older = p->dropped;
    if (p->dropped)
        p->dropped->newer = part;
    p->dropped = part;
}

size_t hx_progress_records(const struct hx_progress *p) {
    return p->records;
}

void hx_progress_place(const struct hx_in_flight *record, const char **ret_topic, int *ret_partition,
                       int64_t *ret_offset) {
    *ret_topic = record->partition->topic;
    *ret_partition = record->partition->number;
    *ret_offset = record->offset;
}
