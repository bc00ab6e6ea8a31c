/* Servers and what is wrong with them, in words. */
#include "lib/pg/pg_internal.h"

#include "common/text.h"

#include <stdio.h>
#include <string.h>

static const char at[] = "connection to server at \"", socket_at[] = "connection to server on socket \"",
                  failed[] = " failed: ";

void pg_remember_host(struct hx_pg *pg, const char *host, const char *port) {
    if (!host || !*host)
        return;
    free(pg->server);
    pg->server = hx_printf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port ? port : "");
}

void pg_remember_server(struct hx_pg *pg) {
    pg_remember_host(pg, PQhost(pg->conn), PQport(pg->conn));
}

char *pg_server_named(const struct pg_hosts *hosts, const char *text) {
    const char *address = hx_startswith(text, at) ? text + strlen(at) : NULL;
    const char *end = address ? strchr(address, '"') : NULL;
    _cleanup_free_ char *number = end ? hx_strndup(address, (size_t)(end - address)) : NULL;
    const char *name = number ? pg_hosts_name(hosts, number) : NULL;
    return name ? hx_printf("%s%s\" (%s)%s", at, name, number, end + 1) : hx_strdup(text);
}

char *hx_pg_server(struct hx_pg *pg) {
    if (pg->conn)
        pg_remember_server(pg);
    return pg->server ? hx_printf("PostgreSQL at %s", pg->server) : hx_strdup("PostgreSQL");
}

/* connection to server at "HOST" (ADDRESS), port PORT failed: WHY */
static bool shorten(const char *text, char *out, size_t size) {
    static const char port[] = ", port ";
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

void hx_pg_error_text(const struct hx_pg_error *error, char *out, size_t size) {
    if (!shorten(error->message, out, size))
        hx_strcopy(out, size, error->message);
}

const char *hx_pg_error_reason(const struct hx_pg_error *error) {
    const char *why = strstr(error->message, failed);
    bool wordy = hx_startswith(error->message, at) || hx_startswith(error->message, socket_at);
    return wordy && why ? why + strlen(failed) : error->message;
}
