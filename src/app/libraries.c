#include "libraries.h"

#include "base/log.h"
#include "xmpp/xml_read.h"

#include <dlfcn.h>
#include <stdio.h>

#define TEXT_BYTES 400

/*
 * What was considered and left out, because no function, constant or harmless
 * call tells a library with the fix from one without:
 *
 * expat    the faults of 2026 that were fixed in 2.8.1, 2.8.2 and later, and
 *          those of document type declarations, which doab refuses
 * OpenSSL  CVE-2022-3602: a call that shows it writes out of bounds
 * c-ares   CVE-2023-32067: shows only with a nameserver that answers nothing
 * zlib     CVE-2018-25032: a call that shows it may write out of bounds;
 *          CVE-2022-37434 is in a function that doab does not call
 * libidn2  CVE-2019-12290: fixed years before the OpenSSL that doab needs
 */
static const struct library_fix expat_fixes[] = {
    {"CVE-2023-52425", "XML_SetReparseDeferralEnabled",
     "a tag in many pieces costs the square of its length",
     "doab bounds this cost itself"},
    {"CVE-2025-59375", "XML_SetAllocTrackerActivationThreshold",
     "a small document can take much memory",
     "doab bounds the memory of a parser itself"},
};

/* expat writes its name in front. */
static const char *expat_version(void)
{
    const char *text = xml_library();

    return strncmp(text, "expat_", 6) == 0 ? text + 6 : text;
}

static const struct library libraries[] = {
    {"libexpat", "libexpat1", "XML_Parse", expat_version, expat_fixes,
     COUNT_OF(expat_fixes)},
};

/* Never a weak symbol: where the library lacks it at build time, a linker may
 * decide for good that there is none. */
static bool is_loaded(const char *symbol)
{
    return dlsym(RTLD_DEFAULT, symbol) != NULL;
}

void library_explain(const struct library *l, library_has *has,
                     library_say *say, void *arg)
{
    char text[TEXT_BYTES];

    if (!has(l->symbol))
        return;
    for (size_t i = 0; i < l->n_fixes; i++) {
        const struct library_fix *fix = &l->fixes[i];

        if (has(fix->symbol))
            continue;
        snprintf(text, sizeof(text),
                 "%s %s lacks the fix of %s (%s); %s; upgrade %s", l->name,
                 l->version(), fix->cve, fix->cost, fix->doab, l->package);
        say(arg, text);
    }
}

void library_summarise(const struct library *l, library_has *has, char *out,
                       size_t cap)
{
    char lacks[TEXT_BYTES] = "";
    size_t used = 0;

    out[0] = '\0';
    if (!has(l->symbol))
        return;
    for (size_t i = 0; i < l->n_fixes; i++) {
        if (!has(l->fixes[i].symbol) && used < sizeof(lacks))
            used += (size_t)snprintf(lacks + used, sizeof(lacks) - used, "%s%s",
                                     used > 0 ? "," : "", l->fixes[i].cve);
    }
    if (used > 0)
        snprintf(out, cap, "name=%s version=%s lacks=%s package=%s", l->name,
                 l->version(), lacks, l->package);
}

void libraries_explain(library_say *say, void *arg)
{
    for (size_t i = 0; i < COUNT_OF(libraries); i++)
        library_explain(&libraries[i], is_loaded, say, arg);
}

void libraries_warn(void)
{
    char text[TEXT_BYTES];

    for (size_t i = 0; i < COUNT_OF(libraries); i++) {
        library_summarise(&libraries[i], is_loaded, text, sizeof(text));
        if (text[0] != '\0')
            log_warn(NULL, "library.outdated %s", text);
    }
}
