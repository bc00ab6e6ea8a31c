#include "lib/config/usage.h"

#include <string.h>

#define COLUMN 28 /* where help texts start */
#define WIDTH 100

const struct hx_option hx_common_options[] = {
    [HX_OPTION_CONFIG] = { "config", 0, "FILE", "read FILE instead of $HEIMDEX_CONFIG or /etc/heimdex/heimdex.conf",
                           NULL },
    [HX_OPTION_CONFIG_FD] = { "config-fd", 0, "N", NULL, NULL }, /* our own children's: not in --help */
    [HX_OPTION_SHOW_CONFIG] = { "show-config", 0, NULL, "print each configuration value, with where it came from",
                                NULL },
    [HX_OPTION_JSON] = { "json", 0, NULL, "with --show-config: one JSON document", NULL },
    [HX_OPTION_CHECK_CONFIG] = { "check-config", 0, NULL, "check the configuration and exit", NULL },
    [HX_OPTION_HELP] = { "help", 'h', NULL, "print this text", NULL },
    [HX_OPTION_VERSION] = { "version", 0, NULL, "print the version", NULL },
};
const size_t hx_common_option_count = HX_ARRAY_LEN(hx_common_options);

static void append_spaces(size_t n, struct hx_buf *out) {
    while (n-- > 0)
        hx_buf_putc(out, ' ');
}

/* Appends text from column `at` on, broken at spaces; further lines start at column `indent`. */
static void append_wrapped(const char *text, size_t at, size_t indent, struct hx_buf *out) {
    while (*text) {
        size_t n = strcspn(text, " \n");
        if (at > indent && at + 1 + n > WIDTH) {
            hx_buf_putc(out, '\n');
            append_spaces(indent, out);
            at = indent;
        } else if (at > indent) {
            hx_buf_putc(out, ' ');
            at++;
        }
        hx_buf_append(out, text, n);
        at += n;
        text += n;
        text += strspn(text, " \n");
    }
    hx_buf_putc(out, '\n');
}

static void append_option(const struct hx_option *o, struct hx_buf *out) {
    size_t start = out->len;
    if (!o->help)
        return;
    if (o->letter)
        hx_buf_printf(out, "  -%c, --%s", o->letter, o->name);
    else
        hx_buf_printf(out, "      --%s", o->name);
    if (o->argument)
        hx_buf_printf(out, " %s", o->argument);
    size_t used = out->len - start;
    if (used + 2 > COLUMN) {
        hx_buf_putc(out, '\n');
        used = 0;
    }
    append_spaces(COLUMN - used, out);
    append_wrapped(o->help, COLUMN, COLUMN, out);
}

static bool has_own(const struct hx_program *program, const char *name) {
    for (size_t i = 0; i < program->option_count; i++)
        if (hx_streq(program->options[i].name, name))
            return true;
    return false;
}

void hx_usage(const struct hx_program *program, struct hx_buf *out) {
    size_t start = out->len;
    hx_buf_printf(out, "Usage: %s", program->name);
    size_t used = out->len - start;
    append_wrapped(program->synopsis && *program->synopsis ? program->synopsis : "[OPTION]...", used, 7, out);
    if (program->description) {
        hx_buf_putc(out, '\n');
        append_wrapped(program->description, 0, 0, out);
    }
    if (program->option_count > 0)
        hx_buf_puts(out, "\nOptions:\n");
    for (size_t i = 0; i < program->option_count; i++)
        append_option(&program->options[i], out);
    hx_buf_puts(out, "\nCommon options:\n");
    for (size_t i = 0; i < hx_common_option_count; i++)
        if (!has_own(program, hx_common_options[i].name))
            append_option(&hx_common_options[i], out);
    if (program->epilogue && *program->epilogue)
        hx_buf_printf(out, "\n%s%s", program->epilogue,
                      program->epilogue[strlen(program->epilogue) - 1] == '\n' ? "" : "\n");
    hx_buf_puts(out, "\nConfiguration:\n  Every key of the file can be set in the environment: section.key is "
                     "HEIMDEX_SECTION_KEY, and the\n"
                     "  environment wins. --show-config lists all keys; heimdex.conf(5) explains them.\n");
}

const char *hx_usage_nearest(const struct hx_program *program, const char *name) {
    const char *nearest = NULL;
    unsigned least = (unsigned)HX_MAX(strlen(name) / 3, (size_t)2) + 1; /* what is further off is no misspelling */
    for (size_t i = 0; i < program->option_count + hx_common_option_count; i++) {
        const struct hx_option *o =
            i < program->option_count ? &program->options[i] : &hx_common_options[i - program->option_count];
        unsigned distance = strlen(name) > 1 && hx_startswith(o->name, name) ? 1 : hx_edit_distance(name, o->name);
        if (distance < least && o->help) {
            least = distance;
            nearest = o->name;
        }
    }
    return nearest;
}
