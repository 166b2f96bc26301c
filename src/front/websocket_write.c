#include "websocket_write.h"

#include <string.h>

#define FIN              0x80u
#define REASON_MAX_BYTES (WEBSOCKET_CONTROL_MAX_BYTES - 2)

size_t websocket_head(char out[WEBSOCKET_HEAD_MAX_BYTES], unsigned first,
                      size_t len)
{
    uint64_t length = len;
    size_t bytes = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    size_t i;

    out[0] = (char)(FIN | first);
    out[1] = (char)(bytes == 0 ? len : bytes == 2 ? 126 : 127);
    for (i = 0; i < bytes; i++)
        out[2 + i] = (char)(length >> 8 * (bytes - 1 - i) & 0xff);
    return 2 + bytes;
}

size_t websocket_close_frame(char out[WEBSOCKET_CLOSE_MAX_BYTES], unsigned code,
                             const char *reason)
{
    size_t len = strlen(reason);

    if (code == 0)
        return websocket_head(out, WEBSOCKET_OP_CLOSE, 0);
    if (len > REASON_MAX_BYTES) {
        len = REASON_MAX_BYTES;
        while (len > 0 && ((unsigned char)reason[len] & 0xc0) == 0x80)
            len--;
    }
    (void)websocket_head(out, WEBSOCKET_OP_CLOSE, len + 2);
    out[2] = (char)(code >> 8 & 0xff);
    out[3] = (char)(code & 0xff);
    memcpy(out + 4, reason, len);
    return len + 4;
}
