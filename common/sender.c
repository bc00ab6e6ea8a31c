#include "common/sender.h"

#include "common/log.h"
#include "common/process.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Operators and systemd are root where we aren't; a handler can't become anyone else. */
static pid_t unless_of_others(const struct hx_sender *sender, pid_t kin) {
    bool other = geteuid() == 0 || (sender->certain && (sender->pid == 0 || sender->uid != getuid()));
    return kin == -ESRCH && other ? 0 : kin;
}

pid_t hx_sender_child(const struct hx_sender *sender) {
    return unless_of_others(sender, sender->certain ? hx_child_above(sender->pid) : -ESRCH);
}

pid_t hx_sender_kin(const struct hx_sender *sender) {
    pid_t parent = getppid(), kin = hx_sender_child(sender);
    if (sender->certain && sender->pid == parent)
        return 0;
    return kin == 0 && sender->certain ? unless_of_others(sender, hx_descends(sender->pid, parent)) : kin;
}

bool hx_sender_refused(const struct hx_sender *sender, int signo, pid_t kin) {
    if (kin > 0)
        hx_warning(HX_EVENT("signal.ignored"), "SIG%s from a process of our fleet (pid %d), ignoring",
                   sigabbrev_np(signo), (int)sender->pid);
    else if (kin < 0)
        hx_warning(
            HX_EVENT("signal.ignored"),
            "SIG%s from a process of our own user that is gone or hidden (pid %d), it may be a handler's, ignoring",
            sigabbrev_np(signo), (int)sender->pid);
    return kin != 0;
}
