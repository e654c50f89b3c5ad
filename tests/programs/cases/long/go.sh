# packages: golang-go bash coreutils netbase
# Go: its compiler, and a program whose runtime uses signals for preemption and faults, epoll, vfork
cat > hello.go <<'EOT'
package main

import (
	"fmt"
	"os/exec"
	"os/signal"
	"os"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

func fib(n int) int { if n < 2 { return n }; return fib(n-1) + fib(n-2) }

func main() {
	fmt.Println("hello", fib(25))
	var wg sync.WaitGroup
	var mu sync.Mutex
	sum := 0
	for i := 0; i < 1000; i++ {
		wg.Add(1)
		go func(i int) { defer wg.Done(); mu.Lock(); sum += i; mu.Unlock() }(i)
	}
	wg.Wait()
	fmt.Println(sum)
	go func() { for { } }() // asynchronous preemption
	go func() { for { } }()
	time.Sleep(20 * time.Millisecond)
	runtime.GC()
	out, err := exec.Command("echo", "from a child").Output()
	fmt.Println(strings.TrimSpace(string(out)), err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fmt.Println(err)
	go func() { c, _ := l.Accept(); c.Write([]byte("over tcp")); c.Close() }()
	c, err := net.Dial("tcp", l.Addr().String())
	b := make([]byte, 20)
	n, _ := c.Read(b)
	fmt.Println(string(b[:n]), err)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-ch)
	func() {
		defer func() { fmt.Println("recovered:", recover()) }()
		var p *int
		*p = 1
	}()
	m := map[string][]int{}
	for i := 0; i < 100000; i++ { k := fmt.Sprint(i % 100); m[k] = append(m[k], i) }
	fmt.Println(len(m), len(m["7"]))
}
EOT
export GOCACHE=/tmp/cache GOPATH=/tmp/path CGO_ENABLED=0 GO111MODULE=off
/usr/lib/go-*/bin/go build -o hello hello.go || exit 1
for i in 1 2 3 4 5; do ./hello || exit 1; done
