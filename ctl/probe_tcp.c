/* doctor: dependencies that only have to accept a connection. */
#include "common/clock.h"
#include "ctl/doctor.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum { TIMEOUT_MS = 1000 };

static int copy_port(const char *from, size_t n, const char *fallback, struct url_parts *ret) {
    if (!n)
        hx_strcopy(ret->port, sizeof ret->port, fallback);
    else if (n < sizeof ret->port)
        hx_strcopy(ret->port, n + 1, from);
    return n < sizeof ret->port ? 0 : -EINVAL;
}

int probe_parse_url(const char *url, const char *default_port, struct url_parts *ret) {
    const char *scheme = strstr(url, "://"), *at = scheme ? scheme + 3 : url;
    size_t n = strcspn(at, "/?#");
    const char *user = memrchr(at, '@', n);
    const char *host = user ? user + 1 : at, *end = at + n;
    bool bracketed = *host == '[';
    const char *host_end =
        bracketed ? memchr(host, ']', (size_t)(end - host)) : memchr(host, ':', (size_t)(end - host));
    if (bracketed && !host_end)
        return -EINVAL;
    const char *port = host_end ? host_end + bracketed : end;
    host_end = host_end ? host_end : end;
    host += bracketed;
    size_t length = (size_t)(host_end - host);
    if (!length || length >= sizeof ret->host || (port < end && *port != ':'))
        return -EINVAL;
    hx_strcopy(ret->host, length + 1, host);
    return copy_port(port + (port < end), (size_t)(end - port) - (port < end), default_port, ret);
}

/* ---- connecting ---- */

/* A name server that is away must not hold us up: resolved beside us, and left alone when it takes too long. */
static int resolve(const char *host, const char *port, int timeout_ms, struct addrinfo **ret, const char **ret_why) {
    static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct gaicb *request = hx_alloc(sizeof *request);
    request->ar_name = hx_strdup(host);
    request->ar_service = hx_strdup(port);
    request->ar_request = &hints;
    struct timespec limit = { .tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L };
    const struct gaicb *const list[] = { request };
    int r = getaddrinfo_a(GAI_NOWAIT, &request, 1, NULL);
    if (r == 0) {
        gai_suspend(list, 1, &limit);
        r = gai_error(request);
    }
    if (r == EAI_INPROGRESS && gai_cancel(request) != EAI_CANCELED)
        return -ETIMEDOUT; /* its memory is still in use */
    *ret = request->ar_result;
    free((char *)request->ar_name);
    free((char *)request->ar_service);
    free(request);
    if (r == 0 || r == EAI_INPROGRESS)
        return r == 0 ? 0 : -ETIMEDOUT;
    *ret_why = gai_strerror(r);
    return -EHOSTUNREACH;
}

static int connect_one(const struct addrinfo *address, int64_t deadline_ms) {
    _cleanup_close_ int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    int64_t left = deadline_ms - hx_mono_ms();
    if (poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, left > 0 ? (int)left : 0) <= 0)
        return -ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
}

int probe_connect(const char *host, const char *port, int timeout_ms, const char **ret_why) {
    int64_t deadline = hx_mono_ms() + timeout_ms;
    struct addrinfo *addresses = NULL;
    const char *why = NULL;
    int r = resolve(host, port, timeout_ms, &addresses, &why);
    if (r == 0)
        r = -EHOSTUNREACH;
    int64_t left = 0;
    for (const struct addrinfo *a = addresses; a; a = a->ai_next)
        left++;
    for (const struct addrinfo *a = addresses; a && r < 0;
         a = a->ai_next, left--) /* a silent one leaves the others their shares */
        r = connect_one(a, hx_mono_ms() + (deadline - hx_mono_ms()) / left);
    if (addresses)
        freeaddrinfo(addresses);
    if (r < 0)
        *ret_why = why ? why : strerrordesc_np(-r);
    return r;
}

/* ---- the dependencies that are only connected to ---- */

static const char *default_port(const char *url, const char *own) {
    static const char https[] = "https://";
    return own ? own : strncasecmp(url, https, strlen(https)) == 0 ? "443" : "80";
}

void probe_others(struct doctor *d) {
    static const struct {
        const char *name;
        enum hx_key key;
        const char *port; /* NULL: HTTP's */
        const char *mend;
    } others[] = {
        { "redis", HX_REDIS_URL, "6379", "start Redis, or correct REDIS_URL" },
        { "qdrant", HX_QDRANT_URL, "6333", "start Qdrant, or correct QDRANT_URL" },
        { "gcs", HX_GCS_ENDPOINT, NULL, "correct GCS_ENDPOINT" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(others); i++) {
        const char *url = hx_config_string(d->ctl->config, others[i].key);
        struct url_parts parts = { 0 };
        if (!url || !*url)
            continue;
        int64_t started = hx_mono_ns();
        const char *why = NULL;
        if (probe_parse_url(url, default_port(url, others[i].port), &parts) < 0)
            doctor_find(d, others[i].name, FINDING_FAILURE, started, others[i].mend,
                        "its URL names no host and port to connect to");
        else if (probe_connect(parts.host, parts.port, TIMEOUT_MS, &why) < 0)
            doctor_find(d, others[i].name, FINDING_FAILURE, started, others[i].mend, "%s:%s: %s", parts.host,
                        parts.port, why);
        else
            doctor_find(d, others[i].name, FINDING_OK, started, NULL, "connects to %s:%s", parts.host, parts.port);
    }
}
