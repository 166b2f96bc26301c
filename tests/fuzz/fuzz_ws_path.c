/*
 * fuzz_ws_path.c - from the bytes behind the upgrade to elements for the
 * server: frames are checked, unmasked, put together and decompressed, each
 * message is read as RFC 7395 has it.
 *
 * What comes out must not depend on how the bytes were cut, must be what a
 * plain reading of the frames gives, and must be clean.
 *
 * Input: one byte for the sizes of the pieces, one for the limit of a message
 * and (its lowest bit) whether compression was agreed on, then what a client
 * sends.
 */
#include "base/utf8.h"
#include "front/websocket_deflate.h"
#include "front/websocket_message.h"
#include "session/ws_element.h"
#include "xmpp/xml_read.h"

#include <stdint.h>
#include <stdlib.h>

#define REQUIRE(fact)                                                          \
    do {                                                                       \
        if (!(fact))                                                           \
            abort();                                                           \
    } while (0)

#define LIMIT_UNIT 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct xml_pool *pool;
static struct element_copier *copier;
static struct ws_shared shared;
static struct websocket_deflate *own; /* of the plain reading */

static void start(void)
{
    if (pool != NULL)
        return;
    REQUIRE(xml_pool_new(&pool, 4) == ERR_OK);
    REQUIRE(element_copier_new(&copier) == ERR_OK);
    REQUIRE(websocket_deflate_new(&shared.deflate) == ERR_OK);
    REQUIRE(websocket_deflate_new(&own) == ERR_OK);
}

/* ---- what is written down ---- */

struct record {
    struct buf bytes;
};

static void note(struct record *r, char what, struct slice text)
{
    REQUIRE(buf_append(&r->bytes, &what, 1) == ERR_OK);
    REQUIRE(buf_append_u64(&r->bytes, text.len) == ERR_OK);
    REQUIRE(buf_append_slice(&r->bytes, text) == ERR_OK);
}

static void note_number(struct record *r, char what, unsigned number)
{
    REQUIRE(buf_append(&r->bytes, &what, 1) == ERR_OK);
    REQUIRE(buf_append_u64(&r->bytes, number) == ERR_OK);
}

/* ---- messages ---- */

/* H10: no markup but elements, and never the frame of a stream. */
static void check_element(const struct ws_element *f, size_t limit)
{
    struct slice s = f->element.bytes;

    REQUIRE(s.len >= 4 && s.len <= limit);
    REQUIRE(s.at[0] == '<' && s.at[s.len - 1] == '>');
    REQUIRE(utf8_is_valid(s));
    REQUIRE(memmem(s.at, s.len, "<!", 2) == NULL);
    REQUIRE(memmem(s.at, s.len, "<?", 2) == NULL);
    REQUIRE(f->element.kind != ELEMENT_OPEN);
    REQUIRE(f->element.kind != ELEMENT_CLOSE);
    REQUIRE(f->element.kind != ELEMENT_STREAM);
}

static void read_message(struct record *r, struct slice message, size_t limit)
{
    enum ws_element_verdict verdict;
    struct ws_element f;

    REQUIRE(message.len <= limit);
    REQUIRE(utf8_is_valid(message));
    note(r, 'm', message);
    ws_element_init(&f, limit);
    verdict = ws_element_read(&f, pool, copier, message, limit);
    if (verdict == WS_ELEMENT_ELEMENT) {
        check_element(&f, limit);
        note(r, 'e', f.element.bytes);
    }
    ws_element_free(&f);
}

/* ---- as doab reads it ---- */

/* False: nothing more is read. */
static bool take(struct record *r, struct websocket_message *in,
                 struct slice *bytes, size_t limit)
{
    struct websocket_message_result result;

    for (;;) {
        switch (websocket_message_next(in, &shared, bytes, limit, &result)) {
        case WEBSOCKET_MESSAGE_MORE:
            REQUIRE(bytes->len == 0);
            return true;
        case WEBSOCKET_MESSAGE_MESSAGE:
            read_message(r, result.text, limit);
            break;
        case WEBSOCKET_MESSAGE_PING:
            REQUIRE(result.text.len <= WEBSOCKET_CONTROL_MAX_BYTES);
            note(r, 'p', result.text);
            break;
        case WEBSOCKET_MESSAGE_NOTHING:
            break;
        case WEBSOCKET_MESSAGE_CLOSE:
            note_number(r, 'c', result.code);
            return false;
        case WEBSOCKET_MESSAGE_FAULT:
            note_number(r, 'f', (unsigned)result.fault);
            return false;
        case WEBSOCKET_MESSAGE_NOMEM:
            abort();
        }
    }
}

static void read_pieces(struct record *r, struct slice all, size_t limit,
                        bool may_deflate, unsigned seed)
{
    struct websocket_message in;
    bool is_going = true;

    websocket_message_init(&in, limit, may_deflate);
    while (is_going && all.len > 0) {
        size_t n = seed == 0 || seed % 9 + 1 > all.len ? all.len : seed % 9 + 1;
        struct slice piece = {all.at, n};

        seed = seed == 0 ? 0 : seed * 31 % 65521 + 1;
        is_going = take(r, &in, &piece, limit);
        all.at += n;
        all.len -= n;
    }
    /* An idle connection keeps nothing. */
    if (is_going && !in.check.in_message && !in.check.in_payload)
        REQUIRE(in.message.data == NULL && in.control.data == NULL);
    websocket_message_fini(&in);
}

/* ---- plainly: every payload is copied, byte by byte ---- */

struct plain {
    struct record *r;
    struct buf payload[2]; /* of messages, of pings */
    size_t limit;
};

static void add_payload(struct buf *to, const struct ws_run *run)
{
    size_t i;

    for (i = 0; i < run->masked.len; i++) {
        char byte = (char)((unsigned char)run->masked.at[i] ^ run->mask[i % 4]);

        REQUIRE(buf_append(to, &byte, 1) == ERR_OK);
    }
}

/* What may be the beginning of UTF-8, or is whole. */
static bool is_text(struct slice s, bool is_whole)
{
    struct utf8 u = {0};

    return utf8_feed(&u, s.at, s.len) && (!is_whole || utf8_is_complete(&u));
}

static enum ws_fault end_message(struct plain *p, const struct ws_run *run)
{
    struct slice text = buf_slice(&p->payload[0]);
    enum err err = ERR_OK;

    if (run->is_deflated && !run->is_message_end)
        return WEBSOCKET_FAULT_NONE;
    if (run->is_deflated)
        err = websocket_deflate_read(own, text, p->limit, &text);
    if (err != ERR_OK)
        return err == ERR_LIMIT ? WEBSOCKET_FAULT_TOO_BIG
                                : WEBSOCKET_FAULT_DEFLATE;
    if (!is_text(text, run->is_message_end))
        return WEBSOCKET_FAULT_UTF8;
    if (run->is_message_end) {
        read_message(p->r, text, p->limit);
        buf_clear(&p->payload[0], 0);
    }
    return WEBSOCKET_FAULT_NONE;
}

/* False: nothing more is read. */
static bool take_run(struct plain *p, const struct ws_run *run, unsigned code)
{
    enum ws_fault fault = WEBSOCKET_FAULT_NONE;

    if (run->kind == WS_RUN_TEXT) {
        add_payload(&p->payload[0], run);
        fault = end_message(p, run);
    } else if (run->kind == WS_RUN_PING) {
        add_payload(&p->payload[1], run);
        if (run->is_frame_end) {
            note(p->r, 'p', buf_slice(&p->payload[1]));
            buf_clear(&p->payload[1], 0);
        }
    } else if (run->kind == WS_RUN_CLOSE && run->is_frame_end) {
        note_number(p->r, 'c', code);
        return false;
    }
    if (fault != WEBSOCKET_FAULT_NONE)
        note_number(p->r, 'f', (unsigned)fault);
    return fault == WEBSOCKET_FAULT_NONE;
}

static void read_plainly(struct record *r, struct slice all, size_t limit,
                         bool may_deflate)
{
    struct plain p = {.r = r, .limit = limit};
    struct websocket_parse check;
    struct ws_run run;
    bool is_going = true;

    buf_init(&p.payload[0], SIZE_MAX);
    buf_init(&p.payload[1], SIZE_MAX);
    websocket_parse_init(&check);
    check.may_deflate = may_deflate;
    while (is_going) {
        enum ws_fault fault = websocket_parse_next(&check, &all, limit, &run);

        if (fault != WEBSOCKET_FAULT_NONE)
            note_number(r, 'f', (unsigned)fault);
        is_going = fault == WEBSOCKET_FAULT_NONE && run.kind != WS_RUN_NONE &&
                   take_run(&p, &run, check.close_code);
    }
    buf_free(&p.payload[0]);
    buf_free(&p.payload[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct record records[3];
    struct slice all;
    bool may_deflate;
    size_t limit;
    size_t i;

    if (len < 2)
        return 0;
    start();
    for (i = 0; i < COUNT_OF(records); i++)
        buf_init(&records[i].bytes, SIZE_MAX);
    may_deflate = (data[1] & 1) != 0;
    limit = LIMIT_UNIT * (data[1] / 2 + 1u);
    all = (struct slice){(const char *)data + 2, len - 2};
    read_plainly(&records[0], all, limit, may_deflate);
    read_pieces(&records[1], all, limit, may_deflate, 0);
    read_pieces(&records[2], all, limit, may_deflate, data[0] + 1u);
    for (i = 1; i < COUNT_OF(records); i++)
        REQUIRE(slice_equal(buf_slice(&records[0].bytes),
                            buf_slice(&records[i].bytes)));
    for (i = 0; i < COUNT_OF(records); i++)
        buf_free(&records[i].bytes);
    return 0;
}
