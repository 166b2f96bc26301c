#include "xmpp/xml_read.h"

#include "xml_plain.h"
#include "xml_read_parser.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include <expat.h>
#include "base/utf8.h"

/* Cannot occur in a document, neither literally nor as a reference. */
#define NS_SEPARATOR "\001"

/* L21.  No entity is ever declared, so nothing is amplified;
 * this is the second fence behind the DOCTYPE handler. */
#define LAUGHS_BYTES     65536
#define LAUGHS_FACTOR    2.0F
#define ALLOC_TRACK_FROM 1048576

/* A parser never shrinks; above this it is not kept (decision 37). */
#define PARSER_KEEP_BYTES 65536

/* expat.h hides these unless XML_DTD is defined as it was when the library
 * was built, and older libraries lack some. */
XML_Bool XML_SetBillionLaughsAttackProtectionMaximumAmplification(
    XML_Parser parser, float factor) __attribute__((weak));
XML_Bool XML_SetBillionLaughsAttackProtectionActivationThreshold(
    XML_Parser parser, unsigned long long bytes) __attribute__((weak));
XML_Bool XML_SetAllocTrackerActivationThreshold(XML_Parser parser,
                                                unsigned long long bytes)
    __attribute__((weak));

/* --- Memory: every block knows its parser and its size -------------------- */

struct block {
    struct xml_parser *owner;
    size_t size;
    max_align_t data[];
};

/* expat's malloc has no argument that tells for whom. */
static _Thread_local struct xml_parser *allocating;

static void xml_read_count(struct xml_parser *p, size_t more, size_t less)
{
    p->bytes += more - less;
    p->pool->bytes += more - less;
}

void *xml_block_realloc(struct xml_parser *p, void *at, size_t size)
{
    struct block *old = NULL;
    struct block *block;
    size_t before = 0;

    if (size > SIZE_MAX / 2)
        return NULL;
    if (at != NULL) {
        old = CONTAINER_OF(at, struct block, data);
        p = old->owner;
        before = old->size;
    }

    block = realloc(old, sizeof(*block) + size);
    if (block == NULL)
        return NULL;
    block->owner = p;
    block->size = size;
    xml_read_count(p, size, before);
    /* cppcheck-suppress memleak ; it is found again from its data */
    return block->data;
}

static void *on_realloc(void *at, size_t size)
{
    return xml_block_realloc(allocating, at, size);
}

static void *on_malloc(size_t size)
{
    return xml_block_realloc(allocating, NULL, size);
}

void xml_block_free(void *at)
{
    struct block *block;

    if (at == NULL)
        return;
    block = CONTAINER_OF(at, struct block, data);
    xml_read_count(block->owner, 0, block->size);
    free(block);
}

/* A handler may use another parser, so calls into expat nest. */
static struct xml_parser *xml_read_enter(struct xml_parser *p)
{
    struct xml_parser *before = allocating;

    allocating = p;
    return before;
}

static void xml_read_leave(struct xml_parser *before)
{
    allocating = before;
}

/* --- Parsers -------------------------------------------------------------- */

static const XML_Memory_Handling_Suite counted = {on_malloc, on_realloc,
                                                  xml_block_free};

/* Everything that a new parser lacks and that a reset takes away. */
static void prime(struct xml_parser *p)
{
    xml_parser_listen(p);
    XML_SetParamEntityParsing(p->expat, XML_PARAM_ENTITY_PARSING_NEVER);
    if (XML_SetBillionLaughsAttackProtectionMaximumAmplification != NULL)
        XML_SetBillionLaughsAttackProtectionMaximumAmplification(p->expat,
                                                                 LAUGHS_FACTOR);
    if (XML_SetBillionLaughsAttackProtectionActivationThreshold != NULL)
        XML_SetBillionLaughsAttackProtectionActivationThreshold(p->expat,
                                                                LAUGHS_BYTES);
    if (XML_SetAllocTrackerActivationThreshold != NULL)
        XML_SetAllocTrackerActivationThreshold(p->expat, ALLOC_TRACK_FROM);

    p->fed = 0;
    p->n_decls = 0;
    p->decls_text_len = 0;
    p->over = 0;
    p->is_fresh = true;
}

static void xml_read_destroy(struct xml_parser *p)
{
    struct xml_parser *before = xml_read_enter(p);

    if (p->expat != NULL)
        XML_ParserFree(p->expat);
    xml_read_leave(before);
    xml_block_free((void *)(uintptr_t)p->scope.at);
    xml_block_free(p->attrs);
    xml_block_free(p->decls);
    xml_block_free(p->decls_text);
    assert(p->bytes == sizeof(*p));
    p->pool->bytes -= sizeof(*p);
    free(p);
}

static struct xml_parser *create(struct xml_pool *pool)
{
    struct xml_parser *p = calloc(1, sizeof(*p));
    struct xml_parser *before;

    if (p == NULL)
        return NULL;
    p->pool = pool;
    xml_read_count(p, sizeof(*p), 0);
    before = xml_read_enter(p);
    p->expat = XML_ParserCreate_MM("UTF-8", &counted, NS_SEPARATOR);
    xml_read_leave(before);
    if (p->expat == NULL) {
        xml_read_destroy(p);
        return NULL;
    }
    prime(p);
    return p;
}

static bool reset(struct xml_parser *p)
{
    struct xml_parser *before;
    bool is_reset;

    xml_block_free((void *)(uintptr_t)p->scope.at);
    p->scope = (struct slice){NULL, 0};
    if (p->is_fresh)
        return true;
    before = xml_read_enter(p);
    is_reset = XML_ParserReset(p->expat, "UTF-8") == XML_TRUE;
    xml_read_leave(before);
    if (is_reset)
        prime(p);
    return is_reset;
}

bool xml_parser_is_large(const struct xml_parser *p)
{
    return p->bytes > PARSER_KEEP_BYTES;
}

bool xml_parser_set_scope(struct xml_parser *p, struct slice scope)
{
    char *copy = xml_block_realloc(p, NULL, scope.len);

    if (copy == NULL)
        return false;
    memcpy(copy, scope.at, scope.len);
    xml_block_free((void *)(uintptr_t)p->scope.at);
    p->scope = (struct slice){copy, scope.len};
    return true;
}

uint64_t xml_parser_pending(const struct xml_parser *p)
{
    XML_Index index = XML_GetCurrentByteIndex(p->expat);

    /* Unknown where nothing was parsed since the buffer moved: something is
     * held back then. */
    return index < 0 ? 1 : p->fed - (uint64_t)index;
}

static enum xml_verdict xml_read_verdict_of(enum XML_Error error)
{
    switch ((int)error) {
    case XML_ERROR_NO_MEMORY:
        return XML_NOMEM;
    case XML_ERROR_UNKNOWN_ENCODING:
    case XML_ERROR_INCORRECT_ENCODING:
        return XML_BAD_ENCODING;
    case XML_ERROR_UNDEFINED_ENTITY:
    case XML_ERROR_RECURSIVE_ENTITY_REF:
    case XML_ERROR_ASYNC_ENTITY:
    case XML_ERROR_BINARY_ENTITY_REF:
    case XML_ERROR_ATTRIBUTE_EXTERNAL_ENTITY_REF:
    case XML_ERROR_EXTERNAL_ENTITY_HANDLING:
    case XML_ERROR_AMPLIFICATION_LIMIT_BREACH:
        return XML_RESTRICTED;
    default: /* an enum of expat's, which grows */
        return XML_NOT_WELL_FORMED;
    }
}

static bool feed_expat(struct xml_parser *p, struct slice bytes, bool is_final)
{
    struct xml_parser *before = xml_read_enter(p);
    enum XML_Status status;

    assert(bytes.len <= INT_MAX);
    p->is_fresh = false;
    p->fed += bytes.len;
    p->pool->fed += bytes.len;
    status = XML_Parse(p->expat, bytes.at, (int)bytes.len, is_final);
    xml_read_leave(before);
    return status == XML_STATUS_OK;
}

enum xml_verdict xml_parser_feed(struct xml_reader *r, struct slice bytes,
                                 bool is_final)
{
    bool is_read = feed_expat(r->parser, bytes, is_final);

    if (r->is_stopped)
        return r->verdict;
    if (is_read)
        return XML_OK;
    return xml_read_verdict_of(XML_GetErrorCode(r->parser->expat));
}

/* --- The pool ------------------------------------------------------------- */

enum err xml_pool_new(struct xml_pool **out, unsigned idle_max)
{
    struct xml_pool *pool = calloc(1, sizeof(*pool));

    if (pool == NULL)
        return ERR_NOMEM;
    pool->idle_max = idle_max;
    pool->idle = calloc(idle_max + 1, sizeof(struct xml_parser *));
    pool->plain = xml_plain_new();
    if (pool->idle == NULL || pool->plain == NULL) {
        xml_plain_free(pool->plain);
        free(pool->idle);
        free(pool);
        return ERR_NOMEM;
    }
    *out = pool;
    return ERR_OK;
}

void xml_pool_free(struct xml_pool *pool)
{
    if (pool == NULL)
        return;
    assert(pool->n_lent == 0);
    while (pool->n_idle > 0)
        xml_read_destroy(pool->idle[--pool->n_idle]);
    assert(pool->bytes == 0 && pool->scopes == NULL);
    xml_plain_free(pool->plain);
    free(pool->idle);
    free(pool);
}

size_t xml_pool_bytes(const struct xml_pool *pool)
{
    return pool->bytes;
}

uint64_t xml_pool_fed_bytes(const struct xml_pool *pool)
{
    return pool->fed;
}

/* Takes one out of the idle ones; the order of the others stays. */
static struct xml_parser *pick(struct xml_pool *pool, unsigned i)
{
    struct xml_parser *p = pool->idle[i];

    pool->n_idle--;
    memmove(&pool->idle[i], &pool->idle[i + 1],
            (pool->n_idle - i) * sizeof(pool->idle[0]));
    return p;
}

/* The last used one of this scope, or NULL. */
static struct xml_parser *xml_read_find(struct xml_pool *pool,
                                        struct slice scope)
{
    for (unsigned i = pool->n_idle; i-- > 0;) {
        if (slice_equal(pool->idle[i]->scope, scope))
            return pick(pool, i);
    }
    return NULL;
}

static bool prime_scope(struct xml_parser *p, struct slice scope)
{
    if (!reset(p))
        return false;
    if (scope.len == 0)
        return true;
    if (!xml_parser_set_scope(p, scope) || !feed_expat(p, scope, false))
        return false;
    return true;
}

bool xml_parser_take(struct xml_pool *pool, struct xml_reader *r,
                     struct slice scope)
{
    struct xml_parser *p = xml_read_find(pool, scope);
    bool fits = p != NULL && scope.len > 0;

    /* While the pool is not full, a parser that is primed for others stays
     * so: two domains that take turns would reset it each time. */
    if (p == NULL && pool->n_idle < pool->idle_max)
        p = create(pool);
    if (p == NULL && pool->n_idle > 0)
        p = pick(pool, 0);
    if (p == NULL)
        p = create(pool);
    if (p == NULL)
        return false;

    if (!fits && !prime_scope(p, scope)) {
        xml_read_destroy(p);
        return false;
    }
    pool->n_lent++;
    p->reader = r;
    r->parser = p;
    r->is_stopped = false;
    r->verdict = XML_OK;
    r->depth = scope.len > 0 ? 1 : 0;
    r->elements = 0;
    r->start = 0;
    r->is_enclosed = false;
    r->is_over = false;
    return true;
}

void xml_parser_put(struct xml_reader *r, bool is_at_top)
{
    struct xml_parser *p = r->parser;
    struct xml_pool *pool = p->pool;

    r->parser = NULL;
    p->reader = NULL;
    pool->n_lent--;
    if (xml_parser_is_large(p) || pool->n_idle == pool->idle_max) {
        xml_read_destroy(p);
        return;
    }
    if (!is_at_top) {
        xml_block_free((void *)(uintptr_t)p->scope.at);
        p->scope = (struct slice){NULL, 0};
    }
    pool->idle[pool->n_idle++] = p;
}

/* --- Words ---------------------------------------------------------------- */

const char *xml_verdict_condition(enum xml_verdict verdict)
{
    switch (verdict) {
    case XML_OK:
        return "";
    case XML_NOT_WELL_FORMED:
        return "not-well-formed";
    case XML_RESTRICTED:
        return "restricted-xml";
    case XML_BAD_ENCODING:
        return "unsupported-encoding";
    case XML_TOO_BIG:
        return "policy-violation";
    case XML_STOPPED:
        return "undefined-condition";
    case XML_NOMEM:
        return "resource-constraint";
    }
    return "undefined-condition";
}

const char *xml_limit_name(enum xml_limit limit)
{
    switch (limit) {
    case XML_LIMIT_BYTES:
        return "size";
    case XML_LIMIT_TAG:
        return "tag";
    case XML_LIMIT_DEPTH:
        return "depth";
    case XML_LIMIT_ATTRS:
        return "attributes";
    case XML_LIMIT_NAME:
        return "name";
    case XML_LIMIT_COUNT:
        return "elements";
    case XML_LIMIT_MEMORY:
        return "memory";
    case XML_LIMIT_OUTPUT:
        return "output";
    }
    return "?";
}

#define DIGITS_(number) #number
#define DIGITS(number)  DIGITS_(number)

const char *xml_limit_text(enum xml_limit limit)
{
    switch (limit) {
    case XML_LIMIT_TAG:
        return "above the size of a tag, " DIGITS(XML_TAG_MAX_BYTES) " bytes";
    case XML_LIMIT_DEPTH:
        return "above the depth of " DIGITS(XML_DEPTH_MAX) " elements";
    case XML_LIMIT_ATTRS:
        return "above " DIGITS(XML_ATTRS_MAX) " attributes in a tag";
    case XML_LIMIT_NAME:
        return "above " DIGITS(XML_NAME_MAX_BYTES) " bytes in a name";
    case XML_LIMIT_COUNT:
        return "above " DIGITS(XML_ELEMENTS_MAX) " elements";
    case XML_LIMIT_MEMORY:
        return "above the memory for reading it";
    case XML_LIMIT_BYTES:
    case XML_LIMIT_OUTPUT:
        break;
    }
    return NULL;
}

const char *xml_library(void)
{
    return XML_ExpatVersion();
}

/* --- Documents -------------------------------------------------------------
 */

static struct slice without_mark(struct slice bytes)
{
    if (bytes.len >= 3 && memcmp(bytes.at, "\xEF\xBB\xBF", 3) == 0)
        return (struct slice){bytes.at + 3, bytes.len - 3};
    return bytes;
}

/*
 * A document that is only its root element and white space around it can be
 * read as the child of a root of ours, by a parser that stays inside of that
 * root: no reset, and no new hash salt from the kernel, for each document.
 */
static bool is_only_root(struct slice *bytes)
{
    size_t space = xml_space_len(bytes->at, bytes->len);
    struct slice root = {bytes->at + space, bytes->len - space};

    while (root.len > 0 && xml_is_space(root.at[root.len - 1]))
        root.len--;
    if (root.len < 2 || root.at[0] != '<' || root.at[1] == '!' ||
        root.at[1] == '?')
        return false;
    *bytes = root;
    return true;
}

static bool is_behind_root(const struct xml_reader *r)
{
    return r->has_root && r->depth == 0;
}

/* Nothing is open, and nothing follows that expat keeps or lets pass: an
 * incomplete token, a reference to white space. */
static bool is_whole(const struct xml_reader *r)
{
    return is_behind_root(r) && r->stopped_at == r->parser->fed;
}

static enum xml_verdict parse_enclosed(struct xml_reader *r,
                                       struct xml_pool *pool,
                                       struct slice bytes)
{
    enum xml_verdict verdict;

    if (!xml_parser_take(pool, r, SLICE("<d>")))
        return XML_NOMEM;
    r->is_enclosed = true;
    r->depth = 0;
    r->stopped_at = 0;
    verdict = xml_parser_feed(r, bytes, false);
    if (verdict == XML_OK && !is_whole(r))
        verdict = XML_NOT_WELL_FORMED;
    /* Behind the root there are no references, not even undeclared ones. */
    if (verdict == XML_RESTRICTED && !r->is_stopped && is_behind_root(r))
        verdict = XML_NOT_WELL_FORMED;
    xml_parser_put(r, verdict == XML_OK);
    return verdict;
}

/* Whether the root tag, behind a declaration or not, begins in UTF-16. */
static bool begins_in_utf16(struct slice bytes)
{
    static const char end[] = "?>";
    const char *behind =
        bytes.len < 5 || memcmp(bytes.at, "<?xml", 5) != 0
            ? NULL
            : memmem(bytes.at, bytes.len, end, sizeof(end) - 1);

    if (behind != NULL) {
        behind += sizeof(end) - 1;
        bytes.len -= (size_t)(behind - bytes.at);
        bytes.at = behind;
    }
    return bytes.len >= 2 &&
           (memcmp(bytes.at, "<\0", 2) == 0 || memcmp(bytes.at, "\0<", 2) == 0);
}

/* Of bytes that are not UTF-8, or have U+0000, which is no character of XML
 * (XML 1.0 section 2.2) and never gets to expat, which would guess that it is
 * UTF-16. */
static COLD enum xml_verdict verdict_of_bytes(struct slice bytes)
{
    if (begins_in_utf16(bytes) || !utf8_is_valid_with_nul(bytes))
        return XML_BAD_ENCODING;
    return XML_NOT_WELL_FORMED;
}

static enum xml_verdict parse_document(struct xml_reader *r,
                                       struct xml_pool *pool,
                                       struct slice bytes)
{
    enum xml_verdict verdict;

    if (!utf8_is_valid(bytes))
        return verdict_of_bytes(bytes);

    /* expat would swallow a second mark (H06), and guess at the encoding of
     * what begins with anything but markup. */
    bytes = without_mark(bytes);
    if (bytes.len == 0 || without_mark(bytes).len != bytes.len)
        return XML_NOT_WELL_FORMED;
    if (is_only_root(&bytes)) {
        if (xml_reader_try_plain(r, pool, bytes, NULL) > 0)
            return r->verdict;
        return parse_enclosed(r, pool, bytes);
    }
    if (!xml_parser_take(pool, r, SLICE("")))
        return XML_NOMEM;

    verdict = xml_parser_feed(r, bytes, true);
    xml_parser_put(r, false);
    return verdict;
}

enum xml_verdict xml_parse(struct xml_pool *pool, struct slice bytes,
                           const struct xml_limits *limits,
                           const struct xml_handler *handler, void *arg)
{
    struct xml_reader r = {
        .handler = handler,
        .arg = arg,
        .limits = *limits,
        .limit = XML_LIMIT_BYTES,
    };
    enum xml_verdict verdict = XML_TOO_BIG;

    if (bytes.len <= limits->bytes_max && bytes.len <= INT_MAX)
        verdict = parse_document(&r, pool, bytes);
    if (verdict == XML_TOO_BIG)
        pool->limit = r.limit;
    return verdict;
}

enum xml_limit xml_pool_limit(const struct xml_pool *pool)
{
    return pool->limit;
}
