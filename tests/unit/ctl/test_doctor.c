#include "ctl/doctor.h"

#include "common/clock.h"
#include "ctl/row.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void urls(void **s) {
    (void)s;
    static const struct {
        const char *url, *host, *port; /* host NULL: refused */
    } cases[] = {
        { "redis://localhost", "localhost", "1" },
        { "redis://localhost:6380/0", "localhost", "6380" },
        { "redis://user:p@ss:w@10.0.0.1:6380/0", "10.0.0.1", "6380" },
        { "http://[::1]:80/x", "::1", "80" },
        { "http://[::1]/", "::1", "1" },
        { "https://example.org?x=:9", "example.org", "1" },
        { "example.org:9", "example.org", "9" },
        { "http://", NULL, NULL },
        { "http://[::1", NULL, NULL },
        { "http://[::1]x", NULL, NULL },
        { "http://a:12345678901234567890", NULL, NULL },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct url_parts parts = { 0 };
        int r = probe_parse_url(cases[i].url, "1", &parts);
        assert_int_equal(r, cases[i].host ? 0 : -EINVAL);
        if (r < 0)
            continue;
        assert_string_equal(parts.host, cases[i].host);
        assert_string_equal(parts.port, cases[i].port);
    }
}

static void connects(void **s) {
    (void)s;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    char port[16];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    snprintf(port, sizeof port, "%d", ntohs(address.sin_port));
    assert_int_equal(probe_connect("127.0.0.1", port, 1000), -ECONNREFUSED);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(probe_connect("127.0.0.1", port, 1000), 0);
    close(fd);
}

static void finds(void **s) {
    (void)s;
    struct doctor d = { 0 };
    doctor_find(&d, "pg", FINDING_OK, hx_mono_ns(), "no need", "fine \"%d\"", 1);
    doctor_find(&d, "clock", FINDING_WARNING, hx_mono_ns(), NULL, "off");
    assert_true(doctor_well(&d));
    doctor_find(&d, "kafka", FINDING_FAILURE, hx_mono_ns(), "start it", "refused");
    assert_false(doctor_well(&d));

    _cleanup_buf_ struct hx_buf json = { 0 }, text = { 0 };
    doctor_json(&d, &json);
    _cleanup_json_ json_t *document = row_parse(json.data);
    const json_t *deps = json_object_get(document, "deps"), *pg = json_object_get(deps, "pg"),
                 *kafka = json_object_get(deps, "kafka");
    assert_false(row_bool(document, "ok"));
    assert_true(row_bool(pg, "ok"));
    assert_string_equal(row_string(pg, "detail"), "fine \"1\"");
    assert_true(json_is_null(json_object_get(pg, "error")));
    assert_true(json_is_real(json_object_get(pg, "ms")));
    assert_string_equal(row_string(json_object_get(deps, "clock"), "warning"), "off");
    assert_string_equal(row_string(kafka, "error"), "refused");
    assert_string_equal(row_string(kafka, "mend"), "start it");

    doctor_render(&d, false, &text);
    assert_int_equal(strncmp(text.data, "ok    pg ", 9), 0);
    assert_non_null(strstr(text.data, "\nwarn  clock "));
    assert_non_null(strstr(text.data, "\nFAIL  kafka "));
    assert_non_null(strstr(text.data, "refused; to mend it: start it\n"));
    assert_null(strstr(text.data, "no need"));
    doctor_reset(&d);
}

static void queues(void **s) {
    (void)s;
    struct doctor d = { 0 };
    doctor_add_queue(&d, "default");
    doctor_add_queue(&d, "img");
    doctor_add_queue(&d, "default");
    assert_int_equal(d.queue_count, 2);
    doctor_reset(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(urls), cmocka_unit_test(connects), cmocka_unit_test(finds),
                                        cmocka_unit_test(queues) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
