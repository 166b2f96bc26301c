/*
 * xml_token.h - where the bytes of a stream are in the grammar of XML: in text,
 * or inside a piece of markup such as a tag or a reference.  Pure.
 *
 * expat looks at an incomplete piece of markup again from its first byte each
 * time that more bytes come, and newer versions put that off and so hold back
 * pieces that are complete.  Neither matters when it only gets whole pieces:
 * this lexer says where they end.  Each byte is read once.
 *
 * It does not judge.  Where the bytes cannot be XML it calls a piece complete
 * early or late, and expat, which gets the piece then, finds the fault.
 */
#ifndef XMPP_XML_TOKEN_H
#define XMPP_XML_TOKEN_H

#include "base/base.h"
#include "base/plain.h"

enum xml_token_state {
    XML_TOKEN_TEXT,        /* between pieces of markup */
    XML_TOKEN_CDATA,       /* in the content of a CDATA section */
    XML_TOKEN_OPENS,       /* `<` was read */
    XML_TOKEN_TAG,         /* a start tag: ends at `>` outside of quotes */
    XML_TOKEN_QUOTED,      /* in '…' of a start tag */
    XML_TOKEN_QUOTED2,     /* in "…" of a start tag */
    XML_TOKEN_END_TAG,     /* ends at `>` */
    XML_TOKEN_BANG,        /* `<!` was read */
    XML_TOKEN_DASH,        /* `<!-` was read */
    XML_TOKEN_COMMENT,     /* ends at `--` and one byte more */
    XML_TOKEN_COMMENT_END, /* `--` was read inside of a comment */
    XML_TOKEN_INSTRUCTION, /* ends at `?>` */
    XML_TOKEN_SECTION,     /* `<![` was read: ends at `[` */
    XML_TOKEN_DECLARATION, /* ends at `>` */
    XML_TOKEN_REFERENCE,   /* ends at `;` */
};

/* All zero is the state at the beginning of a stream and between elements. */
struct xml_token {
    unsigned char state; /* enum xml_token_state */
    unsigned char run;   /* how many of `]`, `-` or `?` were just read */
};

/* Reads one byte. */
void xml_token_step(struct xml_token *t, char c);

/* Inside a piece of markup that is not complete. */
static inline bool xml_token_is_open(const struct xml_token *t)
{
    return t->state != XML_TOKEN_TEXT && t->state != XML_TOKEN_CDATA;
}

/* Inside of what no XMPP stream may hold (RFC 6120 section 11.1): a comment,
 * a processing instruction, a declaration. */
static inline bool xml_token_is_restricted(const struct xml_token *t)
{
    return t->state >= XML_TOKEN_DASH && t->state <= XML_TOKEN_DECLARATION &&
           t->state != XML_TOKEN_SECTION;
}

/* How many of the first bytes change nothing: they need no step. */
static inline size_t xml_token_run(const struct xml_token *t,
                                   struct slice bytes)
{
    const unsigned states = 1u << XML_TOKEN_TEXT | 1u << XML_TOKEN_TAG |
                            1u << XML_TOKEN_QUOTED | 1u << XML_TOKEN_QUOTED2 |
                            1u << XML_TOKEN_END_TAG;

    return (states & 1u << t->state) != 0 ? plain_run(bytes.at, bytes.len) : 0;
}

/* Reads all bytes.  Answers how many at their front are whole: text, and
 * markup that is complete.  What is behind them begins a piece. */
size_t xml_token_cut(struct xml_token *t, struct slice bytes);

/* How many bytes there are up to the end of the first piece of markup that is
 * complete in them; all when there is none.  Reads nothing. */
size_t xml_token_first(const struct xml_token *t, struct slice bytes);

/* Inside of a piece: reads up to its end.  Answers how many bytes were read;
 * xml_token_is_open then says whether more are needed. */
size_t xml_token_finish(struct xml_token *t, struct slice bytes);

#endif /* XMPP_XML_TOKEN_H */
