/* A configuration that the test writes. */
#pragma once

#include "lib/config/config.h"

static int64_t settings[HX_KEYS];
static struct hx_handler_config handler_configs[8];
static size_t handler_config_count;

int64_t hx_config_int(const struct hx_config *c, enum hx_key key) {
    (void)c;
    return settings[key];
}

const char *hx_config_string(const struct hx_config *c, enum hx_key key) {
    (void)c, (void)key;
    return "heimdex";
}

const char *const *hx_config_list(const struct hx_config *c, enum hx_key key, size_t *ret_n) {
    (void)c, (void)key;
    *ret_n = 0;
    return NULL;
}

const struct hx_handler_config *hx_config_handlers(const struct hx_config *c, size_t *ret_n) {
    (void)c;
    *ret_n = handler_config_count;
    return handler_configs;
}

void hx_config_postgres(const struct hx_config *c, const char *const **ret_keywords, const char *const **ret_values) {
    (void)c;
    *ret_keywords = *ret_values = NULL;
}
