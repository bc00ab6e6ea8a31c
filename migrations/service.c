#include "migrations/service.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/apply.h"

#include <errno.h>
#include <string.h>

static void make_site(const struct hx_service_config *service, struct hx_site *ret) {
    *ret = (struct hx_site){
        .service = service->name,
        .chain_directory = service->chain,
        .schema = service->schema,
        .version_table = service->version_table,
        .database = service->database,
    };
}

int hx_services_load(const char *path, const char *only, struct hx_services *services) {
    struct hx_config_error error;
    int r = hx_service_file_load(path, &services->file, &error);
    if (r < 0) {
        hx_complain("%s", error.message);
        return HX_EXIT_CONFIG;
    }
    const struct hx_service_config *list = hx_service_file_list(services->file, &services->count);
    services->sites = hx_allocn(services->count, sizeof *services->sites);
    services->only = services->count;
    for (size_t i = 0; i < services->count; i++) {
        make_site(&list[i], &services->sites[i]);
        if (only && hx_streq(only, list[i].name))
            services->only = i;
    }
    if (only && services->only == services->count) {
        hx_complain("--only: %s: %s has no service of that name", only, path);
        return HX_EXIT_USAGE;
    }
    return 0;
}

void hx_services_reset(struct hx_services *services) {
    for (size_t i = 0; i < services->count && services->sites; i++)
        hx_chain_free(services->sites[i].chain);
    free(services->sites);
    hx_service_file_free(services->file);
    *services = (struct hx_services){ 0 };
}

/* --- a command's way through them ---------------------------------------------------------------------------- */

static bool is_asked_for(const struct hx_services *services, size_t index) {
    return services->only == services->count || services->only == index;
}

/* SQL stays SQL: there a comment names the service. */
static void append_plain(const struct hx_buf *text, const struct hx_site *site, bool sql, struct hx_buf *out) {
    if (sql) {
        hx_buf_printf(out, "-- service %s\n\n%s", site->service, text->len ? text->data : "");
        return;
    }
    const char *at = text->len ? text->data : "";
    while (*at) {
        size_t n = strcspn(at, "\n");
        hx_buf_printf(out, "%s: %.*s\n", site->service, (int)n, at);
        at += n + (at[n] == '\n');
    }
}

static void append_json(const struct hx_buf *text, const struct hx_site *site, bool first, struct hx_buf *out) {
    hx_buf_puts(out, first ? "{" : ",");
    hx_buf_json_string(out, site->service, SIZE_MAX);
    hx_buf_putc(out, ':');
    size_t n = text->len;
    while (n > 0 && text->data[n - 1] == '\n')
        n--;
    if (n > 0)
        hx_buf_append(out, text->data, n);
    else
        hx_buf_puts(out, "null");
}

/* What a failure leaves: "done: agent, journal; failed: habits; not touched: meals". */
static void tell_rest(const struct hx_services *services, size_t failed) {
    static const char *const names[] = { "done", "failed", "not touched" };
    _cleanup_buf_ struct hx_buf line = { 0 };
    for (size_t part = 0; part < HX_ARRAY_LEN(names); part++) {
        size_t from = part == 0 ? 0 : part == 1 ? failed : failed + 1;
        size_t to = part == 0 ? failed : part == 1 ? failed + 1 : services->count;
        hx_buf_printf(&line, "%s%s:", part ? "; " : "", names[part]);
        for (size_t i = from; i < to; i++)
            hx_buf_printf(&line, "%s %s", i > from ? "," : "", services->sites[i].service);
        if (from == to)
            hx_buf_puts(&line, " none");
    }
    hx_complain("services: %s", line.data);
}

/* Before the first database is asked: the word must mean something to each. */
static int judge_word(const struct hx_services *services, const char *command, const char *word,
                      struct hx_target *targets) {
    int worst = 0;
    for (size_t i = 0; i < services->count; i++) {
        if (!is_asked_for(services, i))
            continue;
        const struct hx_site *site = &services->sites[i];
        int r = hx_streq(command, "stamp") ? hx_command_stamp_target(site, word, &targets[i])
                                           : hx_command_target(site, hx_streq(command, "downgrade"), word, &targets[i]);
        worst = HX_MAX(worst, r);
    }
    return worst;
}

/* Before the first database is touched. */
static int judge_all(const struct hx_services *services, const struct hx_migrate *options, const char *command,
                     const char *word) {
    _cleanup_free_ struct hx_target *targets = hx_allocn(services->count, sizeof *targets);
    int worst = judge_word(services, command, word, targets);
    if (worst != 0 || hx_streq(command, "stamp"))
        return worst;
    for (size_t i = 0; i < services->count; i++) {
        HX_CLEANUP(hx_database_close_p) struct hx_database *database = NULL;
        if (!is_asked_for(services, i))
            continue;
        int r = hx_database_open(options, &services->sites[i], &database);
        if (r == 0)
            r = hx_apply_judge(database, services->sites[i].chain, &targets[i]);
        worst = HX_MAX(worst, r);
    }
    return worst;
}

int hx_services_run(const struct hx_services *services, const struct hx_migrate *options, const char *command,
                    hx_command_fn run, const char *word, struct hx_buf *out) {
    bool changes = hx_streq(command, "upgrade") || hx_streq(command, "downgrade") || hx_streq(command, "stamp");
    int result = changes && !options->sql ? judge_all(services, options, command, word) : 0;
    bool first = true;
    if (result != 0)
        return result;
    for (size_t i = 0; i < services->count; i++) {
        if (!is_asked_for(services, i))
            continue;
        _cleanup_buf_ struct hx_buf text = { 0 };
        if (changes && !options->sql)
            hx_complain("%s: %s", services->sites[i].service, command);
        int r = run(options, &services->sites[i], word, &text);
        if (options->json)
            append_json(&text, &services->sites[i], first, out);
        else
            append_plain(&text, &services->sites[i], options->sql, out);
        first = false;
        result = result ? result : r;
        if (r != 0 && changes) {
            if (services->only == services->count)
                tell_rest(services, i);
            break;
        }
    }
    if (options->json)
        hx_buf_puts(out, first ? "{}\n" : "}\n");
    return result;
}
