/*
 * process.h - what doab has of the system as a process: standard file
 * descriptors, limits, the traces of a crash, and the way it ends.
 */
#ifndef APP_PROCESS_H
#define APP_PROCESS_H

#include "base/base.h"

/*
 * Opens /dev/null on each of the descriptors 0 to 2 that is not open.  To be
 * called before anything else: otherwise the first socket or epoll set gets
 * the number, and what is meant for standard error goes there.  ERR_SYSTEM.
 */
MUST_CHECK enum err process_open_std(void);

/* No core files, no debugger, no files that others may read, no SIGPIPE; and
 * a crash first waits for the log.  Logs what it cannot do. */
void process_harden(void);

/* Raises the limit of open files to what the system allows us.  The limit
 * that holds then; 0: unknown. */
size_t process_raise_files(void);

/* The limit that process_raise_files would reach; 0: unknown. */
size_t process_files_max(void);

/* Writes text (PIPE_BUF bytes at most) to standard output.  False, with a line
 * in the log: its reader took nothing for a second, and the text is given up.
 */
bool process_say(const char *text, size_t len);

/*
 * Ends the process with this status, after its own clean-up.  Handlers that
 * libraries left with atexit do not run: some allocate, and crash when memory
 * is short, and nothing here needs them.
 */
_Noreturn void process_exit(int status);

#endif /* APP_PROCESS_H */
