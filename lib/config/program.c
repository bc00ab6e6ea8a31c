#include "lib/config/program.h"

#include "lib/config/handler.h"
#include "lib/config/usage.h"

#include "common/exit_codes.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/redact.h"
#include "common/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A command line while it is read. */
struct parse {
    const struct hx_program *program;
    int argc, at;
    char **argv;
    hx_option_cb cb;
    void *user;
    const char *config;
    int config_fd;
    bool show, check, json;
    struct hx_arguments *ret;
};

/* "PROGRAM: message" on stderr; returns the exit code. */
static int complain(const struct parse *p, int exit_code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int complain(const struct parse *p, int exit_code, const char *fmt, ...) {
    _cleanup_buf_ struct hx_buf message = { 0 };
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&message, fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < message.len; i++)
        if ((unsigned char)message.data[i] < 0x20 || message.data[i] == 0x7f)
            message.data[i] = '?';
    _cleanup_free_ char *safe = hx_redacted(message.data);
    fprintf(stderr, "%s: %s\n", p->program->name, safe);
    return exit_code;
}

/* What goes to stdout counts as done only when it got there. */
static int print(const struct parse *p, const struct hx_buf *text) {
    if (fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout) != 0)
        return complain(p, HX_EXIT_UNAVAILABLE, "standard output: %s", strerror(errno));
    return HX_EXIT_OK;
}

/* An option by its long name (n bytes) or, where name is NULL, by its letter. NULL: there is none. */
static const struct hx_option *find_option(const struct hx_program *program, const char *name, size_t n, char letter) {
    for (size_t i = 0; i < program->option_count + hx_common_option_count; i++) {
        const struct hx_option *o =
            i < program->option_count ? &program->options[i] : &hx_common_options[i - program->option_count];
        if (name ? strlen(o->name) == n && memcmp(o->name, name, n) == 0 : o->letter == letter)
            return o;
    }
    return NULL;
}

static int fail_unknown(const struct parse *p, const char *word) {
    _cleanup_free_ char *name = hx_strndup(word, strcspn(word, "="));
    const char *nearest = hx_usage_nearest(p->program, name + 2);
    if (!nearest)
        return complain(p, HX_EXIT_USAGE, "%s: unknown option, --help lists them", name);
    return complain(p, HX_EXIT_USAGE, "%s: unknown option, did you mean --%s?", name, nearest);
}

static int take_common(struct parse *p, const struct hx_option *option, const char *value) {
    int64_t fd;
    switch ((enum hx_common_option)(option - hx_common_options)) {
    case HX_OPTION_CONFIG:
        if (*value == '\0')
            return complain(p, HX_EXIT_USAGE, "--config: needs a FILE");
        p->config = value;
        return -1;
    case HX_OPTION_CONFIG_FD:
        if (hx_int_parse(value, 0, INT32_MAX, &fd) < 0)
            return complain(p, HX_EXIT_USAGE, "--config-fd: %s: must be the number of a descriptor", value);
        p->config_fd = (int)fd;
        return -1;
    case HX_OPTION_SHOW_CONFIG: p->show = true; return -1;
    case HX_OPTION_CHECK_CONFIG: p->check = true; return -1;
    case HX_OPTION_JSON: p->json = true; return -1;
    case HX_OPTION_HELP:
    case HX_OPTION_VERSION: break;
    }
    _cleanup_buf_ struct hx_buf text = { 0 };
    if (option == &hx_common_options[HX_OPTION_HELP])
        hx_usage(p->program, &text);
    else
        hx_buf_printf(&text, "%s %s\n", p->program->name, HX_VERSION);
    return print(p, &text);
}

/* Hands an option over. -1 to go on, or an exit code. */
static int take(struct parse *p, const struct hx_option *option, const char *value) {
    if (option >= hx_common_options && option < hx_common_options + hx_common_option_count)
        return take_common(p, option, value);
    p->json |= hx_streq(option->name, hx_common_options[HX_OPTION_JSON].name);
    int r = p->cb ? p->cb((size_t)(option - p->program->options), value, p->user) : 0;
    return r == 0 ? -1 : r;
}

static bool is_optional(const struct hx_option *option) {
    return option->argument && option->argument[0] == '[';
}

/* The value of an option that wants one and has none attached: the next word. -1 and *ret_value, or an exit code. */
static int next_value(struct parse *p, const struct hx_option *option, const char **ret_value) {
    const char *next = p->at + 1 < p->argc ? p->argv[p->at + 1] : NULL;
    if (!option->argument || (is_optional(option) && (!next || !option->accepts || !option->accepts(next))))
        return -1;
    if (!next)
        return complain(p, HX_EXIT_USAGE, "--%s: needs a value: %s", option->name, option->argument);
    p->at++;
    *ret_value = next;
    return -1;
}

/* --name, --name=value. */
static int parse_long(struct parse *p, const char *word) {
    size_t n = strcspn(word + 2, "=");
    const struct hx_option *option = find_option(p->program, word + 2, n, 0);
    if (!option)
        return fail_unknown(p, word);
    const char *value = word[2 + n] == '=' ? word + 2 + n + 1 : NULL;
    if (value && !option->argument)
        return complain(p, HX_EXIT_USAGE, "--%s: takes no value", option->name);
    int r = value ? -1 : next_value(p, option, &value);
    return r >= 0 ? r : take(p, option, value);
}

/* -j, -jq, -n5, -n 5. */
static int parse_letters(struct parse *p, const char *word) {
    for (const char *letter = word + 1; *letter; letter++) {
        const struct hx_option *option = find_option(p->program, NULL, 0, *letter);
        if (!option)
            return complain(p, HX_EXIT_USAGE, "-%c: unknown option, --help lists all", *letter);
        const char *value = option->argument && letter[1] ? letter + 1 : NULL;
        int r = value ? -1 : next_value(p, option, &value);
        if (r < 0)
            r = take(p, option, value);
        if (r >= 0)
            return r;
        if (value)
            break;
    }
    return -1;
}

/* "-" is a word (standard input), and so is "-1" (of `downgrade -1`) unless a program has digits for letters. */
static bool is_option(const char *word) {
    return word[0] == '-' && word[1] != '\0' && !isdigit((unsigned char)word[1]);
}

static int parse_words(struct parse *p) {
    bool ended = false;
    for (p->at = 1; p->at < p->argc; p->at++) {
        char *word = p->argv[p->at];
        int r = -1;
        if (ended || !is_option(word))
            p->ret->words[p->ret->word_count++] = word;
        else if (hx_streq(word, "--"))
            ended = true;
        else
            r = word[1] == '-' ? parse_long(p, word) : parse_letters(p, word);
        if (r >= 0)
            return r;
    }
    return -1;
}

static int load_packed(int fd, struct hx_config **ret, struct hx_config_error *e) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    for (;;) {
        /* pread: several children may share one descriptor, and with it one offset */
        ssize_t n = pread(fd, hx_buf_reserve(&text, 16384), 16384, (off_t)text.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int r = -errno;
            snprintf(e->message, sizeof e->message, "--config-fd %d: %s", fd, strerror(errno));
            return r;
        }
        if (n == 0)
            break;
        text.len += (size_t)n;
    }
    int r = hx_config_unpack(text.data, text.len, ret, e);
    if (text.data)
        explicit_bzero(text.data, text.cap);
    return r;
}

static void print_warnings(const struct parse *p, const struct hx_config *config) {
    size_t n;
    const char *const *warnings = hx_config_warnings(config, &n);
    for (size_t i = 0; i < n; i++)
        complain(p, 0, "warning: %s", warnings[i]);
}

/* A program whose own table has --json knows what to do with it. -1, or an exit code. */
static int refuse_json(const struct parse *p) {
    const char *name = hx_common_options[HX_OPTION_JSON].name;
    bool is_ours = find_option(p->program, name, strlen(name), 0) == &hx_common_options[HX_OPTION_JSON];
    return p->json && is_ours ? complain(p, HX_EXIT_USAGE, "--%s: only with --show-config", name) : -1;
}

/* 0, or an exit code. */
static int check(const struct parse *p) {
    bool starts = p->program->checks_at_start && p->config_fd < 0 && !p->show;
    return p->program->check && (p->check || starts) ? p->program->check(p->ret->config, p->user) : 0;
}

/* A daemon's end is an operator's business: where it is one of the journal's lines, it is one that can be found by its event. */
static int refuse(const struct parse *p, const char *why) {
    if (!p->program->checks_at_start || p->show || p->check || !hx_log_has_journal())
        return complain(p, HX_EXIT_CONFIG, "%s", why);
    hx_log_init(&(struct hx_log_options){ .service = p->program->name, .level = HX_LOG_INFO });
    hx_error(HX_EVENT("configuration.refused"), "%s", why);
    return HX_EXIT_CONFIG;
}

static int finish(struct parse *p) {
    struct hx_config_error error = { 0 };
    int r = p->config_fd >= 0 ? load_packed(p->config_fd, &p->ret->config, &error)
                              : hx_config_load(p->config, &p->ret->config, &error);
    if (r < 0)
        return refuse(p, error.message);
    if (p->check)
        hx_handler_check_programs(p->ret->config);
    if (p->config_fd < 0)
        print_warnings(p, p->ret->config);
    bool prints = p->show || p->check;
    if (!prints && (r = refuse_json(p)) >= 0)
        return r;
    r = check(p);
    if (!prints)
        return r ? r : -1;
    _cleanup_buf_ struct hx_buf text = { 0 };
    if (p->show && p->json)
        hx_config_show_document(p->ret->config, &text);
    else if (p->show)
        hx_config_show(p->ret->config, &text);
    else if (r == 0)
        hx_buf_printf(&text, "%s: configuration ok\n", p->program->name);
    return r ? r : print(p, &text);
}

int hx_program_start(const struct hx_program *program, int argc, char **argv, hx_option_cb cb, void *user,
                     struct hx_arguments *ret) {
    *ret = (struct hx_arguments){ 0 };
    struct parse p = {
        .program = program, .argc = argc, .argv = argv, .cb = cb, .user = user, .config_fd = -1, .ret = ret
    };
    ret->words = argv + 1; /* words move to the front of argv: there are never more of them than were read */
    int r = hx_fail_start();
    if (r == 0)
        r = parse_words(&p);
    if (r < 0)
        r = finish(&p);
    if (r >= 0)
        ret->config = hx_config_free(ret->config);
    return r;
}
