#include "lib/kafka/check.h"

#include "common/exit_codes.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* What it says of this list of properties; "" and HX_EXIT_OK when it is content. */
static const char *complaint(const char *properties) {
    static char text[1024];
    struct hx_config *config;
    struct hx_config_error error;
    setenv("HEIMDEX_CONFIG", "/dev/null", 1);
    setenv("HEIMDEX_KAFKA_PROPERTIES", properties, 1);
    if (hx_config_load(NULL, &config, &error) < 0)
        fail_msg("%s", error.message);
    fflush(NULL);
    int kept = dup(2), file = memfd_create("stderr", MFD_CLOEXEC);
    dup2(file, 2);
    int r = hx_kafka_check(config, NULL);
    dup2(kept, 2);
    close(kept);
    ssize_t n = pread(file, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    close(file);
    hx_config_free(config);
    assert_int_equal(r, *text ? HX_EXIT_CONFIG : HX_EXIT_OK);
    return text;
}

static void assert_complains(const char *properties, const char *of) {
    const char *text = complaint(properties);
    if (!strstr(text, of) || !strstr(text, ": environment HEIMDEX_KAFKA_PROPERTIES: kafka.properties: ") ||
        strcspn(text, "\n") != strlen(text) - 1)
        fail_msg("%s: not \"%s\" but \"%s\"", properties, of, text);
}

static void good_ones(void **state) {
    (void)state;
    assert_string_equal(complaint(""), "");
    assert_string_equal(complaint("linger.ms=5,fetch.min.bytes=10"), ""); /* one a producer's, one a consumer's */
    assert_string_equal(complaint("bootstrap.servers=127.0.0.1:1"), "");
}

static void each_for_itself(void **state) {
    (void)state;
    assert_complains("acks=all,no.such.property=1", "no.such.property: No such configuration property");
    assert_complains("acks=some", "acks: Invalid value");
    assert_complains("socket.timeout.ms=1",
                     "socket.timeout.ms: Configuration property \"socket.timeout.ms\" value 1 is outside");
}

static void all_together(void **state) {
    (void)state;
    assert_complains("security.protocol=SASL_PLAINTEXT,sasl.mechanisms=PLAIN",
                     "sasl.username and sasl.password must be set");
    assert_complains("security.protocol=SSL,ssl.ca.location=/there/is/none.pem", "ssl.ca.location");
    assert_complains("session.timeout.ms=20000,max.poll.interval.ms=10000",
                     "max.poll.interval.ms"); /* a consumer's alone */
}

static void secrets_are_kept(void **state) {
    (void)state;
    const char *text = complaint("sasl.password=hunter22,sasl.mechanisms=hunter22,security.protocol=sasl_plaintext");
    assert_true(*text);
    assert_null(strstr(text, "hunter22"));
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(good_ones), cmocka_unit_test(each_for_itself),
                                        cmocka_unit_test(all_together), cmocka_unit_test(secrets_are_kept) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
