#include "ctl/command.h"

#include "common/log.h"

#include <limits.h>

#define BIT(name) CTL_BIT(CTL_##name)

static const struct ctl_command commands[] = {
    { "status", "", 0, 0, 0, "the fleet, the queues, what waits and why, what is stuck", ctl_status },
    { "jobs", "", 0, 0, BIT(STATUS) | BIT(TYPE) | BIT(ORG) | BIT(SINCE) | BIT(UNTIL) | BIT(LIMIT),
      "the newest jobs (50); without --since a long search stops after 2 s, and says how far it came", ctl_jobs },
    { "job", "ID", 1, 1, 0, "one job and its events", ctl_job },
    { "events", "", 0, 0, BIT(FOLLOW) | BIT(JOB) | BIT(LIMIT), "the newest events (100), oldest first", ctl_events },
    { "workers", "", 0, 0, 0, "each worker, what it holds and what it can run", ctl_workers },
    { "cancel", "ID...", 1, INT_MAX, BIT(REASON) | BIT(WAIT), "cancel jobs; running ones are asked to stop",
      ctl_cancel },
    { "retry", "ID...", 1, INT_MAX, BIT(REASON), "queue failed, canceled or dead jobs again", ctl_retry },
    { "redrive", "", 0, 0, BIT(TYPE) | BIT(ERROR) | BIT(SINCE) | BIT(UNTIL) | BIT(LIMIT) | BIT(DRY_RUN) | BIT(REASON),
      "queue dead letters again, oldest first", ctl_redrive },
    { "pause", "TYPE", 1, 1, 0, "start no more jobs of a type", ctl_pause },
    { "resume", "TYPE", 1, 1, 0, "start them again", ctl_resume },
    { "reload", "", 0, 0, 0,
      "have this host's fleet read its configuration again; waits until it is in force, or refused", ctl_reload },
    { "doctor", "", 0, 0, 0, "try every dependency; what is wrong, and the command that mends it", ctl_doctor },
};

const struct ctl_command *command_find(const char *name) {
    for (size_t i = 0; i < HX_ARRAY_LEN(commands); i++)
        if (hx_streq(commands[i].name, name))
            return &commands[i];
    return NULL;
}

const char *command_nearest(const char *name) {
    const char *nearest = commands[0].name;
    unsigned least = UINT_MAX;
    for (size_t i = 0; i < HX_ARRAY_LEN(commands); i++) {
        unsigned distance = hx_edit_distance(name, commands[i].name);
        if (distance < least) {
            least = distance;
            nearest = commands[i].name;
        }
    }
    return nearest;
}

static int check_words(const struct ctl_command *command, char *const *words, int count) {
    if (count < command->words_min) {
        hx_complain("%s: %s: missing", command->name, command->words);
        return HX_EXIT_USAGE;
    }
    if (count > command->words_max) {
        hx_complain("%s: %s: unexpected argument", command->name, words[command->words_max]);
        return HX_EXIT_USAGE;
    }
    return 0;
}

static int check_options(const struct ctl_command *command, unsigned given) {
    unsigned wrong = given & ~(command->options | BIT(JSON));
    for (size_t i = 0; i < CTL_OPTIONS; i++) {
        if (wrong & CTL_BIT(i)) {
            hx_complain("%s: --%s: not an option of this command", command->name, ctl_options[i].name);
            return HX_EXIT_USAGE;
        }
    }
    return 0;
}

int command_choose(struct ctl *c, char *const *words, int count) {
    if (!count) {
        hx_complain("command: missing: try heimdexctl status, or heimdexctl --help");
        return HX_EXIT_USAGE;
    }
    c->command = command_find(words[0]);
    if (!c->command) {
        hx_complain("%s: unknown command, did you mean %s?", words[0], command_nearest(words[0]));
        return HX_EXIT_USAGE;
    }
    c->words = words + 1;
    c->word_count = count - 1;
    int r = check_words(c->command, c->words, c->word_count);
    return r ? r : check_options(c->command, c->args.given);
}

static void help_options(const struct ctl_command *command, struct hx_buf *out) {
    for (size_t i = 0; i < CTL_OPTIONS; i++)
        if (command->options & CTL_BIT(i))
            hx_buf_printf(out, " [--%s%s%s]", ctl_options[i].name, ctl_options[i].argument ? " " : "",
                          ctl_options[i].argument ? ctl_options[i].argument : "");
}

void command_help(struct hx_buf *out) {
    hx_buf_puts(out, "Commands:\n");
    for (size_t i = 0; i < HX_ARRAY_LEN(commands); i++) {
        const struct ctl_command *command = &commands[i];
        hx_buf_printf(out, "  %s%s%s", command->name, *command->words ? " " : "", command->words);
        help_options(command, out);
        hx_buf_printf(out, "\n      %s\n", command->help);
    }
    hx_buf_puts(
        out,
        "\nExit codes: 0 done; 1 no (no such job, nothing matched, not well); 64 usage; 69 PostgreSQL or the "
        "supervisor away;\n"
        "75 try again later, or nothing found as far as was looked; 77 not permitted; 78 configuration or schema.\n");
}
