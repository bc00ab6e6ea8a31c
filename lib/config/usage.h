/* The options that all programs share, and the text of --help. */
#pragma once

#include "lib/config/program.h"

enum hx_common_option {
    HX_OPTION_CONFIG,
    HX_OPTION_CONFIG_FD,
    HX_OPTION_SHOW_CONFIG,
    HX_OPTION_JSON,
    HX_OPTION_CHECK_CONFIG,
    HX_OPTION_HELP,
    HX_OPTION_VERSION,
};

extern const struct hx_option hx_common_options[];
extern const size_t hx_common_option_count;

void hx_usage(const struct hx_program *program, struct hx_buf *out);
/* The program's or common long option whose name is nearest. */
const char *hx_usage_nearest(const struct hx_program *program, const char *name);
