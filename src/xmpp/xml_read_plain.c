/* Elements that need no expat. */
#include "base/utf8.h"
#include "xml_plain.h"
#include "xml_read_parser.h"

static void play_event(struct xml_reader *r, const struct xml_plain_event *e)
{
    switch (e->kind) {
    case XML_PLAIN_START:
        r->depth++;
        xml_reader_heed(r, r->handler->start(r->arg, &e->tag));
        return;
    case XML_PLAIN_TEXT:
        xml_reader_heed(r, r->handler->text(r->arg, e->text));
        return;
    case XML_PLAIN_END:
        break;
    }
    xml_reader_heed(r, r->handler->end(r->arg, e->name));
    r->depth--;
}

static void play(struct xml_reader *r, struct xml_plain *plain)
{
    size_t n;
    const struct xml_plain_event *events = xml_plain_events(plain, &n);
    struct xml_plain_event last = events[n - 1];
    struct xml_name name = *last.name;

    for (size_t i = 0; i + 1 < n && !r->is_stopped; i++)
        play_event(r, &events[i]);
    /* What a whole element sets off may read others: the room is theirs. */
    last.name = &name;
    xml_plain_done(plain);
    if (!r->is_stopped)
        play_event(r, &last);
}

/* Whether what was read is UTF-8; if not, expat finds out where. */
static bool is_utf8(struct xml_plain *plain, struct slice bytes, size_t len)
{
    if (utf8_is_valid((struct slice){bytes.at, len}))
        return true;
    xml_plain_done(plain);
    return false;
}

size_t xml_reader_try_plain(struct xml_reader *r, struct xml_pool *pool,
                            struct slice bytes, const struct xml_scope *scope)
{
    size_t n_outer;
    const struct xml_decl *outer = xml_scope_decls(scope, &n_outer);
    size_t len = xml_plain_read(pool->plain, bytes, outer, n_outer, &r->limits);

    if (len == 0)
        return 0;
    if (r->stream != NULL) {
        if (!is_utf8(pool->plain, bytes, len))
            return 0;
    } else if (len != bytes.len) { /* something stands behind the document */
        xml_plain_done(pool->plain);
        return 0;
    }
    play(r, pool->plain);
    return len;
}

size_t xml_reader_try_plain_root(struct xml_reader *r, struct xml_pool *pool,
                                 struct slice bytes)
{
    size_t len = xml_plain_read_root(pool->plain, bytes, &r->limits);
    size_t n;
    const struct xml_tag *tag;

    if (len == 0 || !is_utf8(pool->plain, bytes, len))
        return 0;
    tag = &xml_plain_events(pool->plain, &n)->tag;
    r->depth = 1;
    xml_stream_root_read(r->stream, tag);
    if (!r->is_stopped && r->handler->start(r->arg, tag) != ERR_OK)
        xml_reader_stop(r, XML_STOPPED);
    xml_plain_done(pool->plain);
    return len;
}
