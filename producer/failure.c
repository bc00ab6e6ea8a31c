#include "producer/failure.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

static bool is_unknown_database(const struct hx_pg_error *error) {
    return hx_streq(error->sqlstate, "3D000");
}

int failure_exit_code(const struct hx_pg_error *error) {
    if (is_unknown_database(error))
        return HX_EXIT_UNAVAILABLE;
    switch (error->class) {
    case HX_PG_OK: return HX_EXIT_OK;
    case HX_PG_RETRY:
    case HX_PG_UNAVAILABLE: return HX_EXIT_UNAVAILABLE;
    case HX_PG_DATA: return HX_EXIT_DATA;
    case HX_PG_DENIED: return HX_EXIT_NOT_PERMITTED;
    case HX_PG_SCHEMA: return HX_EXIT_CONFIG;
    case HX_PG_OTHER: break;
    }
    return error->sqlstate[0] ? HX_EXIT_SOFTWARE : HX_EXIT_CONFIG; /* without one libpq doesn't like its parameters */
}

bool failure_is_passing(const struct hx_pg_error *error, bool connected_before) {
    if (error->class == HX_PG_RETRY)
        return true;
    if (error->class != HX_PG_UNAVAILABLE || is_unknown_database(error))
        return false;
    return connected_before || error->sqlstate[0]; /* "starting up", "too many clients" */
}

/* connection to server at "HOST" (ADDRESS), port PORT failed: WHY */
static bool shorten(const char *text, char *out, size_t size) {
    static const char at[] = "connection to server at \"", port[] = ", port ", failed[] = " failed: ";
    if (!hx_startswith(text, at))
        return false;
    const char *host = text + strlen(at), *host_end = strchr(host, '"');
    const char *number = host_end ? strstr(host_end, port) : NULL;
    const char *why = number ? strstr(number, failed) : NULL;
    if (!why)
        return false;
    number += strlen(port);
    const char *v6 = memchr(host, ':', (size_t)(host_end - host));
    snprintf(out, size, "%s%.*s%s:%.*s: %s", v6 ? "[" : "", (int)(host_end - host), host, v6 ? "]" : "",
             (int)(why - number), number, why + strlen(failed));
    return true;
}

void failure_text(const struct hx_pg_error *error, char *out, size_t size) {
    if (!shorten(error->message, out, size))
        hx_strcopy(out, size, error->message);
}

int failure_complain(const struct hx_pg_error *error) {
    char text[sizeof(error->message)];
    failure_text(error, text, sizeof(text));
    int exit_code = failure_exit_code(error);
    const char *code = error->sqlstate, *colon = *code ? ": " : "";
    if (error->class == HX_PG_SCHEMA && exit_code == HX_EXIT_CONFIG)
        hx_complain("PostgreSQL: %s%s%s: the schema is missing or of another version: run heimdex-migrate upgrade head",
                    code, colon, text);
    else if (error->in_doubt)
        hx_complain("PostgreSQL: %s%s%s: what was sent last may have been accepted", code, colon, text);
    else
        hx_complain("PostgreSQL: %s%s%s", code, colon, text);
    return exit_code;
}
