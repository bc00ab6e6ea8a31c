#include "producer/failure.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "common/text.h"

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

int failure_complain(const struct hx_pg_error *error) {
    char text[sizeof(error->message)];
    hx_pg_error_text(error, text, sizeof(text));
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
