/*
 * log_writer.h - writes lines to a file descriptor from a thread of its own.
 *
 * A reader of the log that stops (a pipe nobody empties, a terminal that is
 * held, a journal that hangs) blocks that thread alone.  Until it goes on,
 * lines wait in memory up to a limit, and what does not fit is dropped and
 * counted.  The descriptor may be of any kind and shared with other processes:
 * it stays blocking, because O_NONBLOCK would be set for them as well.
 *
 * Lines are written in the order in which they were put, each by one write():
 * up to PIPE_BUF bytes a pipe takes a line in one piece.
 */
#ifndef BASE_LOG_WRITER_H
#define BASE_LOG_WRITER_H

#include "base/base.h"

/* Bytes of lines that wait, beside as many that are being written.  Memory is
 * touched only as far as it is needed. */
#define LOG_WRITER_BYTES (512u << 10)

struct log_writer;

/* Writes the line that says how many were dropped to `to` (cap bytes); returns
 * its length.  It is called in the writer's thread. */
typedef size_t log_writer_report_fn(char *to, size_t cap, size_t dropped);

/* Starts the thread, which takes no signals.  fd is borrowed until
 * log_writer_free.  ERR_NOMEM; ERR_SYSTEM: there is no thread to be had. */
MUST_CHECK enum err log_writer_new(struct log_writer **out, int fd,
                                   log_writer_report_fn *report);

/* From any thread; never waits for the reader.  The line ends with a newline
 * and is copied.  False: it was dropped, and the report behind the lines that
 * are waiting counts it.  A line that the system refuses to write (a full
 * disk, a reader that has gone) is counted later by the same report. */
bool log_writer_put(struct log_writer *w, const char *line, size_t len);

/* Waits until all that was put is written, timeout_ms at most.  True: it is.
 * Takes no lock, and may be called from a signal handler. */
bool log_writer_flush(struct log_writer *w, unsigned timeout_ms);

/* Ends the thread once it has written what was put: nobody puts any more, and
 * log_writer_flush has answered true, since this waits without a limit. */
void log_writer_free(struct log_writer *w);

#endif /* BASE_LOG_WRITER_H */
