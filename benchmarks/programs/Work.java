// Objects, boxed integers, arrays of doubles, strings, calls, in a JIT with several threads of its own.
import java.util.*;
public class Work {
    static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
    public static void main(String[] a) {
        HashMap<Integer, Integer> m = new HashMap<>();
        for (int i = 0; i < 300000; ++i) m.put(i * 7919 % 10007, i);
        double s = 0;
        double[] d = new double[200000];
        for (int i = 0; i < d.length; ++i) d[i] = Math.sqrt(i);
        for (int r = 0; r < 100; ++r) for (int i = 0; i < d.length; ++i) s += d[i] * (i & 3);
        String[] w = new String[50000];
        for (int i = 0; i < w.length; ++i) w[i] = "w" + i * 31 % 977;
        Arrays.sort(w);
        System.out.printf("%d %.3f %s %d%n", m.size(), s, w[12345], fib(32));
    }
}
