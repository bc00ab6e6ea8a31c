#include "lib/kafka/refusal.h"

#include "common/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct hx_kafka_error told(int code, const char *reason) {
    struct hx_kafka_error error;
    hx_kafka_error_of_callback(code, reason, &error);
    assert_int_equal(error.code, code);
    return error;
}

static void test_which_errors_are_refusals(void **state) {
    (void)state;
    struct hx_kafka_error error = told(RD_KAFKA_RESP_ERR__SSL, "ssl://b:1/bootstrap: SSL handshake failed");
    assert_true(hx_kafka_is_refusal(&error));
    error = told(RD_KAFKA_RESP_ERR__AUTHENTICATION, "sasl_ssl://b:1/bootstrap: SASL PLAIN: wrong password");
    assert_true(hx_kafka_is_refusal(&error));
    error = told(RD_KAFKA_RESP_ERR__TRANSPORT, "b:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused");
    assert_false(hx_kafka_is_refusal(&error));
    error = told(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "1/1 brokers are down");
    assert_false(hx_kafka_is_refusal(&error));
}

/* What is wrong with a certificate comes by another callback (tests/integration/test_tls.py); without it librdkafka's words stand. */
static void test_words_that_are_not_known_stay(void **state) {
    (void)state;
    static const char *const reasons[] = {
        "ssl://b:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: brok",
        "ssl://b:1/bootstrap: SSL handshake failed: error:0A000415:SSL routines::sslv3 alert certificate expired",
        "ssl://b:1/bootstrap: SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?",
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        assert_string_equal(told(RD_KAFKA_RESP_ERR__SSL, reasons[i]).message, reasons[i]);
}

static void test_secrets_are_redacted(void **state) {
    (void)state;
    hx_redact_secret("open-sesame-7");
    struct hx_kafka_error error = told(RD_KAFKA_RESP_ERR__AUTHENTICATION, "refused: open-sesame-7");
    assert_null(strstr(error.message, "open-sesame-7"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_errors_are_refusals),
        cmocka_unit_test(test_words_that_are_not_known_stay),
        cmocka_unit_test(test_secrets_are_redacted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
