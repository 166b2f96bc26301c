#include "base/base.h"

const char *err_name(enum err err)
{
    switch (err) {
    case ERR_OK:
        return "ok";
    case ERR_INVALID:
        return "invalid";
    case ERR_NOMEM:
        return "nomem";
    case ERR_SYSTEM:
        return "system";
    case ERR_LIMIT:
        return "limit";
    case ERR_CLOSED:
        return "closed";
    case ERR_MISSING:
        return "missing";
    }
    return "unknown";
}
