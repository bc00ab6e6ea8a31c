#include "lib/config/table.h"

#include "common/units.h"
#include "lib/config/checks.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

/* As many workers as cores, within the key's own range. */
static char *cores(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return hx_printf("%ld", HX_MIN(HX_MAX(n, 1L), 1024L));
}

const struct hx_row hx_table[] = {
    [HX_SERVICE_ENVIRONMENT] = { .name = "service.environment", .type = HX_TYPE_ENUM, .fallback = "local",
        .choices = "local dev test staging production", .old_name = "ENVIRONMENT",
        .help = "Where this runs." },
    [HX_SERVICE_VERSION] = { .name = "service.version", .type = HX_TYPE_STRING, .fallback = HX_VERSION,
        .fallback_note = "the program's", .min = 1, .max = 100, .old_name = "VERSION",
        .help = "The version that health checks and logs name." },
    [HX_SERVICE_INSTANCE] = { .name = "service.instance", .type = HX_TYPE_STRING, .fallback = "main", .min = 1, .max = 64,
        .fixed = true, .check = hx_check_name,
        .help = "Tells fleets on one host apart; the units set it to their instance name." },

    [HX_POSTGRES_HOST] = { .name = "postgres.host", .type = HX_TYPE_STRING, .fallback_note = "libpq's", .label = "PostgreSQL host",
        .old_name = "PGHOST", .old_name_wins = true, .fixed = true, .libpq = "host",
        .help = "Host name, address or socket directory." },
    [HX_POSTGRES_PORT] = { .name = "postgres.port", .type = HX_TYPE_PORT, .fallback_note = "libpq's", .min = 1, .max = 65535,
        .label = "PostgreSQL port", .old_name = "PGPORT", .old_name_wins = true, .fixed = true, .libpq = "port",
        .help = "Port; several with commas where there are several hosts." },
    [HX_POSTGRES_USER] = { .name = "postgres.user", .type = HX_TYPE_STRING, .fallback_note = "libpq's", .label = "PostgreSQL user",
        .old_name = "PGUSER", .old_name_wins = true, .libpq = "user",
        .help = "Login role." },
    [HX_POSTGRES_PASSWORD] = { .name = "postgres.password", .type = HX_TYPE_STRING, .fallback_note = "libpq's",
        .label = "PostgreSQL password", .old_name = "PGPASSWORD", .old_name_wins = true, .secret_name = "pgpassword",
        .secret = true, .libpq = "password",
        .help = "Its password; better a secret than in a file." },
    [HX_POSTGRES_DBNAME] = { .name = "postgres.dbname", .type = HX_TYPE_STRING, .fallback_note = "libpq's",
        .label = "PostgreSQL database", .old_name = "PGDATABASE", .old_name_wins = true, .fixed = true, .libpq = "dbname",
        .help = "Database." },
    [HX_POSTGRES_SSLMODE] = { .name = "postgres.sslmode", .type = HX_TYPE_ENUM, .fallback_note = "libpq's",
        .choices = "disable allow prefer require verify-ca verify-full", .label = "PostgreSQL sslmode", .old_name = "PGSSLMODE",
        .old_name_wins = true, .libpq = "sslmode",
        .help = "How connections are encrypted." },
    [HX_POSTGRES_POOL] = { .name = "postgres.pool", .type = HX_TYPE_INT, .fallback = "5", .min = 1, .max = 1000,
        .help = "Connections that a process keeps; each is validated before use." },
    [HX_POSTGRES_POOL_OVERFLOW] = { .name = "postgres.pool_overflow", .type = HX_TYPE_INT, .fallback = "10", .min = 0, .max = 1000,
        .help = "Further connections under load." },
    [HX_POSTGRES_TIMEOUT] = { .name = "postgres.timeout", .type = HX_TYPE_DURATION, .fallback = "10s", .min = 100, .max = HOUR,
        .help = "How long a connection or a statement may take." },
    [HX_POSTGRES_PREPARED_STATEMENTS] = { .name = "postgres.prepared_statements", .type = HX_TYPE_BOOL, .fallback = "on",
        .help = "\"off\" for poolers that can't keep prepared statements." },

    [HX_KAFKA_BROKERS] = { .name = "kafka.brokers", .type = HX_TYPE_STRING, .fallback = "127.0.0.1:9092", .min = 1, .max = 4096,
        .label = "Kafka brokers", .old_name = "KAFKA_BROKERS", .fixed = true, .check = hx_check_brokers,
        .help = "Bootstrap servers, commas between them." },
    [HX_KAFKA_TOPIC_PREFIX] = { .name = "kafka.topic_prefix", .type = HX_TYPE_STRING, .fallback = "heimdex", .min = 1, .max = 100,
        .fixed = true, .check = hx_check_name,
        .help = "Topics are PREFIX.jobs.QUEUE and PREFIX.dead-letter." },
    [HX_KAFKA_PARTITIONS] = { .name = "kafka.partitions", .type = HX_TYPE_INT, .fallback = "6", .min = 1, .max = 10000,
        .help = "Partitions of topics that the fleet makes; existing ones are used as they are." },
    [HX_KAFKA_REPLICATION_FACTOR] = { .name = "kafka.replication_factor", .type = HX_TYPE_INT, .fallback = "-1", .min = -1,
        .max = 1000, .check = hx_check_replication,
        .help = "Replicas of topics that the fleet makes; -1: the broker's default." },
    [HX_KAFKA_PROPERTIES] = { .name = "kafka.properties", .type = HX_TYPE_LIST, .fallback = "", .secret_name = "kafka-sasl-password",
        .check = hx_check_property,
        .help = "Any librdkafka properties: `[ \"security.protocol=SASL_SSL\", … ]`." },
    [HX_KAFKA_FOREIGN] = { .name = "kafka.foreign", .type = HX_TYPE_BOOL, .fallback = "off",
        .help = "\"on\": well-formed records of other Kafka clients become jobs (protocol.md)." },

    [HX_SUPERVISOR_WORKERS] = { .name = "supervisor.workers", .type = HX_TYPE_INT, .computed = cores, .fallback_note = "cores",
        .min = 1, .max = 1024,
        .help = "Worker processes." },
    [HX_SUPERVISOR_DRAIN_TIMEOUT] = { .name = "supervisor.drain_timeout", .type = HX_TYPE_DURATION, .fallback = "30s", .min = 0,
        .max = DAY,
        .help = "At TERM nothing new starts; what still runs after this long gets TERM, `jobs.kill_grace`, KILL." },
    [HX_SUPERVISOR_RESTART_BACKOFF_MAX] = { .name = "supervisor.restart_backoff_max", .type = HX_TYPE_DURATION, .fallback = "10s",
        .min = 10, .max = HOUR,
        .help = "A slot whose worker dies is refilled at once, then after growing pauses up to this." },
    [HX_SUPERVISOR_CONTROL_SOCKET] = { .name = "supervisor.control_socket", .type = HX_TYPE_STRING,
        .fallback = "/run/heimdex/control", .fixed = true, .check = hx_check_absolute_path,
        .help = "Where heimdexctl reaches the supervisor; for root and the group heimdex." },
    [HX_SUPERVISOR_SCHEDULERS] = { .name = "supervisor.schedulers", .type = HX_TYPE_INT, .fallback = "1", .min = 0, .max = 16,
        .help = "Scheduler processes; 0 where another host's fleet has them." },

    [HX_WORKER_SLOTS] = { .name = "worker.slots", .type = HX_TYPE_INT, .fallback = "16", .min = 1, .max = 1024,
        .help = "Exec and HTTP jobs at once, a worker." },
    [HX_WORKER_LEASE] = { .name = "worker.lease", .type = HX_TYPE_DURATION, .fallback = "15s", .min = SECOND, .max = HOUR,
        .help = "A host, or a worker on a living host, silent this long has lost its jobs." },
    [HX_WORKER_BATCH] = { .name = "worker.batch", .type = HX_TYPE_INT, .fallback = "1000", .min = 1, .max = 3000,
        .help = "Jobs that a claim takes at most." },
    [HX_SCHEDULER_RETENTION] = { .name = "scheduler.retention", .type = HX_TYPE_DURATION, .fallback = "30d", .min = 0,
        .max = 36500 * DAY,
        .help = "Finished jobs older than this go, with their events; \"0\" keeps all." },
    [HX_API_LISTEN] = { .name = "api.listen", .type = HX_TYPE_STRING, .fallback = "127.0.0.1:8080", .min = 1, .max = 255,
        .fixed = true, .check = hx_check_listen,
        .help = "Address of the HTTP API." },
    [HX_API_AUTH] = { .name = "api.auth", .type = HX_TYPE_ENUM, .fallback = "token", .choices = "token none",
        .help = "\"none\" is refused unless `api.listen` is loopback." },

    [HX_JOBS_MAX_ATTEMPTS] = { .name = "jobs.max_attempts", .type = HX_TYPE_INT, .fallback = "5", .min = 1, .max = 1000,
        .help = "Starts of a job before it is a dead letter; a handler may set its own, as for the next three." },
    [HX_JOBS_TIMEOUT] = { .name = "jobs.timeout", .type = HX_TYPE_DURATION, .fallback = "5m", .min = 1, .max = 365 * DAY,
        .help = "How long one run may take." },
    [HX_JOBS_BACKOFF_BASE] = { .name = "jobs.backoff_base", .type = HX_TYPE_DURATION, .fallback = "1s", .min = 0, .max = 30 * DAY,
        .help = "Pause before the first retry; it doubles with each." },
    [HX_JOBS_BACKOFF_MAX] = { .name = "jobs.backoff_max", .type = HX_TYPE_DURATION, .fallback = "10m", .min = 0, .max = 365 * DAY,
        .help = "The longest pause between retries." },
    [HX_JOBS_KILL_GRACE] = { .name = "jobs.kill_grace", .type = HX_TYPE_DURATION, .fallback = "5s", .min = 0, .max = HOUR,
        .help = "From TERM to KILL of a handler." },
    [HX_JOBS_MAX_CRASHES] = { .name = "jobs.max_crashes", .type = HX_TYPE_INT, .fallback = "3", .min = 1, .max = 1000,
        .help = "Workers that a job may take down before it is poison." },
    [HX_JOBS_MAX_PAYLOAD] = { .name = "jobs.max_payload", .type = HX_TYPE_SIZE, .fallback = "1M", .min = 2, .max = 128 << 20,
        .help = "The largest payload." },

    [HX_LOG_FORMAT_KEY] = { .name = "log.format", .type = HX_TYPE_ENUM, .fallback = "auto", .choices = "auto journal json text",
        .help = "json is one object a line; auto: journald if attached, text on a terminal, else json." },
    [HX_LOG_LEVEL_KEY] = { .name = "log.level", .type = HX_TYPE_ENUM, .fallback = "info",
        .choices = "error warning notice info debug",
        .help = "The most talkative level that is written." },
    [HX_LOG_HEARTBEAT] = { .name = "log.heartbeat", .type = HX_TYPE_DURATION, .fallback = "20s", .min = 0, .max = DAY,
        .help = "Pause between `heartbeat` events; \"0\": none." },

    [HX_REDIS_URL] = { .name = "redis.url", .type = HX_TYPE_STRING, .old_name = "REDIS_URL", .secret_name = "redis-url",
        .environment_only = true, .check = hx_check_redis_url,
        .help = "Redis that readiness probes; unset: not probed." },
    [HX_QDRANT_URL] = { .name = "qdrant.url", .type = HX_TYPE_STRING, .old_name = "QDRANT_URL", .environment_only = true,
        .check = hx_check_http_url,
        .help = "Qdrant that readiness probes; unset: not probed." },
    [HX_GCS_ENDPOINT] = { .name = "gcs.endpoint", .type = HX_TYPE_STRING, .old_name = "GCS_ENDPOINT", .environment_only = true,
        .check = hx_check_http_url,
        .help = "GCS that readiness probes; unset: not probed." },
};
_Static_assert(HX_ARRAY_LEN(hx_table) == HX_KEYS, "each key has a row");

int hx_table_find(const char *name) {
    for (int key = 0; key < HX_KEYS; key++)
        if (hx_streq(hx_table[key].name, name))
            return key;
    return -1;
}

static const char *last_word(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

enum hx_key hx_table_nearest(const char *name) {
    enum hx_key best = 0;
    unsigned best_distance = UINT32_MAX;
    for (int key = 0; key < HX_KEYS; key++) {
        unsigned distance = hx_edit_distance(name, hx_table[key].name);
        unsigned words = hx_edit_distance(last_word(name), last_word(hx_table[key].name));
        if (words <= 1)
            distance = HX_MIN(distance, words * 2 + 1); /* right key, wrong section */
        if (distance < best_distance) {
            best_distance = distance;
            best = (enum hx_key)key;
        }
    }
    return best;
}

bool hx_table_has_section(const char *section) {
    size_t n = strlen(section);
    for (int key = 0; key < HX_KEYS; key++)
        if (strncmp(hx_table[key].name, section, n) == 0 && hx_table[key].name[n] == '.' && !hx_table[key].environment_only)
            return true;
    return false;
}

void hx_table_variable(enum hx_key key, struct hx_buf *out) {
    hx_buf_puts(out, "HEIMDEX_");
    for (const char *p = hx_table[key].name; *p; p++)
        hx_buf_putc(out, *p == '.' ? '_' : (char)toupper((unsigned char)*p));
}

static void append_choices(const char *choices, struct hx_buf *out) {
    const char *last = strrchr(choices, ' ');
    for (const char *p = choices; *p; p++) {
        if (*p != ' ')
            hx_buf_putc(out, *p);
        else
            hx_buf_puts(out, p == last ? " or " : ", ");
    }
}

void hx_table_expects(const struct hx_row *row, struct hx_buf *out) {
    char low[HX_DURATION_SIZE], high[HX_DURATION_SIZE];
    switch (row->type) {
    case HX_TYPE_INT:
    case HX_TYPE_PORT:
        if (row->min < 0)
            hx_buf_printf(out, "%" PRId64 " to %" PRId64, row->min, row->max);
        else
            hx_buf_printf(out, "%" PRId64 "-%" PRId64, row->min, row->max);
        break;
    case HX_TYPE_DURATION:
        hx_duration_format(row->min, low);
        hx_duration_format(row->max, high);
        hx_buf_printf(out, "a duration such as \"30s\", %s to %s", low, high);
        break;
    case HX_TYPE_SIZE:
        hx_size_format(row->min, low);
        hx_size_format(row->max, high);
        hx_buf_printf(out, "a size such as \"64K\", %s to %s", low, high);
        break;
    case HX_TYPE_BOOL:
        hx_buf_puts(out, "on or off");
        break;
    case HX_TYPE_ENUM:
        append_choices(row->choices, out);
        break;
    case HX_TYPE_LIST:
        hx_buf_puts(out, "a list of strings");
        break;
    case HX_TYPE_STRING:
        if (row->max > 0)
            hx_buf_printf(out, "a string of %" PRId64 "-%" PRId64 " bytes", row->min, row->max);
        else
            hx_buf_puts(out, "a string");
        break;
    }
}
