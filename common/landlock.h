/* Landlock (Linux 5.19): a process gives up access of its own, and needs no rights for that. https://docs.kernel.org/userspace-api/landlock.html */
#pragma once

/* Makes a set of rules by which whoever is held to it reads no file below `directory`, and everything else as before; nor may it trace
 * a process that isn't held to it. What is made later beside the directory, or beside one that it lies in, can't be read either. A
 * descriptor for hx_spawn, or -errno: -ENOENT where there is nothing to hide, in it or at all; -ENOSYS, -EOPNOTSUPP where the kernel
 * can't. The kernel lets nobody mount anything who is held to rules, not even in namespaces of its own. */
int hx_landlock_hide(const char *directory);
/* Holds this process to the rules, for good. 0 or -errno. Only system calls: for a child before its exec. */
int hx_landlock_enter(int rules);
