# Python's own test_socket. Left out:
#   ThreadedVSOCKSocketStreamTest   binds a fixed vsock port, which is the host's: taken on some hosts, natively, too
#   InterruptedRecvTimeoutTest, InterruptedSendTimeoutTest   expect a timer of 50 ms to end in their next call but one, which
#                                   a busy machine does not promise; tests/guest/signals_blocking.c has what they test
python3 -m test test_socket -i ThreadedVSOCKSocketStreamTest -i 'Interrupted*TimeoutTest' > log 2>&1 || { cat log; exit 1; }
