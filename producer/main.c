/* heimdex-submit: jobs into the ledger, and word of them to the workers. */
#include "common/exit_codes.h"
#include "producer/arguments.h"
#include "producer/feed.h"
#include "producer/single.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* A descriptor of ours must not get the number of a standard one that is closed. What stands there instead fails when it is used. */
static void hold_standard_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            _exit(HX_EXIT_SOFTWARE);
}

/* A reader of our output that is gone is an error of write(2), and not our sudden end. */
static void ignore_sigpipe(void) {
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
}

int main(int argc, char **argv) {
    struct arguments arguments;
    hold_standard_descriptors();
    ignore_sigpipe();
    int r = arguments_read(argc, argv, &arguments);
    if (r < 0)
        r = arguments.batch ? feed_run(&arguments) : single_run(&arguments);
    arguments_free(&arguments);
    return r;
}
