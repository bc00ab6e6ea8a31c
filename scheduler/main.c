/* heimdex-scheduler: the command line. */
#include "common/process.h"
#include "common/units.h"
#include "lib/config/logging.h"
#include "lib/config/program.h"
#include "lib/kafka/check.h"
#include "scheduler/scheduler.h"

#include <stdlib.h>
#include <string.h>

enum { SLOT, INCARNATION, INSTANCE, EVIDENCE_FD, CHANNEL_FD };

static const struct hx_option options[] = {
    [SLOT] = { "slot", 0, "N", "number of this scheduler in its fleet (the supervisor sets it)", NULL },
    [INCARNATION] = { "incarnation", 0, "UUID", "run of the supervisor: workers of its earlier runs are reaped", NULL },
    [INSTANCE] = { "instance", 0, "NAME", "name of the fleet on this host", NULL },
    [EVIDENCE_FD] = { "evidence-fd", 0, "FD", "where to show that we live (the supervisor sets it)", NULL },
    [CHANNEL_FD] = { "channel-fd", 0, "FD", "where the supervisor talks (the supervisor sets it)", NULL },
};

static const struct hx_program program = {
    .name = "heimdex-scheduler",
    .synopsis = "[--slot N] [--instance NAME]",
    .description = "Relays the outbox to Kafka, wakes jobs when they are due, sweeps up what was never announced, and "
                   "releases what dead "
                   "workers held. heimdex-supervisor starts and restarts it; alone it runs until TERM. Any number may "
                   "run at once.",
    .options = options,
    .option_count = HX_ARRAY_LEN(options),
    .check = hx_kafka_check,
    .checks_at_start = true,
};

struct start {
    struct scheduler scheduler;
    int evidence_fd, channel_fd;
};

static int bad_option(size_t index, const char *value) {
    hx_complain("--%s: %s: not a valid value", options[index].name, value);
    return HX_EXIT_USAGE;
}

static int take_option(size_t index, const char *value, void *user) {
    struct start *start = user;
    struct scheduler *s = &start->scheduler;
    int64_t number = 0;
    if (index == INSTANCE) {
        s->instance = value;
        return 0;
    }
    if (index == INCARNATION) {
        s->has_incarnation = hx_uuid_parse(value, &s->incarnation) == 0;
        return s->has_incarnation ? 0 : bad_option(index, value);
    }
    if (hx_int_parse(value, 0, 65535, &number) < 0)
        return bad_option(index, value);
    *(index == SLOT ? &s->slot : index == EVIDENCE_FD ? &start->evidence_fd : &start->channel_fd) = (int)number;
    return 0;
}

static int open_evidence(struct start *start) {
    int fd = -1;
    struct hx_evidence **ret = &start->scheduler.evidence;
    return start->evidence_fd >= 0 ? hx_evidence_map(start->evidence_fd, ret) : hx_evidence_create(&fd, ret);
}

static void introduce(struct scheduler *s) {
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    s->label = hx_printf("%s/%s/%d", host, s->instance, s->slot);
    hx_config_start_log(s->config, program.name, s->label);
}

int main(int argc, char **argv) {
    struct start start = { .evidence_fd = -1, .channel_fd = -1 };
    struct scheduler *s = &start.scheduler;
    struct hx_arguments arguments;
    s->incarnation = hx_uuid_v4();
    hx_hide_process();
    int code = hx_program_start(&program, argc, argv, take_option, &start, &arguments);
    if (code >= 0)
        return code;
    if (arguments.word_count) {
        hx_complain("%s: unexpected argument", arguments.words[0]);
        return HX_EXIT_USAGE;
    }
    s->config = arguments.config;
    if (!s->instance)
        s->instance = hx_config_string(s->config, HX_SERVICE_INSTANCE);
    introduce(s);
    if (open_evidence(&start) < 0 || hx_loop_new(&s->loop) < 0) {
        hx_error(NULL, "can't start: %m");
        return HX_EXIT_SOFTWARE;
    }
    if (start.channel_fd >= 0)
        hx_channel_new(s->loop, start.channel_fd, scheduler_heard, s, &s->channel);
    code = scheduler_run(s);
    s->channel = hx_channel_free(s->channel);
    if (scheduler_has_helper(s)) {
        hx_log_end();
        _exit(code); /* it reads the configuration still */
    }
    hx_loop_free(s->loop);
    hx_evidence_unmap(s->evidence);
    hx_config_free(arguments.config);
    free(s->label);
    return code;
}
