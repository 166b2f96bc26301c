/*
 * element_note.h - what is noted of an element while element.c copies it: its
 * kind, and the few attributes, children and texts that doab itself needs.
 *
 * Depth 1 is the element itself.  Nothing here changes what is copied.
 */
#ifndef XMPP_ELEMENT_NOTE_H
#define XMPP_ELEMENT_NOTE_H

#include "xmpp/element.h"

/* RFC 6120, section 4.9.3: the longest is "unsupported-stanza-type". */
#define NOTE_CONDITION_MAX_BYTES 64

struct element_note {
    struct element element; /* its slices point into this struct */
    bool is_in_other_host;
    bool has_condition;
    struct buf other_host; /* owned */
    struct buf id;         /* owned */
    char condition[NOTE_CONDITION_MAX_BYTES];
};

void element_note_init(struct element_note *n);
void element_note_fini(struct element_note *n);

/* Forgets the element before. */
void element_note_begin(struct element_note *n);

/* A start tag at `depth`.  ERR_NOMEM. */
MUST_CHECK enum err element_note_start(struct element_note *n,
                                       const struct xml_tag *tag,
                                       unsigned depth);
MUST_CHECK enum err element_note_text(struct element_note *n,
                                      struct slice text);
void element_note_end(struct element_note *n); /* any end tag */

const struct xml_attr *element_find_attr(const struct xml_tag *tag,
                                         const char *ns, const char *local);

#endif /* XMPP_ELEMENT_NOTE_H */
