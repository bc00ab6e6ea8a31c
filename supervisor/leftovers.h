/* Handlers of an earlier supervisor of this fleet that outlived it: killed as it was, without anybody to clean up. They bear the
 * fleet's mark (common/mark.h), and their environment names it: both by its control socket, which one supervisor holds at a time in a PID
 * namespace. */
#pragma once

#include <stddef.h>

/* Kills every process of ours that bears the fleet's mark, or which runs in our PID namespace with HEIMDEX_FLEET=control_socket in
 * its environment, and waits until none of them runs, for 2 s at most. Returns how many there were.
 * To be called when the control socket is ours and before the first child is started. */
size_t leftovers_kill(const char *control_socket);
