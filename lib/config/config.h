/* Configuration from one table (lib/config/table.c): every key with its type, default, range, secrecy and help. The file parser,
 * the environment, every check, --show-config, the --help of all programs and docs/configuration.md come from it. */
#pragma once

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hx_config;

/* One for each row of the table, in its order. */
enum hx_key {
    HX_SERVICE_ENVIRONMENT, /* string, one of local dev test staging production */
    HX_SERVICE_VERSION,     /* string */
    HX_SERVICE_INSTANCE, /* string: the unit's instance name, default "main": fleets on one host are told apart by it */
    HX_POSTGRES_HOST,
    HX_POSTGRES_PORT,
    HX_POSTGRES_USER,
    HX_POSTGRES_PASSWORD,
    HX_POSTGRES_DBNAME,
    HX_POSTGRES_SSLMODE,
    HX_POSTGRES_POOL,
    HX_POSTGRES_POOL_OVERFLOW,
    HX_POSTGRES_TIMEOUT,
    HX_POSTGRES_PREPARED_STATEMENTS, /* bool */
    HX_KAFKA_BROKERS,
    HX_KAFKA_TOPIC_PREFIX,
    HX_KAFKA_PARTITIONS,
    HX_KAFKA_REPLICATION_FACTOR,
    HX_KAFKA_PROPERTIES, /* list of strings */
    HX_KAFKA_FOREIGN,    /* bool ("on"/"off") */
    HX_SUPERVISOR_WORKERS,
    HX_SUPERVISOR_DRAIN_TIMEOUT,
    HX_SUPERVISOR_RESTART_BACKOFF_MAX,
    HX_SUPERVISOR_CONTROL_SOCKET,
    HX_SUPERVISOR_SCHEDULERS, /* integer, default 1 */
    HX_WORKER_SLOTS,
    HX_WORKER_LEASE,
    HX_WORKER_BATCH, /* integer, default 1000: jobs a claim takes at most */
    HX_SCHEDULER_RETENTION,
    HX_API_LISTEN,
    HX_API_AUTH,
    HX_JOBS_MAX_ATTEMPTS,
    HX_JOBS_TIMEOUT,
    HX_JOBS_BACKOFF_BASE,
    HX_JOBS_BACKOFF_MAX,
    HX_JOBS_KILL_GRACE,
    HX_JOBS_MAX_CRASHES,
    HX_JOBS_MAX_PAYLOAD, /* size */
    HX_LOG_FORMAT_KEY,
    HX_LOG_LEVEL_KEY,
    HX_LOG_HEARTBEAT,
    HX_REDIS_URL,
    HX_QDRANT_URL,
    HX_GCS_ENDPOINT, /* environment only; probed by readiness where set */
    HX_KEYS
};

/* One entry of `handlers`. Unset numbers are -1. */
struct hx_handler_config {
    const char *type;
    const char *queue;             /* "default" unless set */
    const char *const *exec;       /* NULL-terminated argv, or NULL */
    const char *url, *secret_file; /* or NULL */
    int64_t timeout_ms, backoff_base_ms, backoff_max_ms;
    int max_attempts, concurrency;
    int64_t memory_max, tasks_max;
    double cpu_max; /* cores; -1 unset */
};

/* What this version doesn't do of what a handler's entry asks for, in words; NULL: nothing. */
const char *hx_handler_unserved(const struct hx_handler_config *handler);

/* One line for people: "/etc/heimdex/heimdex.conf:12: worker.slotz: unknown key, did you mean worker.slots?" */
struct hx_config_error {
    char message[512];
};

/* Reads everything: the file (NULL: $HEIMDEX_CONFIG, else /etc/heimdex/heimdex.conf if it is there), handlers.d beside it, secrets
 * (/secrets/NAME/NAME first), the environment over it. 0; -EINVAL with *reterr (wrong content); -errno if a named file can't be
 * read (*reterr too). Unknown HEIMDEX_* variables are collected as warnings. */
int hx_config_load(const char *file, struct hx_config **ret, struct hx_config_error *reterr);
struct hx_config *hx_config_free(struct hx_config *c);
/* The file that was read, also where nobody named it; NULL: none was there, or c was unpacked. */
const char *hx_config_file(const struct hx_config *c);

/* The canonical text of any key but a list; NULL: unset. */
const char *hx_config_string(const struct hx_config *c, enum hx_key key);
/* Integers; durations in ms; sizes in bytes; bools 0/1; ports (of several: the first); strings with choices: the index of the
 * choice in the table's order (log.format's is enum hx_log_format, log.level's is enum hx_log_level - HX_LOG_ERR). Unset: 0. */
int64_t hx_config_int(const struct hx_config *c, enum hx_key key);
const char *const *hx_config_list(const struct hx_config *c, enum hx_key key, size_t *ret_n);
/* Where the value came from: "FILE:LINE", "environment NAME", "default" …; of a list: where its element i did,
 * or all of it where there is no such element. */
const char *hx_config_where(const struct hx_config *c, enum hx_key key, size_t i);
const struct hx_handler_config *hx_config_handlers(const struct hx_config *c, size_t *ret_n);
const char *const *hx_config_warnings(const struct hx_config *c, size_t *ret_n);
/* "section.key"; and whether a reload leaves it as it is: addresses, paths, the instance's name. */
const char *hx_config_key_name(enum hx_key key);
bool hx_config_key_is_fixed(enum hx_key key);
/* For a reload: gives the fixed keys of fresh the values that running has, and appends the names of those that differed to
 * ret_names, with ", " between. 0, or -EINVAL with *reterr where the rest doesn't go with them. */
int hx_config_keep_fixed(struct hx_config *fresh, const struct hx_config *running, struct hx_buf *ret_names,
                         struct hx_config_error *reterr);
/* The files that c names and others read (certificates and keys of Kafka and PostgreSQL, secret files of handlers), a line each
 * that is another one when the file was replaced or written to. */
void hx_config_files(const struct hx_config *c, struct hx_buf *out);
/* Appends what differs, ", " between: names of keys, "handler TYPE", "content of PATH". Never a value. The files are what
 * hx_config_files said when each configuration was loaded. Keys of which skip (or NULL) says true are left out. */
void hx_config_changes(const struct hx_config *a, const char *a_files, const struct hx_config *b, const char *b_files,
                       bool (*skip)(enum hx_key key), struct hx_buf *ret_names);
/* libpq keyword and value arrays for this configuration (NULL-terminated, owned by c). PG* variables win over the file. */
void hx_config_postgres(const struct hx_config *c, const char *const **ret_keywords, const char *const **ret_values);

/* --show-config: "key = value   # where it came from" a line, redacted; with --json a document: {"worker.slots":{"value":16,"source":
 * "default"},…,"handlers":[{"value":{"type":…},"source":…},…]}. As one JSON object, braces included, for the `starting` event's
 * "config": {"worker.slots":16,…}. */
void hx_config_show(const struct hx_config *c, struct hx_buf *out);
void hx_config_show_document(const struct hx_config *c, struct hx_buf *out);
void hx_config_show_json(const struct hx_config *c, struct hx_buf *out);
/* "worker.slots=16 kafka.brokers=k1:9092 handlers=[a, b]": what isn't left at its default, redacted. */
void hx_config_show_brief(const struct hx_config *c, struct hx_buf *out);
/* The whole of docs/configuration.md, from the table. */
void hx_config_document(struct hx_buf *out);

/* The effective configuration as one text that hx_config_unpack reads in another process of the same version (secrets included: it
 * travels in a sealed memfd only). */
void hx_config_pack(const struct hx_config *c, struct hx_buf *out);
int hx_config_unpack(const char *text, size_t n, struct hx_config **ret, struct hx_config_error *reterr);
