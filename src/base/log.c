#include "base/log.h"

#include "log_writer.h"
#include "base/metrics.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES       2048 /* below PIPE_BUF: written in one piece */
#define QUOTED_MAX_BYTES 256

static atomic_int level_now = LOG_INFO;
static atomic_int format_now = LOG_TEXT;
static void (*sink)(const char *line, size_t len);

/* owned; NULL: lines are written by who logs them.  Atomic for the handler of
 * a crash. */
static _Atomic(struct log_writer *) writer;

static const char *const level_name[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn",   [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug", [LOG_TRACE] = "trace",
};

/* sd-daemon(3). */
static const char *const level_digit[] = {
    [LOG_ERROR] = "<3>", [LOG_WARN] = "<4>",  [LOG_INFO] = "<6>",
    [LOG_DEBUG] = "<7>", [LOG_TRACE] = "<7>",
};

void log_setup(enum log_level level, enum log_format format)
{
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
    atomic_store_explicit(&format_now, (int)format, memory_order_relaxed);
}

bool log_wants(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&level_now, memory_order_relaxed);
}

void log_set_sink(void (*to)(const char *line, size_t len))
{
    sink = to;
}

void log_ctx_init(struct log_ctx *ctx, const char *fmt, ...)
{
    va_list args;
    size_t len;

    va_start(args, fmt);
    vsnprintf(ctx->prefix, sizeof(ctx->prefix) - 1, fmt, args);
    va_end(args);

    len = strlen(ctx->prefix);
    if (len > 0 && ctx->prefix[len - 1] != ' ') {
        ctx->prefix[len] = ' ';
        ctx->prefix[len + 1] = '\0';
    }
}

/* A line being put together; what does not fit is left out. */
struct line {
    char text[LINE_BYTES];
    size_t len; /* <= LINE_BYTES - 1: the newline always fits */
};

static void log_put(struct line *line, const char *text, size_t len)
{
    size_t room = sizeof(line->text) - 1 - line->len;

    if (len > room)
        len = room;
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static void log_put_head(struct line *line, enum log_level level)
{
    char stamp[40];
    struct timespec ts;
    struct tm tm;
    size_t len;

    if (atomic_load_explicit(&format_now, memory_order_relaxed) ==
        (int)LOG_JOURNALD) {
        log_put(line, level_digit[level], strlen(level_digit[level]));
        return;
    }
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    len = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    log_put(line, stamp, len);
    snprintf(stamp, sizeof(stamp), ".%03ldZ ", ts.tv_nsec / 1000000);
    log_put(line, stamp, strlen(stamp));
    log_put(line, level_name[level], strlen(level_name[level]));
    log_put(line, " ", 1);
}

static void write_now(const char *at, size_t len)
{
    while (len > 0) {
        ssize_t done = write(STDERR_FILENO, at, len);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* the log has no other place */
        at += done;
        len -= (size_t)done;
    }
}

static void write_out(const char *at, size_t len)
{
    struct log_writer *w = atomic_load(&writer);

    if (sink != NULL)
        sink(at, len);
    else if (w == NULL)
        write_now(at, len);
    else if (!log_writer_put(w, at, len))
        metrics_count(METRIC_LOG_DROPPED);
}

static size_t report_dropped(char *to, size_t cap, size_t dropped)
{
    struct line line = {.len = 0};
    char text[64];

    log_put_head(&line, LOG_WARN);
    snprintf(text, sizeof(text), "log.lost dropped=%zu\n", dropped);
    log_put(&line, text, strlen(text));
    if (line.len > cap)
        line.len = cap;
    memcpy(to, line.text, line.len);
    return line.len;
}

enum err log_start(void)
{
    struct log_writer *w;
    enum err err = log_writer_new(&w, STDERR_FILENO, report_dropped);

    if (err == ERR_OK)
        atomic_store(&writer, w);
    return err;
}

bool log_flush(unsigned timeout_ms)
{
    struct log_writer *w = atomic_load(&writer);

    return w == NULL || log_writer_flush(w, timeout_ms);
}

void log_stop(unsigned timeout_ms)
{
    if (!log_flush(timeout_ms))
        return; /* its thread may hang for ever, and ends with the process */
    log_writer_free(atomic_exchange(&writer, NULL));
}

void log_line(enum log_level level, const struct log_ctx *ctx, const char *fmt,
              ...)
{
    struct line line = {.len = 0};
    char text[LINE_BYTES];
    va_list args;
    size_t event;
    size_t i;

    if (!log_wants(level))
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    log_put_head(&line, level);
    event = strcspn(text, " ");
    log_put(&line, text, event);
    if (ctx != NULL && ctx->prefix[0] != '\0') {
        log_put(&line, " ", 1);
        log_put(&line, ctx->prefix, strlen(ctx->prefix) - 1);
    }
    log_put(&line, text + event, strlen(text + event));

    /* Whoever forgot log_quote still cannot forge a line. */
    for (i = 0; i < line.len; i++)
        if ((unsigned char)line.text[i] < 0x20 || line.text[i] == 0x7F)
            line.text[i] = '?';
    line.text[line.len++] = '\n';
    write_out(line.text, line.len);
}

bool log_allow(struct log_limit *limit, uint64_t now_ms, unsigned *suppressed)
{
    if (now_ms - limit->since_ms >= limit->interval_ms) {
        limit->since_ms = now_ms;
        limit->used = 0;
    }
    if (limit->used >= limit->burst) {
        limit->suppressed++;
        metrics_count(METRIC_LOG_SUPPRESSED);
        return false;
    }
    limit->used++;
    *suppressed = limit->suppressed;
    limit->suppressed = 0;
    return true;
}

static bool log_is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c != '\0' && strchr("-._:/@+[]", c));
}

static bool is_plain_word(struct slice s)
{
    size_t i;

    if (s.len == 0 || s.len > QUOTED_MAX_BYTES)
        return false;
    for (i = 0; i < s.len; i++)
        if (!log_is_plain(s.at[i]))
            return false;
    return true;
}

/* The length of the valid character at s.at, 0 when there is none, and its
 * number. */
static size_t read_char(struct slice s, uint32_t *number)
{
    static const unsigned char lead_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    size_t len;
    size_t i;

    for (len = 1; len <= 4 && len <= s.len; len++)
        if (utf8_is_valid((struct slice){s.at, len}))
            break;
    if (len > 4 || len > s.len)
        return 0;
    *number = (unsigned char)s.at[0] & lead_mask[len];
    for (i = 1; i < len; i++)
        *number = *number << 6 | ((unsigned char)s.at[i] & 0x3F);
    return len;
}

/* Characters that a terminal or a log viewer might obey. */
static bool is_treacherous(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C ||
           (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF ||
           (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE007F);
}

/* Writes the character at s.at as it shall appear; returns what it took. */
static size_t quote_char(struct slice s, char out[16])
{
    uint32_t number = 0;
    size_t len = read_char(s, &number);

    if (len == 0) {
        snprintf(out, 16, "\\x%02x", (unsigned)(unsigned char)s.at[0]);
        return 1;
    }
    if (number == '"' || number == '\\')
        snprintf(out, 16, "\\%c", (int)number);
    else if (number == '\n')
        snprintf(out, 16, "\\n");
    else if (number == '\r')
        snprintf(out, 16, "\\r");
    else if (number == '\t')
        snprintf(out, 16, "\\t");
    else if (number < 0x80 && is_treacherous(number))
        snprintf(out, 16, "\\x%02x", (unsigned)number);
    else if (is_treacherous(number))
        snprintf(out, 16, "\\u{%x}", (unsigned)number);
    else
        snprintf(out, 16, "%.*s", (int)len, s.at);
    return len;
}

struct log_quoted log_quote(struct slice s)
{
    struct log_quoted q;
    size_t len = 0;

    if (is_plain_word(s)) {
        memcpy(q.text, s.at, s.len);
        q.text[s.len] = '\0';
        return q;
    }

    q.text[len++] = '"';
    while (s.len > 0) {
        char piece[16];
        size_t took = quote_char(s, piece);
        size_t piece_len = strlen(piece);

        if (piece_len > QUOTED_MAX_BYTES + 1 - len)
            break;
        memcpy(q.text + len, piece, piece_len);
        len += piece_len;
        s.at += took;
        s.len -= took;
    }
    q.text[len++] = '"';
    q.text[len] = '\0';
    return q;
}
