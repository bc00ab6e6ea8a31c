#include "lib/config/checks.h"

#include "common/text.h"
#include "common/units.h"

#include <ctype.h>
#include <string.h>

const char *hx_check_name(const char *text) {
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr("._-", *text))
            return "letters, digits, '.', '_' and '-'";
    return NULL;
}

static bool is_port(const char *text, int64_t min) {
    int64_t port;
    return isdigit((unsigned char)*text) && hx_int_parse(text, min, 65535, &port) == 0;
}

/* Splits "host:port" or "[v6]:port" in place. False when brackets don't match or the host is empty. */
static bool split_address(char *text, char **ret_host, char **ret_port) {
    char *colon = strrchr(text, ':');
    if (*text == '[') {
        char *close = strchr(text, ']');
        if (!close || close == text + 1 || (close[1] != '\0' && close[1] != ':'))
            return false;
        colon = close[1] ? close + 1 : NULL;
        *close = '\0';
        text++;
    } else if (colon && strchr(text, ':') != colon) {
        return false; /* an IPv6 address without its brackets */
    }
    if (colon)
        *colon = '\0';
    *ret_host = text;
    *ret_port = colon ? colon + 1 : NULL;
    return *text != '\0';
}

static bool is_broker(char *text) {
    char *protocol = strstr(text, "://"), *host, *port;
    if (protocol)
        text = protocol + 3; /* librdkafka takes "PLAINTEXT://host:port" */
    return split_address(text, &host, &port) && (!port || is_port(port, 1));
}

const char *hx_check_brokers(const char *text) {
    static const char must[] = "host[:port] with ports 1-65535, commas between several";
    _cleanup_free_ char *copy = hx_strdup(text);
    for (char *at = copy, *next; at; at = next) {
        next = strchr(at, ',');
        if (next)
            *next++ = '\0';
        while (*at == ' ')
            at++;
        size_t n = strlen(at);
        while (n > 0 && at[n - 1] == ' ')
            at[--n] = '\0';
        if (strchr(at, ' ') || !is_broker(at))
            return must;
    }
    return NULL;
}

const char *hx_check_replication(const char *text) {
    int64_t n;
    return hx_int_parse(text, 0, 0, &n) == 0 ? "-1 (the broker's), or 1 and more" : NULL;
}

const char *hx_check_property(const char *text) {
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return n > 0 && text[n] == '=' ? NULL : "properties as \"name=value\"";
}

const char *hx_check_absolute_path(const char *text) {
    return *text == '/' && text[1] && text[strlen(text) - 1] != '/' && strlen(text) <= 107
               ? NULL
               : "an absolute path of at most 107 bytes";
}

const char *hx_check_listen(const char *text) {
    _cleanup_free_ char *copy = hx_strdup(text);
    char *host, *port;
    if (strchr(text, ' ') || !split_address(copy, &host, &port) || !port || !is_port(port, 0))
        return "HOST:PORT, an IPv6 host in brackets, the port 0-65535";
    return NULL;
}

static bool has_host(const char *text, const char *scheme) {
    if (strncasecmp(text, scheme, strlen(scheme)) != 0 || strpbrk(text, " \t\"<>\\"))
        return false;
    const char *host = text + strlen(scheme);
    size_t end = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', end); /* the end of a user and a password */
    return end > 0 && !strchr("/?#:", at ? at[1] : host[0]);
}

const char *hx_check_redis_url(const char *text) {
    return has_host(text, "redis://") || has_host(text, "rediss://") ? NULL : "a URL: redis://HOST or rediss://HOST";
}

const char *hx_check_http_url(const char *text) {
    return has_host(text, "http://") || has_host(text, "https://") ? NULL : "a URL: http://HOST or https://HOST";
}
