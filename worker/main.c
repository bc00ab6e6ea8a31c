/* heimdex-worker: the command line. */
#include "common/process.h"
#include "common/units.h"
#include "lib/config/logging.h"
#include "lib/config/program.h"
#include "lib/kafka/check.h"
#include "worker/cgroup.h"
#include "worker/worker.h"

#include <stdlib.h>
#include <string.h>

enum { SLOT, INCARNATION, INSTANCE, EVIDENCE_FD, CHANNEL_FD, CGROUP_FD };

static const struct hx_option options[] = {
    [SLOT] = { "slot", 0, "N", "number of this worker in its fleet (the supervisor sets it)", NULL },
    [INCARNATION] = { "incarnation", 0, "UUID", "run of the supervisor (the supervisor sets it)", NULL },
    [INSTANCE] = { "instance", 0, "NAME", "name of the fleet on this host", NULL },
    [EVIDENCE_FD] = { "evidence-fd", 0, "FD", "where to keep what was started (the supervisor sets it)", NULL },
    [CHANNEL_FD] = { "channel-fd", 0, "FD", "where the supervisor talks (the supervisor sets it)", NULL },
    [CGROUP_FD] = { "cgroup-fd", 0, "FD", "where runs get control groups (the supervisor sets it)", NULL },
};

static const struct hx_program program = {
    .name = "heimdex-worker",
    .synopsis = "[--slot N] [--instance NAME]",
    .description = "Takes jobs from Kafka, runs their handlers and commits every transition to PostgreSQL. "
                   "heimdex-supervisor starts "
                   "and restarts it; alone it runs until TERM.",
    .options = options,
    .option_count = HX_ARRAY_LEN(options),
    .check = hx_kafka_check,
    .checks_at_start = true,
};

struct start {
    struct worker worker;
    int evidence_fd, channel_fd, cgroup_fd;
};

static int bad_option(size_t index, const char *value) {
    hx_complain("--%s: %s: not a valid value", options[index].name, value);
    return HX_EXIT_USAGE;
}

static int take_option(size_t index, const char *value, void *user) {
    struct start *s = user;
    int64_t number = 0;
    if (index == INSTANCE) {
        s->worker.instance = value;
        return 0;
    }
    if (index == INCARNATION)
        return hx_uuid_parse(value, &s->worker.incarnation) < 0 ? bad_option(index, value) : 0;
    if (hx_int_parse(value, 0, 65535, &number) < 0)
        return bad_option(index, value);
    int *const places[] = { [SLOT] = &s->worker.slot,
                            [EVIDENCE_FD] = &s->evidence_fd,
                            [CHANNEL_FD] = &s->channel_fd,
                            [CGROUP_FD] = &s->cgroup_fd };
    *places[index] = (int)number;
    return 0;
}

/* The supervisor is gone, or says that no more is to be claimed, or for how long what runs may go on. */
static void heard(struct hx_channel *channel, const json_t *message, int fd, void *user) {
    struct worker *w = user;
    const char *op = NULL;
    json_int_t ms;
    (void)channel;
    hx_close_p(&fd);
    if (!message) {
        hx_error(NULL, "the supervisor is gone, ending");
        worker_leave(w, HX_EXIT_TRY_AGAIN);
    } else if (hx_json_get_string(message, "op", &op) > 0 && hx_streq(op, "retire")) {
        worker_retire(w);
    } else if (hx_streq(op, "drain") && hx_json_get_int(message, "within_ms", &ms) > 0) {
        worker_drain_within(w, ms);
    } else if (hx_streq(op, "lease") && hx_json_get_int(message, "ms", &ms) > 0) {
        worker_lease_shorten(w, ms);
    } else if (hx_streq(op, "hurry")) {
        worker_hurry(w);
    }
}

static int open_evidence(struct start *s) {
    int fd = -1;
    return s->evidence_fd >= 0 ? hx_evidence_map(s->evidence_fd, &s->worker.evidence)
                               : hx_evidence_create(&fd, &s->worker.evidence);
}

static void introduce(struct worker *w) {
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    w->label = hx_printf("%s/%s/%d", host, w->instance, w->slot);
    hx_config_start_log(w->config, program.name, w->label);
}

int main(int argc, char **argv) {
    struct start s = { .evidence_fd = -1, .channel_fd = -1, .cgroup_fd = -1 };
    struct worker *w = &s.worker;
    struct hx_arguments arguments;
    w->incarnation = hx_uuid_v4();
    hx_hide_process();
    int code = hx_program_start(&program, argc, argv, take_option, &s, &arguments);
    if (code >= 0)
        return code;
    if (arguments.word_count) {
        hx_complain("%s: unexpected argument", arguments.words[0]);
        return HX_EXIT_USAGE;
    }
    w->config = arguments.config;
    if (!w->instance)
        w->instance = hx_config_string(w->config, HX_SERVICE_INSTANCE);
    introduce(w);
    if (open_evidence(&s) < 0 || hx_loop_new(&w->loop) < 0) {
        hx_error(NULL, "can't start: %m");
        return HX_EXIT_SOFTWARE;
    }
    if (s.channel_fd >= 0)
        hx_channel_new(w->loop, s.channel_fd, heard, w, &w->channel);
    if (s.cgroup_fd >= 0)
        cgroups_start(w, s.cgroup_fd);
    code = worker_run(w);
    cgroups_free(w->cgroups);
    hx_channel_free(w->channel);
    hx_loop_free(w->loop);
    hx_evidence_unmap(w->evidence);
    hx_config_free(arguments.config);
    free(w->label);
    return code;
}
