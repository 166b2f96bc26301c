/* The copy of an element that the owner gets: the element itself, or a stub
 * when it is above a limit. */
#include "stream_int.h"

#include "element_stub.h"
#include "stream_scratch.h"
#include "base/log.h"
#include "base/metrics.h"

#include <inttypes.h>

static struct element_params params_of(const struct stream *s)
{
    return (struct element_params){
        .filter = ELEMENT_TO_CLIENT,
        .lang = slice_of(s->server_lang),
        .strips_plain = s->strips_plain,
    };
}

/* Escapes and declarations make an element longer than it came. */
static size_t copy_max(const struct stream *s)
{
    size_t max = s->element_max_bytes;

    return max > SIZE_MAX / 4 ? SIZE_MAX : max * 2 + 4096;
}

enum err stream_begin_copy(struct stream *s)
{
    struct element_params params = params_of(s);

    s->scratch = stream_scratch_take(copy_max(s));
    if (s->scratch == NULL)
        return ERR_NOMEM;
    element_copier_begin(s->scratch->copier, &s->scratch->bytes, &params);
    return ERR_OK;
}

enum err stream_reduce_copy(struct stream *s, const struct xml_tag *tag)
{
    struct stream_scratch *w = s->scratch;
    struct element_params params = params_of(s);
    struct xml_attr attrs[XML_REDUCED_MAX];
    struct xml_tag reduced;
    enum err err;

    xml_tag_reduce(tag, attrs, &reduced);
    buf_truncate(&w->bytes, 0);
    w->bytes.max_bytes = ELEMENT_STUB_MAX_BYTES;
    element_copier_begin(w->copier, &w->bytes, &params);
    err = element_copier_start(w->copier, &reduced);
    return err == ERR_OK ? ERR_LIMIT : err;
}

/* `name` of `<name …`. */
static struct slice stream_copy_name_of(struct slice tag)
{
    size_t n = 1;

    while (n < tag.len && tag.at[n] != ' ' && tag.at[n] != '>' &&
           tag.at[n] != '/')
        n++;
    return tag.len == 0 ? SLICE("") : (struct slice){tag.at + 1, n - 1};
}

/* The other limits are fixed, and so is the size before login. */
static const char *key_of(const struct stream *s, enum xml_limit limit)
{
    bool is_size = limit == XML_LIMIT_BYTES || limit == XML_LIMIT_OUTPUT;

    return is_size && s->element_max_bytes == s->element_limit_bytes
               ? "upstream.stanza_max"
               : "none";
}

static void report(const struct stream *s, const struct xml_skipped *what,
                   struct slice tag)
{
    static _Thread_local struct log_limit limit = LOG_LIMIT_INIT;
    unsigned suppressed;

    metrics_count(METRIC_STANZAS_SKIPPED);
    if (!log_allow(&limit, loop_now_ms(s->loop), &suppressed))
        return;
    log_warn(s->log,
             "stream.skipped element=%s bytes=%" PRIu64
             " limit=%s bytes_max=%zu key=%s suppressed=%u",
             log_quote(stream_copy_name_of(tag)).text, what->bytes,
             xml_limit_name(what->limit), s->element_max_bytes,
             key_of(s, what->limit), suppressed);
}

enum err stream_take_skipped(struct stream *s, const struct xml_skipped *what,
                             struct element *out)
{
    struct stream_scratch *w = s->scratch;
    struct element_stub stub = {
        .pool = s->pool,
        .why = *what,
        .max_bytes = s->element_max_bytes,
        .copy = params_of(s),
    };
    enum err err;

    if (w != NULL)
        stub.original = buf_slice(&w->bytes);
    report(s, what, stub.original);
    if (w == NULL) /* the name is too long: no stanza, and nothing to call it */
        return ERR_MISSING;
    s->scratch = stream_scratch_take(ELEMENT_STUB_MAX_BYTES);
    if (s->scratch == NULL)
        err = ERR_NOMEM;
    else
        err = element_stub_make(s->scratch->copier, &s->scratch->bytes, &stub,
                                out);
    stream_scratch_give(w);
    return err;
}
