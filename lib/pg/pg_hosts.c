/* The hosts that a connection may be made to. libpq looks names up inside its calls, with the loop standing still; so it is given each
 * name's addresses with the name, which it goes on using for certificates, passwords and PQhost. */
#include "lib/pg/pg_internal.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

struct pg_host {
    char *name, *address, *port; /* "" where nothing was given */
    struct pg_lookup *lookup;    /* NULL: libpq needs none */
    bool used;                   /* its answer had its chance */
};

/* --- comma-separated lists --- */

static bool given(const char *list) {
    return list && *list;
}

static size_t items(const char *list) {
    size_t n = 1;
    for (; list && *list; list++)
        n += *list == ',';
    return n;
}

/* The caller frees. */
static char *item(const char *list, size_t index) {
    if (!list)
        return hx_strdup("");
    for (; index > 0; index--)
        list = strchr(list, ',') + 1;
    return hx_strndup(list, strcspn(list, ","));
}

/* --- the list of hosts --- */

static bool is_name(const struct pg_host *host) {
    if (*host->address || !*host->name || *host->name == '/' || *host->name == '@')
        return false;
    const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found;
    if (getaddrinfo(host->name, NULL, &hints, &found) != 0)
        return true;
    freeaddrinfo(found);
    return false;
}

static void read_list(struct pg_hosts *h, const struct pg_keywords *k) {
    PQconninfoOption *used = pg_keywords_used(k);
    const char *names = pg_keywords_value(used, "host"), *addresses = pg_keywords_value(used, "hostaddr"),
               *ports = pg_keywords_value(used, "port");
    size_t n = given(addresses) ? items(addresses) : given(names) ? items(names) : 0;
    if ((given(names) && items(names) != n) || (items(ports) > 1 && items(ports) != n))
        n = 0; /* libpq says what is wrong */
    *h = (struct pg_hosts){ .count = n, .v = n ? hx_allocn(n, sizeof *h->v) : NULL };
    for (size_t i = 0; i < n; i++)
        h->v[i] = (struct pg_host){
            .name = item(given(names) ? names : NULL, i),
            .address = item(given(addresses) ? addresses : NULL, i),
            .port = item(ports, items(ports) > 1 ? i : 0),
        };
    PQconninfoFree(used);
}

/* What still runs, and an answer that came too late for its attempt. */
static struct pg_lookup *take_over(struct pg_hosts *old, const char *name) {
    for (size_t i = 0; i < old->count; i++) {
        struct pg_host *host = &old->v[i];
        if (host->lookup && hx_streq(host->name, name) && !host->used && !pg_lookup_why(host->lookup))
            return HX_TAKE(host->lookup);
    }
    return NULL;
}

int pg_hosts_begin(struct pg_hosts *h, const struct pg_keywords *k, struct hx_loop *loop, void (*answered)(void *user),
                   void *user) {
    struct pg_hosts old = *h;
    int r = 0;
    read_list(h, k);
    for (size_t i = 0; i < h->count && r == 0; i++) {
        struct pg_host *host = &h->v[i];
        if (!is_name(host))
            continue;
        host->lookup = take_over(&old, host->name);
        if (!host->lookup)
            r = pg_lookup_new(loop, host->name, answered, user, &host->lookup);
    }
    pg_hosts_clear(&old);
    return r;
}

void pg_hosts_clear(struct pg_hosts *h) {
    for (size_t i = 0; i < h->count; i++) {
        pg_lookup_free(h->v[i].lookup);
        free(h->v[i].name);
        free(h->v[i].address);
        free(h->v[i].port);
    }
    free(h->v);
    *h = (struct pg_hosts){ 0 };
}

static bool usable(const struct pg_host *host) {
    return !host->lookup || pg_lookup_found(host->lookup);
}

size_t pg_hosts_usable(const struct pg_hosts *h) {
    size_t n = 0;
    for (size_t i = 0; i < h->count; i++)
        n += usable(&h->v[i]);
    return h->count ? n : 1;
}

bool pg_hosts_pending(const struct pg_hosts *h) {
    for (size_t i = 0; i < h->count; i++)
        if (h->v[i].lookup && !pg_lookup_done(h->v[i].lookup))
            return true;
    return false;
}

void pg_hosts_use(struct pg_hosts *h) {
    for (size_t i = 0; i < h->count; i++)
        h->v[i].used = h->v[i].lookup && pg_lookup_done(h->v[i].lookup);
}

/* --- what libpq is given --- */

static void numeric(const struct addrinfo *a, char text[NI_MAXHOST]) {
    if (getnameinfo(a->ai_addr, a->ai_addrlen, text, NI_MAXHOST, NULL, 0, NI_NUMERICHOST) != 0)
        text[0] = '\0';
}

struct lists {
    struct hx_buf names, addresses, ports;
    size_t count;
};

static void append(struct lists *to, const struct pg_host *host, const char *address) {
    const char *comma = to->count++ ? "," : "";
    hx_buf_printf(&to->names, "%s%s", comma, host->name);
    hx_buf_printf(&to->addresses, "%s%s", comma, address);
    hx_buf_printf(&to->ports, "%s%s", comma, host->port);
}

/* Of several addresses each comes first in its round. */
static void append_found(struct lists *to, const struct pg_host *host, size_t round) {
    const struct addrinfo *first = pg_lookup_found(host->lookup), *a = first;
    size_t n = 0;
    for (; a; a = a->ai_next)
        n++;
    a = first;
    for (size_t skip = round % n; skip > 0; skip--)
        a = a->ai_next;
    for (size_t i = 0; i < n; i++, a = a->ai_next ? a->ai_next : first) {
        char address[NI_MAXHOST];
        numeric(a, address);
        append(to, host, address);
    }
}

PGconn *pg_hosts_connect(const struct pg_hosts *h, const struct pg_keywords *k, size_t turn) {
    struct lists lists = { 0 };
    size_t n = pg_hosts_usable(h), first = turn % n;
    for (size_t at = first; at < first + n && h->count; at++) {
        const struct pg_host *host = h->v;
        for (size_t skip = at % n; !usable(host) || skip > 0; host++)
            skip -= usable(host);
        if (host->lookup)
            append_found(&lists, host, turn / n);
        else
            append(&lists, host, host->address);
    }
    const struct pg_keyword more[] = { { "host", lists.names.data },
                                       { "hostaddr", lists.addresses.data },
                                       { "port", lists.ports.data } };
    PGconn *conn = pg_keywords_connect(k, more, HX_ARRAY_LEN(more));
    hx_buf_reset(&lists.names);
    hx_buf_reset(&lists.addresses);
    hx_buf_reset(&lists.ports);
    return conn;
}

/* --- what went wrong --- */

const char *pg_hosts_unknown(const struct pg_hosts *h, int64_t waited_ms, struct hx_pg_error *why,
                             const char **ret_port) {
    for (size_t i = 0; i < h->count; i++) {
        const struct pg_host *host = &h->v[i];
        if (usable(host))
            continue;
        const char *reason = pg_lookup_why(host->lookup);
        if (reason)
            pg_error_set(why, HX_PG_UNAVAILABLE, "could not translate host name \"%s\" to address: %s", host->name,
                         reason);
        else
            pg_error_set(why, HX_PG_UNAVAILABLE,
                         "could not translate host name \"%s\" to address: no answer within %" PRId64 " ms", host->name,
                         waited_ms);
        *ret_port = host->port;
        return host->name;
    }
    return NULL;
}

const char *pg_hosts_name(const struct pg_hosts *h, const char *address) {
    for (size_t i = 0; i < h->count; i++)
        for (const struct addrinfo *a = h->v[i].lookup ? pg_lookup_found(h->v[i].lookup) : NULL; a; a = a->ai_next) {
            char text[NI_MAXHOST];
            numeric(a, text);
            if (hx_streq(text, address))
                return h->v[i].name;
        }
    return NULL;
}
