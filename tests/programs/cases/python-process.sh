# subprocess, sockets and multiprocessing (fork and spawn)
cat > t.py <<'EOF'
import multiprocessing, os, socket, subprocess, sys, threading

def square(x):
    return x * x

def main():
    print(subprocess.run(["tr", "a-z", "A-Z"], input=b"hello", capture_output=True).stdout)
    print(subprocess.run("exit 5", shell=True).returncode, subprocess.run(["sh", "-c", "kill -TERM $$"]).returncode)
    try:
        subprocess.run(["/nonexistent"])
    except FileNotFoundError as error:
        print("not found", error.errno)
    p = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    p.terminate()
    print(p.wait())
    server = socket.create_server(("127.0.0.1", 0))
    def serve():
        connection, _ = server.accept()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data[::-1])
    thread = threading.Thread(target=serve)
    thread.start()
    with socket.create_connection(server.getsockname()) as client:
        client.sendall(b"stream")
        print(client.recv(100))
    thread.join()
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    socket.send_fds(a, [b"fd"], [1])
    data, fds, _, _ = socket.recv_fds(b, 10, 1)
    os.write(fds[0], data + b" passed\n")
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, sum(pool.map(square, range(1000))), flush=True)
    lock, value = multiprocessing.Lock(), multiprocessing.Value("i", 0)
    def add():
        for _ in range(200):
            with lock:
                value.value += 1
    ps = [multiprocessing.Process(target=add) for _ in range(3)]
    [p.start() for p in ps], [p.join() for p in ps]
    print(value.value)

if __name__ == "__main__":
    main()
EOF
python3 -u t.py
