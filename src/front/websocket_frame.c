#include "front/websocket_frame.h"

#include <string.h>

#define FIN_TEXT         0x81
#define FIN_CLOSE        0x88
#define REASON_MAX_BYTES 123

size_t websocket_text_head(char out[WEBSOCKET_HEAD_MAX_BYTES], size_t len)
{
    uint64_t length = len;
    size_t bytes = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    size_t i;

    out[0] = (char)FIN_TEXT;
    out[1] = (char)(bytes == 0 ? len : bytes == 2 ? 126 : 127);
    for (i = 0; i < bytes; i++)
        out[2 + i] = (char)(length >> 8 * (bytes - 1 - i) & 0xff);
    return 2 + bytes;
}

size_t websocket_close_frame(char out[WEBSOCKET_CLOSE_MAX_BYTES], unsigned code,
                             const char *reason)
{
    size_t len = strlen(reason);

    if (len > REASON_MAX_BYTES) {
        len = REASON_MAX_BYTES;
        while (len > 0 && ((unsigned char)reason[len] & 0xc0) == 0x80)
            len--;
    }
    out[0] = (char)FIN_CLOSE;
    out[1] = (char)(len + 2);
    out[2] = (char)(code >> 8 & 0xff);
    out[3] = (char)(code & 0xff);
    memcpy(out + 4, reason, len);
    return len + 4;
}
