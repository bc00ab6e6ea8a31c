#include "lib/kafka/refusal.h"

#include "common/text.h"

#include <stdatomic.h>
#include <string.h>

/* OpenSSL's X509_V_ERR_*, of which librdkafka hands us the number, and tells nobody. */
static const struct {
    int number;
    const char *words;
} certificate_errors[] = {
    { 7, "its signature is wrong" },
    { 9, "certificate is not yet valid" },
    { 10, "certificate has expired" },
    { 18, "certificate is self-signed" },
    { 19, "self-signed certificate in its chain" },
    { 20, "its authority is not known" },
    { 21, "its authority is not known" },
    { 23, "certificate is revoked" },
    { 62, "certificate is for another host" },
    { 64, "certificate is for another address" },
};

/* The newest, of any client: a process has one configuration of Kafka. Written by librdkafka's threads. */
static atomic_int last_error;

static int on_certificate(rd_kafka_t *rk, const char *broker, int32_t id, int *error, int depth, const char *der,
                          size_t size, char *errstr, size_t errstr_size, void *user) {
    (void)rk, (void)broker, (void)id, (void)depth, (void)der, (void)size, (void)user;
    if (*error == 0)
        return 1;
    atomic_store(&last_error, *error);
    hx_strcopy(errstr, errstr_size, "see the error of the handshake");
    return 0;
}

void hx_kafka_refusal_watch(rd_kafka_conf_t *conf) {
    rd_kafka_conf_set_ssl_cert_verify_cb(conf, on_certificate);
}

bool hx_kafka_is_refusal(const struct hx_kafka_error *error) {
    return error->code == RD_KAFKA_RESP_ERR__SSL || error->code == RD_KAFKA_RESP_ERR__AUTHENTICATION;
}

static const char *words_of(int number) {
    for (size_t i = 0; i < HX_ARRAY_LEN(certificate_errors); i++)
        if (certificate_errors[i].number == number)
            return certificate_errors[i].words;
    return NULL;
}

void hx_kafka_error_of_callback(int code, const char *reason, struct hx_kafka_error *ret) {
    static const char what[] = "certificate verify failed";
    const char *openssl = strstr(reason, "error:"), *failed = openssl ? strstr(openssl, what) : NULL;
    const char *why = failed ? words_of(atomic_load(&last_error)) : NULL;
    if (code == RD_KAFKA_RESP_ERR__SSL && why)
        hx_kafka_error_set(ret, code, "%.*s%s: %s", (int)(openssl - reason), reason, what, why);
    else
        hx_kafka_error_set(ret, code, "%s", reason);
}
