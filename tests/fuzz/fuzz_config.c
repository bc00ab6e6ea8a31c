/* Configuration: heimdex.conf, a file it includes, and one in handlers.d. Either one line says what is wrong, or the configuration packs,
 * unpacks and shows as the same. */
#include "lib/config/config.h"

#include "lib/config/state.h"
#include "tests/fuzz/oracle.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* libconfig 1.5 leaks the string it is at when the syntax is wrong. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libconfig.so\n";
}

static char *folder;
static char *paths[3];
static const char *const names[] = { "heimdex.conf", "included", "handlers.d/a.conf" };
static pid_t creator;

static void clean_up(void) {
    if (getpid() != creator)
        return;
    for (size_t i = HX_ARRAY_LEN(paths); i-- > 0; free(paths[i]))
        unlink(paths[i]);
    _cleanup_free_ char *handlers = hx_printf("%s/handlers.d", folder);
    rmdir(handlers);
    rmdir(folder);
    free(folder);
}

/* Nothing of the surroundings may decide. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    folder = fuzz_folder();
    clearenv();
    hx_secret_set_root(folder);
    for (size_t i = 0; i < HX_ARRAY_LEN(paths); i++)
        paths[i] = hx_printf("%s/%s", folder, names[i]);
    _cleanup_free_ char *handlers = hx_printf("%s/handlers.d", folder);
    must(mkdir(handlers, 0700) == 0);
    creator = getpid();
    atexit(clean_up);
    return 0;
}

static void write_file(const char *path, const uint8_t *data, size_t n) {
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, data, n) == (ssize_t)n);
}

/* The files stand in the input one behind the other, with a line "%" between. */
static void write_files(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < HX_ARRAY_LEN(paths); i++) {
        const uint8_t *cut = i + 1 < HX_ARRAY_LEN(paths) && size ? memmem(data, size, "\n%\n", 3) : NULL;
        size_t n = cut ? (size_t)(cut - data) + 1 : size;
        write_file(paths[i], data, n);
        size_t gone = cut ? n + 2 : n;
        data += gone;
        size -= gone;
    }
}

static void check_message(const char *text) {
    must(*text);
    for (const char *p = text; *p; p++)
        must((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void check_packed(const struct hx_config *c) {
    _cleanup_buf_ struct hx_buf packed = { 0 }, again = { 0 };
    struct hx_config *copy;
    struct hx_config_error error = { 0 };
    hx_config_pack(c, &packed);
    int r = hx_config_unpack(packed.data, packed.len, &copy, &error);
    if (r < 0)
        fprintf(stderr, "%s\n%s\n", error.message, packed.data);
    must(r == 0);
    hx_config_pack(copy, &again);
    must(hx_streq(packed.data, again.data));
    hx_config_free(copy);
}

static void check_shown(const struct hx_config *c) {
    _cleanup_buf_ struct hx_buf text = { 0 }, json = { 0 };
    struct hx_json_error error;
    hx_config_show(c, &text);
    hx_config_show_json(c, &json);
    must(hx_json_check(json.data, json.len, &error) == 0);
    const char *password = hx_config_string(c, HX_POSTGRES_PASSWORD);
    if (password && strlen(password) >= 12) /* a short one stands in other words too */
        must(!strstr(text.data, password) && !strstr(json.data, password));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct hx_config *c = NULL;
    struct hx_config_error error = { 0 };
    write_files(data, size);
    int r = hx_config_load(paths[0], &c, &error);
    if (r < 0) {
        must(!c && (r == -EINVAL || r == -EACCES || r == -EISDIR || r == -ENOENT));
        check_message(error.message);
        return 0;
    }
    check_packed(c);
    check_shown(c);
    hx_config_free(c);
    return 0;
}
