# packages: openjdk-17-jdk-headless bash coreutils netbase
# HotSpot: the compiler and a program that uses threads, exceptions from signals, the collector, both of its compilers and none
cat > Hello.java <<'EOT'
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
public class Hello {
    static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
    static int recurse(int n) { return recurse(n + 1) + 1; }
    public static void main(String[] args) throws Exception {
        System.out.println("hello " + fib(25));
        System.out.println(IntStream.range(0, 100000).parallel().mapToLong(x -> (long) x * x).sum());
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Integer>> futures = new ArrayList<>();
        for (int i = 0; i < 20; i++) { final int n = i; futures.add(pool.submit(() -> fib(n))); }
        int sum = 0;
        for (Future<Integer> f : futures) sum += f.get();
        pool.shutdown();
        System.out.println(sum);
        for (int i = 0; i < 20000; i++) {
            try { Object o = i < 0 ? "" : null; o.hashCode(); } catch (NullPointerException e) { sum++; }
        }
        System.out.println(sum);
        try { recurse(0); } catch (StackOverflowError e) { System.out.println("stack overflow"); }
        try { int[] a = new int[2]; a[args.length + 2] = 1; } catch (ArrayIndexOutOfBoundsException e) { System.out.println(e.getMessage()); }
        Map<String, Integer> m = new HashMap<>();
        for (int i = 0; i < 100000; i++) m.merge("k" + i % 1000, 1, Integer::sum);
        for (int i = 0; i < 10; i++) { byte[][] b = new byte[1000][]; for (int j = 0; j < 1000; j++) b[j] = new byte[10000]; }
        System.gc();
        System.out.println(m.size() + " " + m.get("k7"));
        Process p = new ProcessBuilder("echo", "from a child").start();
        System.out.println(new String(p.getInputStream().readAllBytes()).trim() + " " + p.waitFor());
        System.out.println(Math.sin(1) + " " + Math.fma(1.1, 2.2, 3.3) + " " + String.format("%.3f", Math.PI));
    }
}
EOT
java=$(echo /usr/lib/jvm/java-17-openjdk-*/bin)
$java/javac Hello.java || exit 1
for options in "" -Xint -XX:TieredStopAtLevel=1 "-XX:-TieredCompilation -XX:+UseParallelGC" "-XX:+UseSerialGC -Xcomp"; do $java/java $options Hello || exit 1; done
