#include "http_chunk.h"

/* Extensions, trailers and leading zeros of one body, all of which we read
 * only to throw away. */
#define OVERHEAD_MAX_BYTES 4096

/* What is awaited.  Line ends must be CRLF here: a lone LF after a chunk's
 * extension is read differently by other programs (RFC 9112 7.1.1, 11.2). */
enum {
    SIZE_FIRST, /* first digit of a size */
    SIZE,       /* further digits, or what ends them */
    SIZE_SPACE, /* white space before an extension */
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* first byte of a trailer field, or the last line end */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    COMPLETE,
    BROKEN,
    TOO_LARGE,
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_text(char c)
{
    unsigned char byte = (unsigned char)c;

    return byte == '\t' || (byte >= ' ' && byte != 0x7f);
}

/* Good enough for a name that nobody will read. */
static bool http_chunk_is_name(char c)
{
    return is_text(c) && c != ' ' && c != '\t' && c != ':' &&
           (unsigned char)c < 0x80;
}

static unsigned step_size(struct http_chunks *c, char byte)
{
    int digit = hex_digit(byte);

    if (digit >= 0) {
        /* At the digit: a client need not send what will be refused. */
        if (c->left > UINT64_MAX >> 4 ||
            (c->left << 4 | (unsigned)digit) > c->room)
            return TOO_LARGE;
        if (c->state == SIZE && c->left == 0)
            c->overhead_bytes++;
        c->left = c->left << 4 | (unsigned)digit;
        return SIZE;
    }
    if (c->state == SIZE_FIRST)
        return BROKEN;
    if (byte == '\r')
        return SIZE_LF;
    if (byte == ';')
        return EXTENSION;
    return byte == ' ' || byte == '\t' ? SIZE_SPACE : BROKEN;
}

static unsigned step_extension(struct http_chunks *c, char byte)
{
    c->overhead_bytes++;
    if (c->state == SIZE_SPACE) {
        if (byte == ';')
            return EXTENSION;
        return byte == ' ' || byte == '\t' ? SIZE_SPACE : BROKEN;
    }
    if (byte == '\r')
        return SIZE_LF;
    return is_text(byte) ? EXTENSION : BROKEN;
}

static unsigned step_trailer(struct http_chunks *c, char byte)
{
    if (c->state == TRAILER && byte == '\r')
        return LAST_LF;
    c->overhead_bytes++;
    if (c->state == TRAILER)
        return http_chunk_is_name(byte) ? TRAILER_NAME : BROKEN;
    if (c->state == TRAILER_NAME) {
        if (byte == ':')
            return TRAILER_VALUE;
        return http_chunk_is_name(byte) ? TRAILER_NAME : BROKEN;
    }
    if (byte == '\r')
        return TRAILER_LF;
    return is_text(byte) ? TRAILER_VALUE : BROKEN;
}

/* The state after one byte of framing. */
static unsigned step(struct http_chunks *c, char byte)
{
    switch (c->state) {
    case SIZE_FIRST:
    case SIZE:
        return step_size(c, byte);
    case SIZE_SPACE:
    case EXTENSION:
        return step_extension(c, byte);
    case SIZE_LF:
        if (byte != '\n')
            return BROKEN;
        return c->left > 0 ? DATA : TRAILER;
    case DATA_CR:
        return byte == '\r' ? DATA_LF : BROKEN;
    case DATA_LF:
        return byte == '\n' ? SIZE_FIRST : BROKEN;
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_VALUE:
        return step_trailer(c, byte);
    case TRAILER_LF:
        return byte == '\n' ? TRAILER : BROKEN;
    case LAST_LF:
        return byte == '\n' ? COMPLETE : BROKEN;
    default: /* the states of data and of the end never come here */
        return BROKEN;
    }
}

void http_chunks_init(struct http_chunks *c, uint64_t body_max_bytes)
{
    *c = (struct http_chunks){.room = body_max_bytes};
}

unsigned http_chunks_status(const struct http_chunks *c)
{
    return c->state == TOO_LARGE ? 413 : 400;
}

enum http_verdict http_parse_chunk(struct http_chunks *c, const char *at,
                                   size_t len, size_t *used, struct slice *body)
{
    size_t i = 0;

    *body = (struct slice){NULL, 0};
    while (i < len && c->state != DATA && c->state < COMPLETE) {
        c->state = step(c, at[i]);
        i++;
        if (c->overhead_bytes > OVERHEAD_MAX_BYTES)
            c->state = BROKEN;
    }
    if (c->state == DATA && i < len) {
        body->at = at + i;
        body->len = len - i < c->left ? len - i : (size_t)c->left;
        c->left -= body->len;
        c->room -= body->len;
        i += body->len;
        if (c->left == 0)
            c->state = DATA_CR;
    }
    *used = i;
    if (c->state >= BROKEN)
        return HTTP_WRONG;
    return c->state == COMPLETE ? HTTP_DONE : HTTP_MORE;
}
