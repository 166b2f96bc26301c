/*
 * config_parse.h - the text of a configuration file, read into a draft.
 *
 *     file    = *section
 *     section = word [ text ] "{" *key "}"
 *     key     = word "=" ( text / "{" [ text *( "," text ) [ "," ] ] "}" )
 *     text    = word / string
 *
 * A word consists of ASCII letters, digits and _-.:/@%*[]~ and has neither //
 * nor a comment's opening in it.  A string is in single quotes, or in double
 * quotes where \" and \\ stand for " and \; it does not span lines.  Comments
 * go from '#' to the end of the line.  Nothing else has a meaning: there is no
 * +=, no nesting, no include, and ${ may stand nowhere, since other readers
 * put the environment there.
 *
 * What the names mean, and which values they take, the draft knows.
 */
#ifndef APP_CONFIG_PARSE_H
#define APP_CONFIG_PARSE_H

#include "base/base.h"

struct config_draft;
struct config_report;

/*
 * Opens the sections and sets the keys that text has, which is UTF-8.  Reading
 * goes on after a name or value that the draft refuses, and stops where the
 * syntax is wrong.
 * ERR_INVALID: *report (that of the draft) has the faults.  ERR_NOMEM.
 */
MUST_CHECK enum err config_parse(struct slice text, struct config_draft *draft,
                                 struct config_report *report);

#endif /* APP_CONFIG_PARSE_H */
