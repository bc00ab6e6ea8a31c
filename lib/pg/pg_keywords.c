/* What libpq is told when it connects: our settings, then the user's own, which win. */
#include "lib/pg/pg_internal.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    const char *keyword, *value;
} ours[] = {
    { "connect_timeout", "3" }, /* the asynchronous API ignores it, our own deadline holds; kept for psql-like views */
    { "tcp_user_timeout", "5000" }, /* without it dropped packets block for 15 minutes */
    { "keepalives_idle", "10" },    { "keepalives_interval", "3" },
    { "keepalives_count", "3" },    { "target_session_attrs", "read-write" },
};

static void add(struct pg_keywords *k, char *keyword, char *value) {
    k->keywords = hx_realloc(k->keywords, (k->count + 2) * sizeof *k->keywords);
    k->values = hx_realloc(k->values, (k->count + 2) * sizeof *k->values);
    k->keywords[k->count] = keyword;
    k->values[k->count++] = value;
    k->keywords[k->count] = k->values[k->count] = NULL;
}

static void set(struct pg_keywords *k, const char *keyword, const char *value) {
    add(k, hx_strdup(keyword), hx_strdup(value));
}

void pg_keywords_free(struct pg_keywords *k) {
    for (size_t i = 0; i < k->count; i++) {
        explicit_bzero(k->values[i], strlen(k->values[i])); /* one of them is the password */
        free(k->keywords[i]);
        free(k->values[i]);
    }
    free(k->keywords);
    free(k->values);
    *k = (struct pg_keywords){ 0 };
}

static const PQconninfoOption *find(const PQconninfoOption *options, const char *keyword) {
    for (; options && options->keyword; options++)
        if (hx_streq(options->keyword, keyword))
            return options;
    return NULL;
}

/* The value that the environment or a service file gives, NULL if there is only libpq's own default. */
static const char *from_environment(const PQconninfoOption *defaults, const char *keyword) {
    const PQconninfoOption *o = find(defaults, keyword);
    if (!o || !o->val || !*o->val)
        return NULL;
    return hx_streq(o->val, o->compiled) && !(o->envvar && getenv(o->envvar)) ? NULL : o->val;
}

/* The "options" that the user gave, to be appended to ours: as a keyword, inside a connection string, or around us. */
static char *user_session_options(const struct hx_pg_options *options, const PQconninfoOption *defaults) {
    _cleanup_free_ char *found = NULL;
    for (size_t i = 0; options->keywords && options->keywords[i]; i++) {
        const char *keyword = options->keywords[i], *value = options->values[i];
        if (!value || !*value)
            continue;
        if (hx_streq(keyword, "options")) {
            free(found);
            found = hx_strdup(value);
        } else if (hx_streq(keyword, "dbname") && (strchr(value, '=') || strstr(value, "://"))) {
            PQconninfoOption *parsed = PQconninfoParse(value, NULL);
            const PQconninfoOption *o = find(parsed, "options");
            if (o && o->val) {
                free(found);
                found = hx_strdup(o->val);
            }
            PQconninfoFree(parsed);
        }
    }
    if (!found) {
        const char *env = from_environment(defaults, "options");
        found = hx_strdup(env ? env : "");
    }
    return HX_TAKE(found);
}

/* A statement is cancelled by the server a little before our own deadline cuts the connection: then the answer is a
 * clear 57014, and not a transaction in doubt. A host that vanishes says no goodbye, and its session would hold the locks of a
 * half-sent transaction for the two hours of the server's own keepalives. Custom plans, hash joins and scans are off because a plan made on an
 * empty table stays for ever. Whatever a database or a user prefers, each statement of a transaction has to see what was committed before it:
 * the protocol's locks are of no use to one that looks at the past. */
static char *session_options(const struct hx_pg_options *options, const PQconninfoOption *defaults,
                             int64_t timeout_ms) {
    _cleanup_free_ char *user = user_session_options(options, defaults);
    return hx_printf("-c statement_timeout=%" PRId64 " -c lock_timeout=2s -c idle_in_transaction_session_timeout=10s"
                     " -c client_connection_check_interval=500ms -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2"
                     " -c tcp_keepalives_count=3 -c tcp_user_timeout=10s -c plan_cache_mode=force_generic_plan"
                     " -c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c jit=off %s %s"
                     " -c default_transaction_isolation=read\\ committed",
                     pg_statement_timeout(timeout_ms), options->settings ? options->settings : "", user);
}

void pg_keywords_build(struct pg_keywords *k, const struct hx_pg_options *options, int64_t timeout_ms) {
    PQconninfoOption *defaults = PQconndefaults();

    for (size_t i = 0; i < HX_ARRAY_LEN(ours); i++)
        if (!from_environment(defaults, ours[i].keyword))
            set(k, ours[i].keyword, ours[i].value);
    if (options->application_name && !from_environment(defaults, "application_name"))
        set(k, "application_name", options->application_name);
    for (size_t i = 0; options->keywords && options->keywords[i]; i++)
        if (options->values[i] && *options->values[i])
            set(k, options->keywords[i], options->values[i]);
    add(k, hx_strdup("options"), session_options(options, defaults, timeout_ms));
    set(k, "client_encoding", "UTF8"); /* not the user's choice: our texts are UTF-8 */
    PQconninfoFree(defaults);
}

PGconn *pg_keywords_connect(const struct pg_keywords *k, const struct pg_keyword *more, size_t count) {
    _cleanup_free_ const char **keywords = hx_allocn(k->count + count + 1, sizeof *keywords);
    _cleanup_free_ const char **values = hx_allocn(k->count + count + 1, sizeof *values);
    for (size_t i = 0; i < k->count; i++) {
        keywords[i] = k->keywords[i];
        values[i] = k->values[i];
    }
    for (size_t i = 0; i < count; i++) {
        keywords[k->count + i] = more[i].keyword;
        values[k->count + i] = more[i].value;
    }
    return PQconnectStartParams(keywords, values, 1);
}

/* libpq tells what it uses of a connection only. This one's last option is one that it refuses, before it does anything; and with a
 * password it doesn't look for one, and has nothing to warn of. */
PQconninfoOption *pg_keywords_used(const struct pg_keywords *k) {
    static const struct pg_keyword refused[] = { { "password", "none" }, { "target_session_attrs", "none" } };
    PGconn *conn = pg_keywords_connect(k, refused, HX_ARRAY_LEN(refused));
    PQconninfoOption *used = PQconninfo(conn);
    PQfinish(conn);
    return used;
}

const char *pg_keywords_value(const PQconninfoOption *options, const char *keyword) {
    const PQconninfoOption *o = find(options, keyword);
    return o ? o->val : NULL;
}
