/* What all programs' command lines have in common: --config --help --version --show-config [--json] --check-config, errors in one form. */
#pragma once

#include "lib/config/config.h"

struct hx_option {
    const char *name; /* long name without dashes */
    char letter;      /* 0: none */
    /* "N", "FILE" …; NULL: takes none; "[D]": optional (--name=D, whatever it is, or the next word where `accepts` says that it is one) */
    const char *argument;
    const char *help;
    bool (*accepts)(const char *word); /* for optional arguments */
};

struct hx_program {
    const char *name;        /* "heimdex-submit" */
    const char *synopsis;    /* "TYPE [--payload JSON|@FILE|-] …" */
    const char *description; /* one paragraph */
    const struct hx_option *options;
    size_t option_count;
    const char *epilogue; /* further help text, or NULL */
    /* What --check-config checks beyond the table: lib/config knows neither librdkafka nor other programs. NULL: nothing. 0, or an exit
     * code, complained of; user is hx_program_start's. */
    int (*check)(const struct hx_config *config, void *user);
    /* A daemon: the same at its start, so that it ends at once, in one line; not what came by --config-fd, which whoever read the file
     * has had checked. */
    bool checks_at_start;
};

/* Called for each option of the program's own table: index into options, value or NULL. 0, or an exit code. */
typedef int (*hx_option_cb)(size_t index, const char *value, void *user);

struct hx_arguments {
    struct hx_config *config; /* loaded and checked; caller frees with hx_config_free */
    char **words;             /* what isn't an option, in order (the front of argv, which is reordered) */
    int word_count;
};

/* Parses argv (options may stand anywhere; "--" ends them; --config-fd N, for our own children, reads a packed configuration), loads
 * the configuration, handles the common options. Returns -1 to go on with *ret, or the exit code to end with: 0 after --help,
 * --version, --show-config, --check-config; HX_EXIT_USAGE; HX_EXIT_CONFIG. Complaints are printed. Warnings about unknown HEIMDEX_*
 * variables are printed on stderr unless it came by --config-fd. */
int hx_program_start(const struct hx_program *program, int argc, char **argv, hx_option_cb cb, void *user,
                     struct hx_arguments *ret);
