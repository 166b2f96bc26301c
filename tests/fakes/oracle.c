#include "oracle.h"

#include "base/buf.h"
#include "xmpp/xml_write.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>

#define BYTES_MAX   (64u << 20)
#define FAULT_BYTES 256

/* Between a namespace and a name, for expat: in no namespace. */
#define BETWEEN  '\001'
#define STREAM   NS_STREAMS "\001stream"
#define STARTTLS NS_TLS "\001starttls"
#define SUCCESS  NS_SASL "\001success"

/* Newer versions put tokens off that come in pieces. */
extern XML_Bool XML_SetReparseDeferralEnabled(XML_Parser parser, XML_Bool on)
    __attribute__((weak));

/* One direction of the stream. */
struct reader {
    XML_Parser parser; /* owned; NULL: not begun, or given up */
    unsigned depth;
};

struct oracle {
    struct reader sent; /* by doab */
    struct buf bytes;   /* of its document, from the beginning */
    bool has_declaration;
    bool has_ended;     /* </stream:stream> */
    bool waits_for_tls; /* <starttls/> was sent */
    char fault[FAULT_BYTES];
    struct reader heard;  /* of the server */
    bool is_deaf;         /* the server makes no sense, or has its restart */
    unsigned n_successes; /* that no header followed yet */
};

static void blame(struct oracle *o, const char *what, const char *which)
{
    if (o->fault[0] == '\0')
        snprintf(o->fault, sizeof(o->fault), "%s%s%s", what,
                 which[0] == '\0' ? "" : ": ", which);
}

static void drop(struct reader *r)
{
    if (r->parser != NULL)
        XML_ParserFree(r->parser);
    r->parser = NULL;
    r->depth = 0;
}

static void begin(struct reader *r, void *arg)
{
    drop(r);
    r->parser = XML_ParserCreateNS("UTF-8", BETWEEN);
    if (r->parser == NULL)
        abort();
    XML_SetUserData(r->parser, arg);
    if (XML_SetReparseDeferralEnabled != NULL)
        (void)XML_SetReparseDeferralEnabled(r->parser, XML_FALSE);
}

/* ---- doab's side ---- */

static void check_root(struct oracle *o, const char *name)
{
    if (strcmp(name, STREAM) != 0)
        blame(o, "no stream header", name);
    if (!o->has_declaration)
        blame(o, "no XML declaration before the header", "");
}

static void check_top(struct oracle *o, const char *name)
{
    if (strcmp(name, STREAM) == 0)
        blame(o, "a header inside a stream", "");
    if (strncmp(name, NS_SERVER "\001", strlen(NS_SERVER "\001")) == 0)
        blame(o, "an element of servers", name);
}

static void on_start(void *arg, const char *name, const char **attrs)
{
    struct oracle *o = arg;

    (void)attrs;
    if (o->waits_for_tls)
        blame(o, "bytes behind <starttls/>", "");
    o->sent.depth++;
    if (o->sent.depth == 1)
        check_root(o, name);
    if (o->sent.depth == 2)
        check_top(o, name);
}

static void on_end(void *arg, const char *name)
{
    struct oracle *o = arg;

    o->sent.depth--;
    if (o->sent.depth == 1 && strcmp(name, STARTTLS) == 0)
        o->waits_for_tls = true;
    if (o->sent.depth == 0)
        o->has_ended = true;
}

static void on_text(void *arg, const char *text, int len)
{
    struct oracle *o = arg;

    for (int i = 0; o->sent.depth == 1 && i < len; i++) {
        if (memchr(" \t\r\n", text[i], 4) == NULL)
            blame(o, "text between elements", "");
    }
}

static void on_declaration(void *arg, const char *version, const char *encoding,
                           int standalone)
{
    struct oracle *o = arg;

    (void)standalone;
    if (version == NULL || strcmp(version, "1.0") != 0 ||
        (encoding != NULL && strcmp(encoding, "UTF-8") != 0))
        blame(o, "a declaration of something else", "");
    o->has_declaration = true;
}

static void see_comment(void *arg, const char *text)
{
    (void)text;
    blame(arg, "a comment", "");
}

static void on_instruction(void *arg, const char *target, const char *data)
{
    (void)data;
    blame(arg, "a processing instruction", target);
}

static void on_doctype(void *arg, const char *name, const char *system,
                       const char *public, int has_subset)
{
    (void)system;
    (void)public;
    (void)has_subset;
    blame(arg, "a document type", name);
}

static void on_section(void *arg)
{
    blame(arg, "a CDATA section", "");
}

static void begin_sent(struct oracle *o)
{
    begin(&o->sent, o);
    XML_SetElementHandler(o->sent.parser, on_start, on_end);
    XML_SetCharacterDataHandler(o->sent.parser, on_text);
    XML_SetXmlDeclHandler(o->sent.parser, on_declaration);
    XML_SetCommentHandler(o->sent.parser, see_comment);
    XML_SetProcessingInstructionHandler(o->sent.parser, on_instruction);
    XML_SetStartDoctypeDeclHandler(o->sent.parser, on_doctype);
    XML_SetStartCdataSectionHandler(o->sent.parser, on_section);
    o->has_declaration = false;
}

/* A declaration where none may be: between two elements it begins a new
 * stream, if the server has called for one.  True: what stands from there on is
 * a document of its own. */
static bool begins_anew(struct oracle *o)
{
    XML_Parser p = o->sent.parser;

    if (XML_GetErrorCode(p) != XML_ERROR_MISPLACED_XML_PI ||
        o->sent.depth != 1 || o->has_ended)
        return false;
    if (o->n_successes == 0) {
        blame(o, "a header that no <success/> calls for", "");
        return false;
    }
    o->n_successes--;
    o->is_deaf = true; /* the new stream has no login */
    drop(&o->heard);
    buf_consume(&o->bytes, (size_t)XML_GetErrorByteIndex(p));
    begin_sent(o);
    return true;
}

static void parse(struct oracle *o, size_t from)
{
    struct slice all = buf_slice(&o->bytes);

    if (XML_Parse(o->sent.parser, all.at + from, (int)(all.len - from), 0) ==
        XML_STATUS_OK)
        return;
    if (begins_anew(o))
        parse(o, 0);
    else
        blame(o, "not well-formed",
              XML_ErrorString(XML_GetErrorCode(o->sent.parser)));
}

const char *oracle_read(struct oracle *o, struct slice bytes)
{
    size_t from = o->bytes.len;

    if (bytes.len > 0 && o->waits_for_tls)
        blame(o, "bytes behind <starttls/>", "");
    if (bytes.len > 0 && o->has_ended)
        blame(o, "bytes behind </stream:stream>", "");
    if (bytes.len > 0 && o->fault[0] == '\0') {
        if (buf_append_slice(&o->bytes, bytes) != ERR_OK)
            abort();
        parse(o, from);
    }
    return o->fault[0] == '\0' ? NULL : o->fault;
}

const char *oracle_end(struct oracle *o)
{
    bool is_whole = o->bytes.len == 0 || o->has_ended || o->waits_for_tls;

    /* Between two elements the document lacks its end and no more. */
    if (!is_whole && o->fault[0] == '\0' &&
        (XML_Parse(o->sent.parser, "", 0, 1) == XML_STATUS_OK ||
         XML_GetErrorCode(o->sent.parser) != XML_ERROR_NO_ELEMENTS ||
         o->sent.depth != 1))
        blame(o, "an element that is cut off", "");
    return o->fault[0] == '\0' ? NULL : o->fault;
}

void oracle_secure(struct oracle *o)
{
    o->waits_for_tls = false;
    o->n_successes = 0;
    o->is_deaf = false;
    drop(&o->heard);
    buf_clear(&o->bytes, 0);
    begin_sent(o);
}

/* ---- the server's side ---- */

static void on_heard_start(void *arg, const char *name, const char **attrs)
{
    struct oracle *o = arg;

    (void)name;
    (void)attrs;
    o->heard.depth++;
}

static void on_heard_end(void *arg, const char *name)
{
    struct oracle *o = arg;

    o->heard.depth--;
    if (o->heard.depth == 1 && strcmp(name, SUCCESS) == 0)
        o->n_successes++;
}

void oracle_hear(struct oracle *o, struct slice bytes)
{
    if (o->is_deaf || bytes.len == 0)
        return;
    if (o->heard.parser == NULL) {
        /* Some begin with a line end. */
        while (bytes.len > 0 && memchr(" \t\r\n", bytes.at[0], 4) != NULL) {
            bytes.at++;
            bytes.len--;
        }
        begin(&o->heard, o);
        XML_SetElementHandler(o->heard.parser, on_heard_start, on_heard_end);
    }
    if (XML_Parse(o->heard.parser, bytes.at, (int)bytes.len, 0) !=
        XML_STATUS_OK)
        o->is_deaf = true;
}

/* ---- life ---- */

struct oracle *oracle_new(void)
{
    struct oracle *o = calloc(1, sizeof(*o));

    if (o == NULL)
        abort();
    buf_init(&o->bytes, BYTES_MAX);
    begin_sent(o);
    return o;
}

void oracle_free(struct oracle *o)
{
    if (o == NULL)
        return;
    drop(&o->sent);
    drop(&o->heard);
    buf_free(&o->bytes);
    free(o);
}
