#include "producer/arguments.h"

#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "common/units.h"
#include "lib/kafka/check.h"
#include "producer/field.h"
#include "producer/payload.h"

enum option {
    PAYLOAD,
    ORG,
    PRIORITY,
    KEY,
    REQUESTED_BY,
    DELAY,
    AT,
    MAX_ATTEMPTS,
    TIMEOUT,
    WAIT,
    BATCH,
    SKIP_BAD,
    JSON,
    OPTIONS
};

static bool is_duration(const char *word) {
    int64_t ms;
    return hx_duration_parse(word, &ms) == 0;
}

static const struct hx_option options[] = {
    [PAYLOAD] = { "payload", 0, "JSON|@FILE|-", "the payload, a file that holds it, or standard input ({})", NULL },
    [ORG] = { "org", 0, "UUID", "the organisation (00000000-0000-0000-0000-000000000000)", NULL },
    [PRIORITY] = { "priority", 0, "N", "over 0: before the rest, the highest first (0)", NULL },
    [KEY] = { "key", 0, "KEY", "idempotency key: submitted again, the first job's id comes back", NULL },
    [REQUESTED_BY] = { "requested-by", 0, "WHO", "kept with the job", NULL },
    [DELAY] = { "delay", 0, "D", "run it that much later, e.g. 30s, 5m, 2d", NULL },
    [AT] = { "at", 0, "TIME", "run it then (RFC 3339)", NULL },
    [MAX_ATTEMPTS] = { "max-attempts", 0, "N", "starts before it is a dead letter (the handler's)", NULL },
    [TIMEOUT] = { "timeout", 0, "D", "how long one run may take (the handler's)", NULL },
    [WAIT] = { "wait", 0, "[D]", "wait for its end, at most D, and print its result", is_duration },
    [BATCH] = { "batch", 0, "FILE|-", "submit each line of a file or of standard input", NULL },
    [SKIP_BAD] = { "skip-bad", 0, NULL, "with --batch: go on behind bad lines", NULL },
    [JSON] = { "json", 0, NULL, "print JSON objects instead of ids", NULL },
};
_Static_assert(HX_ARRAY_LEN(options) == OPTIONS, "each option has a row");

static const struct hx_program program = {
    .name = "heimdex-submit",
    .synopsis = "TYPE [--payload JSON|@FILE|-] [--org UUID] [--priority N] [--key KEY] [--requested-by WHO] "
                "[--delay D | --at TIME] [--max-attempts N] [--timeout D] [--wait [D]]\n"
                "       heimdex-submit --batch FILE|- [--skip-bad]",
    .description = "Submits a job, or one for each line of a batch, and prints their ids. An id that was printed is "
                   "committed: the job is "
                   "never lost.",
    .options = options,
    .option_count = OPTIONS,
    .epilogue =
        "A line of a batch is a JSON object: type, and where wanted payload, org_id, priority, idempotency_key,\n"
        "requested_by, run_at, max_attempts, timeout. TRACEPARENT of the environment goes to the handlers.\n\n"
        "Exit: 0 done; 1 with --wait: the job did not succeed; 64 usage; 65 bad payload or line; 69 PostgreSQL is\n"
        "away; 77 not permitted; 78 configuration or schema.\n",
    .check = hx_kafka_check,
};

static int fail_value(enum option o, const char *value, const char *must) {
    hx_complain("--%s: %s: must be %s", options[o].name, value, must);
    return HX_EXIT_USAGE;
}

static const char *set_delay(struct arguments *a, const char *value) {
    int64_t ms;
    const char *must = field_delay(value, &ms);
    if (!must && ms > 0)
        a->job.run_at = hx_wall_us() + ms * 1000;
    return must;
}

/* NULL, or what the value must be. */
static const char *set_value(struct arguments *a, enum option o, const char *value) {
    switch (o) {
    case PAYLOAD: a->payload_option = value; return NULL;
    case ORG: return field_org(value, &a->job.org_id);
    case PRIORITY: return field_priority(value, &a->job.priority);
    case KEY: return field_label(a->job.key = value);
    case REQUESTED_BY: return field_label(a->job.requested_by = value);
    case DELAY: return set_delay(a, value);
    case AT: return field_run_at(value, &a->job.run_at);
    case MAX_ATTEMPTS: return field_max_attempts(value, &a->job.max_attempts);
    case TIMEOUT: return field_timeout(value, &a->job.timeout_ms);
    case WAIT: a->wait = true; return value ? field_delay(value, &a->wait_ms) : NULL;
    case BATCH: a->batch = value; return *value ? NULL : "the name of a file, or -";
    case SKIP_BAD: a->skip_bad = true; return NULL;
    case JSON: a->json = true; return NULL;
    case OPTIONS: break;
    }
    return NULL;
}

static int on_option(size_t index, const char *value, void *user) {
    struct arguments *a = user;
    const char *must = set_value(a, (enum option)index, value);
    a->given |= 1u << index;
    return must ? fail_value((enum option)index, value, must) : HX_EXIT_OK;
}

/* A batch's jobs are described by its lines. */
static int check_batch(const struct arguments *a, const struct hx_arguments *words) {
    if (words->word_count > 0) {
        hx_complain("%s: no type is given with --batch: each line has its own", words->words[0]);
        return HX_EXIT_USAGE;
    }
    for (enum option o = PAYLOAD; o <= WAIT; o++)
        if (a->given & 1u << o) {
            hx_complain("--%s: not with --batch", options[o].name);
            return HX_EXIT_USAGE;
        }
    return -1;
}

static int check_single(struct arguments *a, const struct hx_arguments *words) {
    if (words->word_count != 1) {
        hx_complain(words->word_count ? "%s: one TYPE only" : "TYPE is missing, --help explains",
                    words->word_count ? words->words[1] : "");
        return HX_EXIT_USAGE;
    }
    a->job.type = words->words[0];
    const char *must = field_type(a->job.type);
    if (must) {
        hx_complain("TYPE: %s: must be %s", a->job.type, must);
        return HX_EXIT_USAGE;
    }
    if (a->given & 1u << DELAY && a->given & 1u << AT) {
        hx_complain("--delay, --at: only one of them");
        return HX_EXIT_USAGE;
    }
    if (a->skip_bad) {
        hx_complain("--skip-bad: only with --batch");
        return HX_EXIT_USAGE;
    }
    size_t max = (size_t)hx_config_int(a->config, HX_JOBS_MAX_PAYLOAD);
    return a->payload_option ? payload_load(a->payload_option, max, &a->payload) : -1;
}

int arguments_read(int argc, char **argv, struct arguments *ret) {
    struct arguments *a = ret;
    struct hx_arguments words;
    *a = (struct arguments){ .wait_ms = -1 };
    a->job = (struct hx_new_job){
        .org_id = field_no_org, .max_attempts = INT32_MIN, .timeout_ms = INT64_MIN, .run_at = HX_NO_TIME
    };
    hx_log_init(&(struct hx_log_options){ .service = program.name, .format = HX_LOG_TEXT, .level = HX_LOG_WARNING });
    int r = hx_program_start(&program, argc, argv, on_option, a, &words);
    if (r >= 0)
        return r;
    a->config = words.config;
    r = a->batch ? check_batch(a, &words) : check_single(a, &words);
    if (r >= 0)
        return r;
    const char *traceparent = getenv("TRACEPARENT");
    if (field_is_traceparent(traceparent))
        a->traceparent = traceparent;
    a->job.traceparent = a->traceparent;
    a->job.payload = a->payload.data;
    a->job.payload_len = a->payload.len;
    return -1;
}

void arguments_free(struct arguments *a) {
    hx_config_free(a->config);
    hx_buf_reset(&a->payload);
}
