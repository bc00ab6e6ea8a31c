/* heimdex-migrate revision: a new revision file, after the head of its chain. */
#include "migrations/command.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/autogenerate.h"
#include "migrations/slug.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define SOURCE_DIRECTORY "migrations/versions"
#define ID_BYTES 6 /* twelve hexadecimal digits, like Alembic's */

static bool is_directory(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* migrations/versions of the source tree that the working directory stands in; NULL: in none. The caller frees. */
static char *find_source_directory(void) {
    char here[PATH_MAX];
    if (is_directory(SOURCE_DIRECTORY))
        return hx_strdup(SOURCE_DIRECTORY);
    for (char *slash = getcwd(here, sizeof here) ? here + strlen(here) : NULL; slash; slash = strrchr(here, '/')) {
        *slash = '\0';
        char *path = hx_printf("%s/" SOURCE_DIRECTORY, here);
        if (is_directory(path))
            return path;
        free(path);
    }
    return NULL;
}

static bool has_revisions(const char *directory) {
    DIR *dir = opendir(directory);
    bool found = false;
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
        size_t n = strlen(entry->d_name);
        found = entry->d_name[0] != '.' && n > 4 && hx_streq(entry->d_name + n - 4, ".sql");
    }
    if (dir)
        closedir(dir);
    return found;
}

/* --- what is asked for -------------------------------------------------------------------------------------- */

static int check_message(const char *message) {
    const char *why = NULL;
    if (!message || !message[strspn(message, " \t")])
        why = "a revision needs a message: revision -m \"what it does\"";
    else if (!hx_utf8_valid(message, strlen(message)))
        why = "this is no UTF-8 text";
    for (const char *c = message; c && *c && !why; c++)
        if (iscntrl((unsigned char)*c))
            why = "must be one line without control characters";
    if (!why)
        return 0;
    hx_complain("revision: --message: %s", why);
    return HX_EXIT_USAGE;
}

static int choose_id(const struct hx_chain *chain, const char *wanted, char ret[HX_REVISION_ID_MAX + 1]) {
    size_t index;
    const char *why = wanted ? hx_revision_bad_id(wanted) : NULL;
    if (!why && wanted && chain && hx_chain_find_exactly(chain, wanted, &index) == 0)
        why = "the chain has it already";
    if (why) {
        hx_complain("revision: --rev-id: %s: %s", wanted, why);
        return HX_EXIT_USAGE;
    }
    unsigned char bytes[ID_BYTES];
    do {
        if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
            hx_complain("revision: getrandom: %s", strerror(errno));
            return HX_EXIT_SOFTWARE;
        }
        for (size_t i = 0; i < sizeof bytes; i++)
            snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    } while (chain && hx_chain_find_exactly(chain, ret, &index) == 0);
    if (wanted)
        hx_strcopy(ret, HX_REVISION_ID_MAX + 1, wanted);
    return 0;
}

/* --- the file ----------------------------------------------------------------------------------------------- */

static int write_file(const char *path, const struct hx_buf *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    bool written = file && fwrite(text->data, 1, text->len, file) == text->len;
    int error = errno;
    if (file && fclose(file) != 0) {
        written = false;
        error = errno;
    }
    if (written)
        return 0;
    if (fd >= 0)
        unlink(path);
    hx_complain("revision: %s: %s", path, strerror(error));
    return HX_EXIT_DATA;
}

static int write_revision(const struct hx_migrate *options, struct hx_site *site, const char *directory,
                          struct hx_buf *out) {
    char id[HX_REVISION_ID_MAX + 1];
    int r = choose_id(site->chain, options->rev_id, id);
    if (r != 0)
        return r;
    const char *parent = site->chain ? hx_chain_head(site->chain)->id : NULL;
    _cleanup_buf_ struct hx_buf upgrade = { 0 }, downgrade = { 0 }, text = { 0 };
    if (options->autogenerate && (r = hx_autogenerate(options, site, &upgrade, &downgrade)) != 0)
        return r;
    hx_buf_printf(&text, "-- revision: %s\n-- down_revision:%s%s\n-- message: %s\n\n-- upgrade\n%s\n-- downgrade\n%s",
                  id, parent ? " " : "", parent ? parent : "", options->message, upgrade.len ? upgrade.data : "",
                  downgrade.len ? downgrade.data : "");
    _cleanup_free_ char *slug = hx_slug(options->message);
    size_t n = strlen(directory);
    _cleanup_free_ char *path =
        hx_printf("%s%s%s%s%s.sql", directory, n && directory[n - 1] == '/' ? "" : "/", id, *slug ? "_" : "", slug);
    r = write_file(path, &text);
    if (r != 0)
        return r;
    if (!options->json) {
        hx_buf_printf(out, "Generating %s ...  done\n", path);
        return 0;
    }
    hx_buf_printf(out, "{\"revision\":\"%s\",\"path\":", id);
    hx_buf_json_string(out, path, SIZE_MAX);
    hx_buf_puts(out, "}\n");
    return 0;
}

int hx_command_revision(const struct hx_migrate *options, struct hx_site *site, const char *word, struct hx_buf *out) {
    (void)word;
    int r = check_message(options->message);
    if (r != 0)
        return r;
    if (options->destructive && !options->autogenerate) {
        hx_complain("revision: --destructive: goes with --autogenerate");
        return HX_EXIT_USAGE;
    }
    _cleanup_free_ char *directory = options->chain ? hx_strdup(options->chain) : find_source_directory();
    if (!directory || !is_directory(directory)) {
        hx_complain("revision: %s: %s", directory ? directory : SOURCE_DIRECTORY,
                    directory ? "is no directory" : "there is none here or above; --chain DIR says where to write");
        return HX_EXIT_USAGE;
    }
    if (has_revisions(directory)) {
        HX_CLEANUP(hx_problems_reset) struct hx_problems problems = { 0 };
        site->chain_directory = directory;
        if (hx_site_load(site, &problems) < 0) {
            hx_problems_complain(&problems, NULL);
            return HX_EXIT_DATA;
        }
    }
    return write_revision(options, site, directory, out);
}
