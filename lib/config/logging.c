#include "lib/config/logging.h"

#include "common/log.h"

static enum hx_log_format format_of(const char *name) {
    return hx_streq(name, "journal") ? HX_LOG_JOURNAL
           : hx_streq(name, "json")  ? HX_LOG_JSON
           : hx_streq(name, "text")  ? HX_LOG_TEXT
                                     : HX_LOG_AUTO;
}

static enum hx_log_level level_of(const char *name) {
    static const struct {
        const char *name;
        enum hx_log_level level;
    } levels[] = { { "error", HX_LOG_ERR },
                   { "err", HX_LOG_ERR },
                   { "warning", HX_LOG_WARNING },
                   { "notice", HX_LOG_NOTICE },
                   { "debug", HX_LOG_DEBUG } };
    for (size_t i = 0; i < HX_ARRAY_LEN(levels); i++)
        if (hx_streq(levels[i].name, name))
            return levels[i].level;
    return HX_LOG_INFO;
}

void hx_config_start_log(const struct hx_config *config, const char *service, const char *who) {
    hx_log_init(&(struct hx_log_options){
        .service = service,
        .environment = hx_config_string(config, HX_SERVICE_ENVIRONMENT),
        .worker = who,
        .format = format_of(hx_config_string(config, HX_LOG_FORMAT_KEY)),
        .level = level_of(hx_config_string(config, HX_LOG_LEVEL_KEY)),
    });
    _cleanup_free_ char *sentence =
        hx_printf("%s %s starting%s%s", service, HX_VERSION, who ? " as " : "", who ? who : "");
    hx_config_log_starting(config, who, sentence);
}

void hx_config_log_starting(const struct hx_config *config, const char *who, const char *sentence) {
    _cleanup_buf_ struct hx_buf whole = { 0 }, brief = { 0 };
    hx_buf_puts(&whole, "\"config\":");
    hx_config_show_json(config, &whole);
    hx_config_show_brief(config, &brief);
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.event = "starting";
    ctx.worker = who;
    ctx.detail_json = whole.data;
    ctx.detail_text = brief.data;
    hx_info(&ctx, "%s", sentence);
}
