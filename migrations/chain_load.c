/* Where a chain's files come from: the program itself, or a directory. */
#include "migrations/chain.h"

#include "common/text.h"
#include "embedded_revisions.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define EMBEDDED_DIRECTORY "migrations/versions" /* where they stand in the source tree */

struct files {
    struct hx_chain_file *items;
    size_t count;
};

static void files_reset(struct files *files) {
    for (size_t i = 0; i < files->count; i++) {
        free((void *)files->items[i].path);
        free((void *)files->items[i].text);
    }
    free(files->items);
}

static int failed(struct hx_problems *problems, const char *what, const char *path, int error) {
    hx_problem_file(hx_problem_add(problems, what, NULL, "%s", strerror(error)), path);
    return -error;
}

/* Takes path over. */
static int read_file(struct files *files, char *path, struct hx_problems *problems) {
    files->items = hx_realloc(files->items, (files->count + 1) * sizeof *files->items);
    struct hx_chain_file *file = &files->items[files->count++];
    *file = (struct hx_chain_file){ .path = path };
    _cleanup_fclose_ FILE *f = fopen(path, "re");
    if (!f)
        return failed(problems, "revision file", path, errno);
    struct hx_buf text = { 0 };
    size_t n;
    do {
        n = fread(hx_buf_reserve(&text, 16384), 1, 16384, f);
        text.len += n;
    } while (n > 0);
    int error = ferror(f) ? (errno ? errno : EIO) : 0;
    file->size = text.len;
    file->text = hx_buf_take(&text);
    return error ? failed(problems, "revision file", path, error) : 0;
}

static bool ends_with(const char *name, const char *ending) {
    size_t n = strlen(name), m = strlen(ending);
    return n > m && hx_streq(name + n - m, ending);
}

static int is_sql(const struct dirent *entry) {
    return entry->d_name[0] != '.' && ends_with(entry->d_name, ".sql");
}

static int is_python(const struct dirent *entry) {
    return entry->d_name[0] != '.' && ends_with(entry->d_name, ".py") && !hx_startswith(entry->d_name, "__init__");
}

static int read_directory(const char *directory, int (*is_ours)(const struct dirent *), struct files *files,
                          struct hx_problems *problems) {
    struct dirent **entries = NULL;
    int n = scandir(directory, &entries, is_ours, alphasort), r = 0;
    if (n < 0)
        return failed(problems, "chain", directory, errno);
    size_t length = strlen(directory);
    const char *slash = length && directory[length - 1] == '/' ? "" : "/";
    for (int i = 0; i < n; i++) {
        if (r == 0)
            r = read_file(files, hx_printf("%s%s%s", directory, slash, entries[i]->d_name), problems);
        free(entries[i]);
    }
    free(entries);
    return r;
}

static int from_directory(const char *directory, int (*is_ours)(const struct dirent *), struct hx_chain **ret,
                          struct hx_problems *problems) {
    HX_CLEANUP(files_reset) struct files files = { 0 };
    int r = read_directory(directory, is_ours, &files, problems);
    if (r < 0)
        return r;
    if (files.count == 0) {
        hx_problem_file(hx_problem_add(problems, "chain", NULL, "no revision files are there"), directory);
        return -ENOENT;
    }
    return hx_chain_build(files.items, files.count, ret, problems);
}

static int from_program(struct hx_chain **ret, struct hx_problems *problems) {
    struct hx_chain_file *files = hx_allocn(hx_embedded_revisions_count, sizeof *files);
    for (size_t i = 0; i < hx_embedded_revisions_count; i++)
        files[i] = (struct hx_chain_file){
            .path = hx_printf(EMBEDDED_DIRECTORY "/%s", hx_embedded_revisions[i].name),
            .text = hx_embedded_revisions[i].text,
            .size = hx_embedded_revisions[i].size,
        };
    int r = hx_chain_build(files, hx_embedded_revisions_count, ret, problems);
    for (size_t i = 0; i < hx_embedded_revisions_count; i++)
        free((void *)files[i].path);
    free(files);
    return r;
}

int hx_chain_load(const char *directory, struct hx_chain **ret, struct hx_problems *problems) {
    return directory ? from_directory(directory, is_sql, ret, problems) : from_program(ret, problems);
}

int hx_chain_load_alembic(const char *directory, struct hx_chain **ret, struct hx_problems *problems) {
    /* Alembic's own folder, as `alembic init` makes it, has the versions one below. */
    _cleanup_free_ char *versions = hx_printf("%s/versions", directory);
    struct stat st;
    bool is_outer = stat(versions, &st) == 0 && S_ISDIR(st.st_mode);
    return from_directory(is_outer ? versions : directory, is_python, ret, problems);
}
