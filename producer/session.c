#include "producer/session.h"

#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "lib/kafka/options.h"
#include "producer/failure.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Waiting for Kafka and closing it must not take two seconds, whatever state it is in. */
enum { KAFKA_MS = 1400, OUTBOX_MS = 1000 };

static void on_state(struct hx_pg *pg, bool connected, const struct hx_pg_error *why, void *user) {
    (void)pg, (void)why;
    const struct session *s = user;
    if (connected && s->sender)
        sender_connected(s->sender);
}

static int open_pg(struct session *s) {
    const struct hx_config *config = s->arguments->config;
    int64_t timeout_ms = hx_config_int(config, HX_POSTGRES_TIMEOUT);
    s->timeout_ms = timeout_ms - timeout_ms / 20; /* so that we have ended within it */
    struct hx_pg_options options = {
        .application_name = "heimdex-submit",
        .timeout_ms = s->timeout_ms,
        .depth = SENDER_DEPTH,
        .fail_fast = true,
        .no_prepare = !hx_config_int(config, HX_POSTGRES_PREPARED_STATEMENTS),
    };
    hx_config_postgres(config, &options.keywords, &options.values);
    int r = hx_pg_new(s->loop, &options, on_state, s, &s->pg);
    if (r < 0)
        hx_complain("PostgreSQL: %s", strerror(-r));
    return r < 0 ? HX_EXIT_CONFIG : HX_EXIT_OK;
}

static int open_kafka(struct session *s) {
    struct hx_kafka_error error = { 0 };
    int r = announcer_new(s->loop, s->arguments->config, &s->announcer, &error);
    if (r < 0) {
        hx_complain("%s: %s", hx_kafka_culprit(r), error.message);
        return r == -EINVAL ? HX_EXIT_CONFIG : HX_EXIT_UNAVAILABLE;
    }
    announcer_expect(s->announcer, s->arguments->job.priority > 0);
    return HX_EXIT_OK;
}

int session_open(const struct arguments *arguments, const struct session_callbacks *callbacks, struct session *ret) {
    struct session *s = ret;
    *s = (struct session){ .arguments = arguments };
    int r = hx_loop_new(&s->loop);
    if (r < 0) {
        hx_complain("event loop: %s", strerror(-r));
        return HX_EXIT_SOFTWARE;
    }
    s->output = output_new(s->loop, STDOUT_FILENO);
    r = open_kafka(s);
    if (r == 0)
        r = open_pg(s);
    if (r != 0)
        return r;
    struct sender_options options = {
        .loop = s->loop,
        .pg = s->pg,
        .announcer = s->announcer,
        .timeout_ms = s->timeout_ms,
        .skip_refused = arguments->skip_bad,
        .settled = callbacks->settled,
        .refused = callbacks->refused,
        .user = callbacks->user,
    };
    s->sender = sender_new(&options);
    sender_add(s->sender,
               sender_take_spare(s->sender)); /* without jobs: reads the types, and finds out about the server */
    return HX_EXIT_OK;
}

/* The rows of what was delivered since the last batch; if that fails, the relay announces once more, which does no harm. */
static void delete_delivered(struct session *s) {
    _cleanup_free_ int64_t *ids = NULL;
    size_t n = announcer_take_delivered(s->announcer, &ids);
    if (n == 0 || !s->pg || !hx_pg_connected(s->pg))
        return;
    struct hx_pg_tx *tx = hx_pg_tx_new("delivered");
    hx_ledger_outbox_done(tx, ids, n);
    hx_pg_run(s->pg, tx, OUTBOX_MS, NULL, NULL, NULL);
}

static void say_what_is_left(const struct session *s) {
    const struct hx_kafka_error *refusal = announcer_refusal(s->announcer);
    _cleanup_free_ char *silent = hx_printf("%s: no answer", hx_config_string(s->arguments->config, HX_KAFKA_BROKERS));
    hx_complain("Kafka: %s: the fleet takes the jobs from PostgreSQL", refusal ? refusal->message : silent);
}

int session_close(struct session *s, int exit_code) {
    if (s->sender && s->loop_error == 0)
        output_drain(s->output); /* what is durable is said, whatever came after it */
    HX_FAIL_HERE("submit.after_ack");
    if (s->sender && session_is_well(s)) {
        announcer_wait(s->announcer, KAFKA_MS);
        delete_delivered(s);
        if (announcer_left(s->announcer) > 0)
            say_what_is_left(s);
    }
    hx_pg_free(s->pg);
    sender_free(s->sender);
    announcer_free(s->announcer);
    output_free(s->output);
    hx_loop_free(s->loop);
    return exit_code;
}

void session_print(struct session *s, const struct answer *answer) {
    HX_FAIL_HERE("submit.before_ack");
    struct hx_buf *out = output_buffer(s->output);
    char id[HX_UUID_SIZE];
    hx_uuid_format(&answer->id, id);
    if (s->arguments->json) {
        hx_buf_printf(out, "{\"id\":\"%s\",\"created\":%s,\"status\":%s}\n", id, answer->created ? "true" : "false",
                      answer->created ? "\"queued\"" : "null");
        return;
    }
    id[HX_UUID_SIZE - 1] = '\n';
    hx_buf_append(out, id, HX_UUID_SIZE);
}

void session_turn(struct session *s) {
    int r = hx_loop_once(s->loop, -1);
    if (r < 0)
        s->loop_error = r;
}

bool session_is_well(const struct session *s) {
    return s->loop_error == 0 && output_error(s->output) == 0 && !sender_error(s->sender);
}

int session_complain(const struct session *s) {
    if (sender_error(s->sender))
        return failure_complain(sender_error(s->sender));
    if (output_error(s->output) == 0 && s->loop_error == 0)
        return HX_EXIT_OK;
    if (s->loop_error < 0)
        hx_complain("event loop: %s", strerror(-s->loop_error));
    else
        hx_complain("standard output: %s", strerror(-output_error(s->output)));
    return s->loop_error < 0 ? HX_EXIT_SOFTWARE : HX_EXIT_UNAVAILABLE;
}
