# A port that answers no SYN: it listens, its queue is full, and nobody is
# ever accepted.  Prints the port, and waits to be ended.
import signal
import socket
import sys

ADDRESS = sys.argv[1]

listener = socket.socket()
listener.bind((ADDRESS, 0))
listener.listen(0)
waiting = []
for _ in range(8):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(listener.getsockname())
    waiting.append(s)
print("port", listener.getsockname()[1], flush=True)
signal.pause()
