/* Errors: what class a SQLSTATE is of, and how a failure of libpq becomes a struct hx_pg_error. */
#include "lib/pg/pg_internal.h"

#include "common/redact.h"

#include <ctype.h>
#include <string.h>

/* First match wins, so a whole SQLSTATE stands before its class of two characters. */
static const struct {
    const char *prefix;
    enum hx_pg_class class;
} classes[] = {
    // clang-format off
    { "00000", HX_PG_OK },
    { "08", HX_PG_UNAVAILABLE },
    { "22", HX_PG_DATA },
    { "23", HX_PG_DATA },
    { "25006", HX_PG_UNAVAILABLE }, /* read-only: the primary is elsewhere now */
    { "25P03", HX_PG_UNAVAILABLE }, /* idle_in_transaction_session_timeout: we stood still, the session is gone */
    { "26000", HX_PG_RETRY },       /* a prepared statement that is gone: we prepare it again */
    { "28", HX_PG_DENIED },
    { "3D000", HX_PG_SCHEMA },
    { "3F000", HX_PG_SCHEMA },
    { "40", HX_PG_RETRY },
    { "42501", HX_PG_DENIED },
    { "42", HX_PG_SCHEMA },
    { "44000", HX_PG_DATA }, /* WITH CHECK OPTION */
    { "53", HX_PG_UNAVAILABLE },
    { "54", HX_PG_DATA }, /* a value too long for an index, JSON nested too deep for the stack */
    { "55P03", HX_PG_RETRY },
    { "57014", HX_PG_RETRY },
    { "57P", HX_PG_UNAVAILABLE },
    { "58", HX_PG_UNAVAILABLE }, /* the server's disk */
    { "72000", HX_PG_RETRY },    /* snapshot too old */
    // clang-format on
};

enum hx_pg_class hx_pg_classify(const char *sqlstate) {
    if (!sqlstate || strlen(sqlstate) != 5)
        return HX_PG_OTHER;
    for (size_t i = 0; i < HX_ARRAY_LEN(classes); i++)
        if (hx_startswith(sqlstate, classes[i].prefix))
            return classes[i].class;
    return HX_PG_OTHER;
}

/* libpq's own complaints, which have no SQLSTATE. They are in English: our programs never call setlocale. What
 * isn't here is the network or a server that isn't up. */
static const struct {
    const char *part;
    enum hx_pg_class class;
    const char *hint; /* or NULL: libpq's words say enough */
} complaints[] = {
    // clang-format off
    { "no password supplied", HX_PG_DENIED, NULL },
    { "does not support SSL", HX_PG_OTHER, "sslmode asks for it" },
    { "certificate", HX_PG_DENIED, NULL },
    { "GSSAPI encryption required", HX_PG_DENIED, NULL },
    { "channel binding", HX_PG_DENIED, NULL },
    { "private key", HX_PG_DENIED, NULL },
    { "authentication method", HX_PG_DENIED, NULL },
    { "invalid connection option", HX_PG_OTHER, NULL },
    { "missing \"=\"", HX_PG_OTHER, NULL },
    { "unterminated quoted string", HX_PG_OTHER, NULL },
    { "definition of service", HX_PG_OTHER, NULL },
    { " value: \"", HX_PG_OTHER, NULL }, /* invalid sslmode value: "…" */
    { "invalid port number", HX_PG_OTHER, NULL },
    { "invalid integer value", HX_PG_OTHER, NULL },
    { "could not match ", HX_PG_OTHER, NULL }, /* 3 port numbers to 2 hosts */
    { "could not parse network address", HX_PG_OTHER, NULL },
    { " URI", HX_PG_OTHER, NULL }, /* a malformed URL */
    { "percent-encoded", HX_PG_OTHER, NULL },
    { "(expected \":\" or \"/\")", HX_PG_OTHER, NULL },
    // clang-format on
};

static void set_text(char *to, size_t size, const char *text) {
    _cleanup_buf_ struct hx_buf redacted = { 0 };
    hx_redact(&redacted, text);
    hx_strcopy(to, size, redacted.data ? redacted.data : "");
    /* One line: a message may go into a log or a column as it is. */
    for (char *c = to; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
}

static void set_message(struct hx_pg_error *e, const char *text) {
    set_text(e->message, sizeof e->message, text);
}

/* A broken check or NOT NULL gives the row with all its values, which nobody wants in a log. */
static void set_detail(struct hx_pg_error *e, const char *text) {
    if (!text || hx_streq(e->sqlstate, "23502") || hx_streq(e->sqlstate, "23514"))
        return;
    _cleanup_free_ char *first = hx_strndup(text, strcspn(text, "\n"));
    set_text(e->detail, sizeof e->detail, first);
}

void pg_error_set(struct hx_pg_error *e, enum hx_pg_class class, const char *fmt, ...) {
    *e = (struct hx_pg_error){ .class = class, .statement = -1 };
    _cleanup_buf_ struct hx_buf text = { 0 };
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    set_message(e, text.data);
}

static bool replanned_wrongly(const PGresult *result) {
    /* "cached plan must not change result type" is a plain 0A000, and the text depends on lc_messages; the C function
     * that raises it doesn't. */
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    return hx_streq(PQresultErrorField(result, PG_DIAG_SQLSTATE), "0A000") &&
           hx_streq(function, "RevalidateCachedQuery");
}

/* "no partition of relation … found for row" has the SQLSTATE of a broken check, and isn't the row's fault: the table has no partition
 * for now, until somebody makes one. A check that is broken has a name; should a trigger raise one without, it is told by the C function. */
static bool finds_no_partition(const PGresult *result) {
    return hx_streq(PQresultErrorField(result, PG_DIAG_SQLSTATE), "23514") &&
           !PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME) &&
           hx_streq(PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION), "ExecFindPartition");
}

void pg_error_of_result(struct hx_pg_error *e, const PGresult *result) {
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);

    *e = (struct hx_pg_error){ .class = hx_pg_classify(sqlstate), .statement = -1 };
    if (replanned_wrongly(result))
        e->class = HX_PG_RETRY;
    if (finds_no_partition(result))
        e->class = HX_PG_UNAVAILABLE;
    hx_strcopy(e->sqlstate, sizeof e->sqlstate, sqlstate ? sqlstate : "");
    if (constraint)
        hx_strcopy(e->constraint, sizeof e->constraint, constraint);
    set_message(e, primary ? primary : "unknown error");
    set_detail(e, PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
}

bool pg_result_is_fatal(const PGresult *result) {
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return hx_streq(severity, "FATAL") || hx_streq(severity, "PANIC");
}

bool pg_result_dooms(const PGresult *result) {
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return hx_streq(sqlstate, "26000") || hx_streq(sqlstate, "25006") || replanned_wrongly(result);
}

/* Finds the last "…:  28P01: " of a text: several hosts each leave a line, and the last is the one that counts. */
static const char *find_sqlstate(const char *text) {
    const char *found = NULL;
    for (const char *p = strstr(text, ":  "); p; p = strstr(p + 1, ":  ")) {
        size_t n = 0;
        while (n < 5 && (isdigit((unsigned char)p[3 + n]) || isupper((unsigned char)p[3 + n])))
            n++;
        if (n == 5 && p[8] == ':' && p[9] == ' ')
            found = p + 3;
    }
    return found;
}

/* A refused connection has no PGresult to ask. But libpq writes its text with the connection's verbosity, and a verbose
 * text carries the SQLSTATE in any language: "connection to server … failed: FATAL:  28P01: password …". */
void pg_error_of_text(struct hx_pg_error *e, const char *text) {
    const char *found = find_sqlstate(text), *message = text, *hint = NULL;

    *e = (struct hx_pg_error){ .class = HX_PG_UNAVAILABLE, .statement = -1 };
    if (found) {
        memcpy(e->sqlstate, found, 5);
        message = found + 7;
        if (hx_pg_classify(e->sqlstate) == HX_PG_DENIED)
            e->class = HX_PG_DENIED; /* any other, an unknown database too, may be there in a while */
    } else {
        for (size_t i = 0; i < HX_ARRAY_LEN(complaints); i++)
            if (strstr(text, complaints[i].part)) {
                e->class = complaints[i].class;
                hint = complaints[i].hint;
                break;
            }
    }
    /* The first line; what follows is the source location, or good advice for people at a prompt. */
    _cleanup_free_ char *line = hx_strndup(message, strcspn(message, "\n"));
    _cleanup_free_ char *hinted = hint ? hx_printf("%s (%s)", line, hint) : NULL;
    set_message(e, hinted ? hinted : *line ? line : "connection lost");
}

void pg_error_of_connect(struct hx_pg_error *e, const PGconn *conn, const struct pg_hosts *hosts) {
    _cleanup_free_ char *text = pg_server_named(hosts, PQerrorMessage(conn));
    pg_error_of_text(e, text);
    if (!e->sqlstate[0] && PQconnectionNeedsPassword(conn))
        e->class = HX_PG_DENIED;
}
