#include "common/clock.h"
#include "common/log.h"
#include "ctl/command.h"
#include "ctl/output.h"
#include "lib/kafka/check.h"

#include <signal.h>

/* The reader of our output may go away at any time: that is an error of write, not our death. */
static void ignore_broken_pipes(void) {
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
}

static int run(struct ctl *c) {
    c->now_us = hx_wall_us();
    c->colored = output_colored();
    if (hx_loop_new(&c->loop) < 0) {
        hx_complain("event loop: %m");
        return HX_EXIT_SOFTWARE;
    }
    int code = c->command->run(c);
    hx_pg_free(c->pg);
    hx_loop_free(c->loop);
    return code;
}

int main(int argc, char **argv) {
    _cleanup_buf_ struct hx_buf help = { 0 };
    command_help(&help);
    const struct hx_program program = {
        .name = "heimdexctl",
        .synopsis = "COMMAND [ARGUMENT]... [OPTION]...",
        .description = "Shows what the jobs and the fleet are doing, and why, and steers them. It talks to PostgreSQL; "
                       "only doctor needs Kafka too, and reload the supervisor alone.",
        .options = ctl_options,
        .option_count = CTL_OPTIONS,
        .epilogue = help.data,
        .check = hx_kafka_check,
    };
    struct ctl c = { 0 };
    struct hx_arguments arguments;
    ignore_broken_pipes();
    ctl_arguments_init(&c.args);
    int code = hx_program_start(&program, argc, argv, ctl_take_option, &c.args, &arguments);
    if (code >= 0)
        return code;
    c.config = arguments.config;
    code = command_choose(&c, arguments.words, arguments.word_count);
    if (!code)
        code = run(&c);
    hx_config_free(arguments.config);
    return code;
}
